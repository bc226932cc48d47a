// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

const virtualHeading = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
`

// virtualServers are as kube-proxy makes them, with others.
const virtualServers = virtualHeading + `TCP  0A60000A:0035 rr 
  -> 0AF40105:0035      Masq    1      0          0         
  -> 0AF40106:0035      Masq    1      0          0         
TCP  C0000201:7530 rr persistent 10800 FFFFFFFF
  -> 0AF40105:1F90      Masq    1      0          0         
UDP  C0000201:0016 rr 
  -> 0AF40107:1F90      Route   1      0          0         
TCP  C0000202:0000 rr 
  -> 0AF40107:0000      Masq    1      0          0         
TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0050 rr 
  -> [fd00:0000:0000:0000:0000:0000:0000:0005]:1F90      Masq    1      0          0         
FWM  00000007 rr 
  -> 0AF40107:0000      Masq    1      0          0         
AH  C0000201:0000 rr 
  -> 0AF40107:0000      Masq    1      0          0         
`

func TestVirtualServers(t *testing.T) {
	servers, err := parseVirtualServers(strings.NewReader(virtualServers))
	if err != nil {
		t.Fatal(err)
	}
	names := Names{IsService: func(step Step) bool { return step.Table == virtualTable && step.FirstPort >= 30000 }}
	forward := func(protocol socket.Protocol, address string, first, last uint16, target string) Forward {
		return Forward{
			Protocol: protocol, HostAddress: netip.MustParseAddr(address), HostPort: first, LastPort: last,
			Target: netip.MustParseAddrPort(target), Backend: IPVS, Table: virtualTable,
		}
	}
	tests := map[string]struct {
		services services
		forwards []Forward
		ignored  int
	}{
		"beside no proxy": {nil, []Forward{
			forward(socket.TCP, "192.0.2.1", 30000, 30000, "10.244.1.5:8080"),
			forward(socket.UDP, "192.0.2.1", 22, 22, "10.244.1.7:8080"),
			forward(socket.TCP, "192.0.2.2", 1, 65535, "10.244.1.7:0"),
			forward(socket.TCP, "2001:db8::1", 80, 80, "[fd00::5]:8080"),
		}, 1},
		"beside a proxy":            {services{netip.MustParseAddr("2001:db8::1"): true}, nil, 3},
		"all of them are Services'": {services{netip.MustParseAddr("192.0.2.1"): true, netip.MustParseAddr("192.0.2.2"): true, netip.MustParseAddr("2001:db8::1"): true}, nil, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var table Table
			reader := NewReader(names)
			reader.addVirtual(servers, testLocal(), test.services, &table)
			if diff := cmp.Diff(test.forwards, table.Forwards, cmpForward()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if table.Ignored != test.ignored || (test.ignored > 0) != (len(table.Opaque) > 0) {
				t.Errorf("%d ignored, want %d: %q", table.Ignored, test.ignored, table.Opaque)
			}
		})
	}
}

func TestMalformedVirtualServers(t *testing.T) {
	for _, line := range []string{"TCP x rr", "TCP 0A60000A rr", "TCP 0A600A:0035 rr", "TCP [::1%eth0]:0035 rr", "TCP 0A60000A:0035 rr\n-> x", "FWM x rr"} {
		if servers, err := parseVirtualServers(strings.NewReader(virtualHeading + line + "\n")); err == nil {
			t.Errorf("%q: %v", line, servers)
		}
	}
}

// The text is the kernel's, of servers that anyone may have made.
func FuzzVirtualServers(f *testing.F) {
	f.Add(virtualServers)
	f.Fuzz(func(t *testing.T, text string) {
		servers, _ := parseVirtualServers(strings.NewReader(text)) // What was read before an error counts.
		var table Table
		NewReader(Names{}).addVirtual(servers, nil, nil, &table)
		for _, forward := range table.Forwards {
			if forward.HostPort == 0 || forward.HostPort > forward.LastPort || !forward.Target.IsValid() || !isVirtualProtocol(string(forward.Protocol)) {
				t.Errorf("forward %+v", forward)
			}
		}
	})
}
