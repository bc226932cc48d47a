// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Tables of Linux 6.18 on amd64, without the spaces at the ends of their lines.
const (
	tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:A00D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 87548 2 000000004b6cbbc4 100 0 0 10 0
   1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1059 1 0000000098e83963 100 0 0 10 0
   2: 0100007F:8557 0100007F:959C 06 00000000:00000000 03:00000D97 00000000     0        0 0 3 00000000793a4960
   3: 0100007F:85A1 0100007F:8788 01 00000000:00000000 03:000002FD 00000000     0        0 0 3 0000000082e0fcbc
`
	tcp6Table = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:46A3 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 163823 1 000000004ec3a9a5 100 0 0 10 0
   1: 000000FD000000000000000005000000:46A1 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 163819 1 000000000f1c1d55 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:46A2 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 163821 1 000000000f1c1d55 100 0 0 10 0
`
	udpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  145: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 2001 2 0000000000000000 0
  146: 0100007F:0036 0100007F:0035 01 00000000:00000000 00:00000000 00000000   101        0 2002 2 0000000000000000 0
  147: 00000000:0000 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 2003 2 0000000000000000 0
  148: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0000000000000000 0
`
	rawTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
    1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3001 2 0000000000000000 0
   89: 00000000:0059 0100007F:0000 01 00000000:00000000 00:00000000 00000000     0        0 3002 2 0000000000000000 0
  255: 00000000:00FF 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3003 2 0000000000000000 0
`
	// Of Linux 6.1, which hides where things are in memory.
	epsTable = ` ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
(____ptrval____) (____ptrval____) 2   10  59   2905      0  1322 0.0.0.0 
(____ptrval____) (____ptrval____) 0   10  60   2906   1000  1323 127.0.1.1 127.0.1.2 127.0.1.3 
(____ptrval____) (____ptrval____) 2   10  61   2907      0 11054 0000:0000:0000:0000:0000:0000:0000:0000 
`
)

func heading(table string) string { return table[:strings.IndexByte(table, '\n')+1] }

func socketOf(protocol Protocol, address string, inode uint64, uid uint32) Socket {
	return Socket{Protocol: protocol, Address: netip.MustParseAddrPort(address), Inode: inode, UID: uid}
}

func TestReadTable(t *testing.T) {
	row := strings.Split(udpTable, "\n")[1]
	tests := map[string]struct {
		protocol Protocol
		table    string
		want     []Socket
		wantErr  bool
	}{
		"TCP, IPv4": {protocol: TCP, table: tcpTable, want: []Socket{socketOf(TCP, "127.0.0.1:40973", 87548, 1000), socketOf(TCP, "0.0.0.0:2024", 1059, 0)}},
		"TCP, IPv6": {protocol: TCP, table: tcp6Table, want: []Socket{
			socketOf(TCP, "[::1]:18083", 163823, 0), socketOf(TCP, "[fd00::5]:18081", 163819, 0), socketOf(TCP, "127.0.0.1:18082", 163821, 0),
		}},
		"UDP": {protocol: UDP, table: udpTable, want: []Socket{socketOf(UDP, "127.0.0.1:53", 2001, 101), socketOf(UDP, "0.0.0.0:4789", 0, 0)}},
		"raw": {protocol: Raw, table: rawTable, want: []Socket{socketOf(Raw, "0.0.0.0:1", 3001, 0)}},
		"SCTP": {protocol: SCTP, table: epsTable, want: []Socket{
			socketOf(SCTP, "0.0.0.0:2905", 1322, 0), socketOf(SCTP, "127.0.1.1:2906", 1323, 1000), socketOf(SCTP, "127.0.1.2:2906", 1323, 1000),
			socketOf(SCTP, "127.0.1.3:2906", 1323, 1000), socketOf(SCTP, "[::]:2907", 11054, 0),
		}},
		"a heading":     {protocol: UDP, table: heading(udpTable)},
		"nothing":       {protocol: UDP, table: ""},
		"no line break": {protocol: UDP, table: heading(udpTable) + row, want: []Socket{socketOf(UDP, "127.0.0.1:53", 2001, 101)}},
		"a malformed row hides no other": {
			protocol: UDP, table: heading(udpTable) + "nonsense\n" + row + "\n", want: []Socket{socketOf(UDP, "127.0.0.1:53", 2001, 101)}, wantErr: true,
		},
		"a row that is too long":      {protocol: UDP, table: heading(udpTable) + row + "\n" + strings.Repeat(" ", maxRowBytes+1), want: []Socket{socketOf(UDP, "127.0.0.1:53", 2001, 101)}, wantErr: true},
		"an endpoint without address": {protocol: SCTP, table: heading(epsTable) + "0 0 2 10 61 2905 0 4001 \n", wantErr: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found := newSocketList()
			err := readTable(t.Context(), strings.NewReader(test.table), test.protocol, &found)
			if (err != nil) != test.wantErr {
				t.Errorf("readTable: %v, want an error: %t", err, test.wantErr)
			}
			if diff := cmp.Diff(test.want, found.sockets, compareAddresses()); diff != "" || found.truncated {
				t.Errorf("truncated: %t -want +got:\n%s", found.truncated, diff)
			}
		})
	}
}

func TestParseSocketRowRefuses(t *testing.T) {
	good := strings.Fields(strings.Split(udpTable, "\n")[1])
	if _, ok := parseSocketRow([]byte(strings.Join(good, " "))); !ok {
		t.Fatal("the row itself was refused")
	}
	for column, texts := range map[int][]string{
		1: {"0100007F", "0100007F:", "0100007F:10000", "0100007:0035", "0100007G:0035", ":0035", "01:00:00", "0100007F:-1"},
		3: {"100", "G", ""},
		7: {"-1", "4294967296", "x"},
		9: {"-1", "18446744073709551616", "0x1"},
	} {
		for _, text := range texts {
			fields := append([]string(nil), good...)
			fields[column] = text
			if row, ok := parseSocketRow([]byte(strings.Join(fields, " "))); ok && text != "" {
				t.Errorf("column %d is %q: %+v", column, text, row)
			}
		}
	}
	for n := range 10 {
		if row, ok := parseSocketRow([]byte(strings.Join(good[:n], " "))); ok {
			t.Errorf("%d columns: %+v", n, row)
		}
	}
}

// What would take the kernel minutes to write is cut, and that is said.
func TestReadTableIsCapped(t *testing.T) {
	connected := strings.Split(udpTable, "\n")[2] + "\n"
	table := heading(udpTable) + strings.Repeat(connected, maxRows) + strings.Split(udpTable, "\n")[1]
	found := newSocketList()
	if err := readTable(t.Context(), strings.NewReader(table), UDP, &found); err != nil || !found.truncated || len(found.sockets) > 0 {
		t.Errorf("readTable = %v, found %+v", err, found)
	}
	found = newSocketList()
	table = heading(udpTable) + strings.Repeat(strings.Split(udpTable, "\n")[1]+"\n", maxSockets+1)
	if err := readTable(t.Context(), strings.NewReader(table), UDP, &found); err != nil || !found.truncated || len(found.sockets) != maxSockets {
		t.Errorf("readTable = %v, found %d, truncated: %t", err, len(found.sockets), found.truncated)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := readTable(ctx, strings.NewReader(table), UDP, &found); !errors.Is(err, context.Canceled) {
		t.Errorf("readTable = %v, want %v", err, context.Canceled)
	}
}

func FuzzReadTable(f *testing.F) {
	for _, table := range []string{tcpTable, tcp6Table, udpTable, rawTable, epsTable} {
		f.Add([]byte(table))
	}
	f.Fuzz(func(t *testing.T, table []byte) {
		for _, protocol := range Protocols() {
			found := newSocketList()
			err := readTable(t.Context(), bytes.NewReader(table), protocol, &found)
			rows := bufio.NewScanner(bytes.NewReader(table))
			words := 0
			for rows.Scan() {
				words += len(strings.Fields(rows.Text()))
			}
			if len(found.sockets) > words {
				t.Errorf("%d sockets of %d words, %v", len(found.sockets), words, err)
			}
			for _, socket := range found.sockets {
				if !socket.Address.IsValid() || socket.Address.Addr().Is4In6() || socket.Protocol != protocol {
					t.Errorf("socket %+v", socket)
				}
				if protocol != SCTP && protocol != TCP && socket.Address.Port() == 0 {
					t.Errorf("socket %+v has no port", socket)
				}
			}
		}
	})
}

// The kernel's way of writing an address, of any address.
func FuzzParseKernelAddrPort(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1}, uint16(80))
	f.Add(netip.MustParseAddr("fd00::5").AsSlice(), uint16(0xffff))
	f.Fuzz(func(t *testing.T, raw []byte, port uint16) {
		want, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		var text strings.Builder
		for ; len(raw) > 0; raw = raw[4:] {
			fmt.Fprintf(&text, "%02X%02X%02X%02X", raw[3], raw[2], raw[1], raw[0])
		}
		fmt.Fprintf(&text, ":%04X", port)
		if got, ok := parseKernelAddrPort([]byte(text.String())); !ok || got != netip.AddrPortFrom(want, port) {
			t.Errorf("%s is %v, %t, want %v", text.String(), got, ok, want)
		}
	})
}
