// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxRows caps one table below /proc/PID/net. The kernel takes about a second to write it.
const maxRows = 256 << 10

// maxRowBytes caps one row: an SCTP socket's has all its addresses.
const maxRowBytes = 64 << 10

// procNet reads tables below /proc/PID/net of the host reference (proc_pid_net(5)). They
// show the network namespace of the process, whichever the reader is in.
type procNet struct{ host *nsinspect.Host }

// procTables names the files of a protocol, IPv4's first. SCTP has one for both.
func procTables(protocol Protocol) []string {
	switch protocol {
	case UDP:
		return []string{"udp", "udp6"}
	case UDPLite:
		return []string{"udplite", "udplite6"}
	case SCTP:
		return []string{"sctp/eps"}
	case Raw:
		return []string{"raw", "raw6"}
	default:
		return []string{"tcp", "tcp6"}
	}
}

// list adds the sockets of a protocol, those that could be read also with an error. That is
// errNoProtocol if there is no file.
func (n procNet) list(ctx context.Context, protocol Protocol, found *socketList) error {
	present := false
	var failures []error
	for _, name := range procTables(protocol) {
		err := n.table(ctx, protocol, name, found)
		if errors.Is(err, nsinspect.ErrAbsent) {
			continue
		}
		present = true
		if err != nil {
			failures = append(failures, fmt.Errorf("read net/%s of process %d: %w", name, n.host.Ref().PID, err))
		}
	}
	if !present {
		return errNoProtocol
	}
	return errors.Join(failures...)
}

// completeSCTP adds the sockets that sock_diag left out. If its answer takes several messages, the
// kernel can skip the endpoint that did not fit into one (net/sctp/diag.c, sctp_ep_dump; seen
// with Linux 6.1), which a process can cause by binding many addresses of 127.0.0.0/8.
func (n procNet) completeSCTP(ctx context.Context, found *socketList) error {
	all := newSocketList()
	err := n.list(ctx, SCTP, &all)
	if errors.Is(err, errNoProtocol) {
		return nil
	}
	found.complete(all)
	return err
}

// table adds the sockets of one file.
func (n procNet) table(ctx context.Context, protocol Protocol, name string, found *socketList) error {
	file, err := n.host.OpenNet(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // It was only read from.
	return readTable(ctx, file, protocol, found)
}

// readTable adds the sockets of a table whose first line is a heading. A malformed row is an
// error, but hides no other.
func readTable(ctx context.Context, text io.Reader, protocol Protocol, found *socketList) error {
	lines := bufio.NewScanner(text)
	lines.Buffer(make([]byte, 0, 4<<10), maxRowBytes)
	lines.Scan()
	var malformed error
	for rows := 0; lines.Scan(); rows++ {
		if rows == maxRows {
			found.truncated = true
			break
		}
		if rows%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		more, ok := addRow(found, protocol, lines.Bytes())
		if !ok && malformed == nil {
			malformed = fmt.Errorf("malformed row %.200q", lines.Bytes())
		}
		if !more {
			break
		}
	}
	return errors.Join(lines.Err(), malformed)
}

// addRow adds the socket of a row if that is a listening one. It reports whether there may be
// more, and whether the row could be read.
func addRow(found *socketList, protocol Protocol, line []byte) (more, ok bool) {
	if protocol == SCTP {
		return addEndpoint(found, line)
	}
	row, ok := parseSocketRow(line)
	if !ok {
		return true, false
	}
	socket := Socket{Protocol: protocol, Address: row.address, Inode: row.inode, UID: row.uid}
	switch {
	case protocol == TCP && row.state != stateListen:
		// The kernel shows those that listen before all others (net/ipv4/tcp_ipv4.c,
		// tcp_get_idx), of which a busy host has thousands.
		return false, true
	case protocol != TCP && row.state != stateClose, row.address.Port() == 0:
		return true, true
	case protocol == Raw && row.address.Port() == unix.IPPROTO_RAW:
		return true, true
	}
	return found.add(socket), true
}
