// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// rulesAttacks have rules of the packet filter lead to a container.
func rulesAttacks() []scenario {
	const port = "UndeclaredHostPort"
	toPod := func(name, table string) scenario {
		// Those who listen in the host's network beside it lose their ports to it.
		also := []string{"HostPortHijacked", "HostPortShadowsListener"}
		return scenario{name: name, in: ordinary(), want: finding(port), also: also, happens: written(table)}
	}
	nat := func(name, rules string) scenario {
		return toPod(name, "table ip {table} { chain here { type nat hook prerouting priority dstnat; "+rules+" ; } }")
	}
	all := []scenario{
		nat("all ports", "ip daddr {host} dnat to {pod}"),
		nat("all ports but one", "ip daddr {host} tcp dport != 22 dnat to {pod}"),
		nat("all ports but some", "ip daddr {host} tcp dport != { 22, 80-90 } dnat to {pod}:80"),
		nat("a range of ports", "ip daddr {host} tcp dport 2-65535 dnat to {pod}"),
		nat("to a range of ports", "ip daddr {host} tcp dport 2222 dnat to {pod}:8000-8010"),
		nat("a range of addresses", "ip daddr {host} tcp dport 2222 dnat to {pod}-{pod+1}"),
		nat("by a source and a limit", "ip saddr 198.51.100.1 ip daddr {host} limit rate 5/second tcp dport 2222 dnat to {pod}:80"),
		toPod("a network for another", `table ip {table} {
			map networks { type ipv4_addr : interval ipv4_addr; flags interval; elements = { 192.0.2.96/31 : {pod-1}/31 }; }
			chain here { type nat hook prerouting priority dstnat; dnat ip prefix to ip daddr map @networks; }
		}`),
		toPod("by a map of marks", `table ip {table} {
			map marks { type mark : ipv4_addr; elements = { 7 : {pod} }; }
			chain before { type filter hook prerouting priority raw; ip daddr {host} tcp dport 2222 meta mark set 7; }
			chain here { type nat hook prerouting priority dstnat; ip daddr {host} meta l4proto tcp dnat to meta mark map @marks; }
		}`),
		toPod("from the host itself, by a map of verdicts", `table inet {table} {
			chain there { dnat ip to {pod}; }
			chain here { type nat hook output priority -100; ip daddr . tcp dport vmap { {host} . 2222 : goto there }; }
		}`),
		toPod("in a chain that is named like a Service's", `table ip kube-proxy {
			chain KUBE-SEP-AAAAAAAAAAAAAAAA { ip daddr {host} tcp dport 2222 dnat to {pod}:80; }
			chain nat-prerouting { type nat hook prerouting priority dstnat; jump KUBE-SEP-AAAAAAAAAAAAAAAA; }
		}`),
		toPod("behind a NodePort that is none", `table ip {table} {
			chain KUBE-SVC-AAAAAAAAAAAAAAAA { ip daddr {host} meta l4proto tcp dnat to {pod}:80; }
			chain KUBE-NODEPORTS { tcp dport 2222 jump KUBE-SVC-AAAAAAAAAAAAAAAA; }
			chain here { type nat hook prerouting priority dstnat; jump KUBE-NODEPORTS; }
		}`),
		toPod("with another's id", `table ip cni_hostport {
			chain hostports { ip daddr {host} tcp dport 2222 dnat to {pod}:80 comment "{victim-id}"; }
			chain prerouting { type nat hook prerouting priority dstnat; jump hostports; }
		}`),
		{
			name: "a whole network for its own", in: ordinary(), want: finding(port),
			happens: func(t *testing.T, s *scene) {
				t.Helper()
				s.inNetwork(t, "ip link set lo up")
				s.inNetwork(t, "ip route add local 10.77.0.0/16 dev lo")
				s.load(t, "table ip {table} { chain here { type nat hook prerouting priority dstnat; ip daddr {host} tcp dport 2222 dnat to 10.77.1.1:80; } }")
			},
		},
		{
			name: "more addresses than are read", in: ordinary(), want: unknown("limit"),
			happens: func(t *testing.T, s *scene) {
				t.Helper()
				s.inNetwork(t, "ip link set lo up")
				s.inNetworkBatch(t, manyAddresses(20_000))
				s.load(t, "table ip {table} { chain here { type nat hook prerouting priority dstnat; ip daddr {host} tcp dport 2222 dnat to 10.79.1.1:80; } }")
			},
		},
		{
			name: "redirected to a socket", in: hostNetwork(), steps: []string{"listen:18080"}, want: finding(port, "HostPortUnlisted"),
			happens: written("table ip {table} { chain here { type nat hook prerouting priority dstnat; ip daddr {host} tcp dport 2222 redirect to :18080; } }"),
		},
		{
			name: "given to a socket", in: hostNetwork(), steps: []string{"listen:18081"}, want: finding(port, "HostPortUnlisted"),
			happens: written("table ip {table} { chain here { type filter hook prerouting priority mangle; ip daddr {host} tcp dport 2223 tproxy to :18081; } }"),
		},
		{
			name: "to the socket of the host's own address", in: hostNetwork(), steps: []string{"listen:18082"}, want: finding(port, "HostPortUnlisted"),
			happens: written("table ip {table} { chain here { type nat hook prerouting priority dstnat; ip daddr {host} tcp dport 2224 dnat to 127.0.0.1:18082; } }"),
		},
	}
	for name, rule := range map[string]string{
		"writes the address":      "table ip {table} { chain here { type filter hook prerouting priority raw; tcp dport 2222 ip daddr set {pod} notrack; } }",
		"writes the port":         "table ip {table} { chain here { type filter hook input priority 0; tcp dport 2222 tcp dport set 80; } }",
		"sends copies":            "table ip {table} { chain here { type filter hook prerouting priority raw; tcp dport 2222 dup to {pod}; } }",
		"from interface to other": "table netdev {table} { chain here { type filter hook ingress device lo priority 0; tcp dport 2222 fwd to lo; } }",
	} {
		all = append(all, scenario{
			name: name, in: ordinary(), alone: true, happens: written(rule),
			want: expectation{cause: v1alpha1.Cause("read"), node: true},
		})
	}
	return all
}

// rulesInnocents have rules lead elsewhere, or are led to by a Service.
func rulesInnocents() []scenario {
	return []scenario{
		{name: "may write rules and has none", in: capable("CAP_NET_ADMIN")},
		{
			name: "behind Services", in: ordinary(), happens: written(`table ip {table} {
				chain KUBE-SVC-AAAAAAAAAAAAAAAA { meta l4proto tcp dnat to {pod}:80; }
				chain KUBE-SERVICES { ip daddr 10.96.0.10 tcp dport 80 jump KUBE-SVC-AAAAAAAAAAAAAAAA; }
				chain here { type nat hook prerouting priority dstnat; jump KUBE-SERVICES; }
			}`),
		},
		{
			name: "has a floating address", in: ordinary(), happens: written(`table ip {table} {
				chain cali-fip-dnat { ip daddr 203.0.113.7 dnat to {pod}; }
				chain here { type nat hook prerouting priority dstnat; jump cali-fip-dnat; }
			}`),
		},
		{
			name: "marked and counted", in: ordinary(), happens: written(`table ip {table} {
				chain here { type filter hook prerouting priority raw; ip daddr {host} counter meta mark set 1 ip dscp set cs1 notrack; }
				chain there { type nat hook postrouting priority srcnat; ip saddr {pod} masquerade; }
			}`),
		},
	}
}

// ruleSteps are what those take whom rules lead to.
func ruleSteps() map[string]runtimetest.Step {
	return map[string]runtimetest.Step{
		// listen:8080 on loopback. The socket stays with the program that the process becomes.
		"listen": func(port string) error {
			number, err := strconv.Atoi(port)
			if err != nil {
				return err
			}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err == nil {
				err = unix.Bind(fd, &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}})
			}
			if err == nil {
				err = unix.Listen(fd, 1)
			}
			return err
		},
	}
}

// written gives the container an address of its own, and writes rules.
func written(rules string) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		t.Helper()
		if strings.Contains(rules, "{pod") {
			s.inNetwork(t, "ip link set lo up")
			s.inNetwork(t, "ip address add "+s.address(0)+"/32 dev lo")
		}
		s.load(t, rules)
	}
}

// address is the scene's own, or one behind it.
func (s *scene) address(behind int) string {
	return fmt.Sprintf("10.78.%d.%d", s.main.PID>>6&0xff, 1+2*(s.main.PID&0x3f)+behind)
}

// filteredAddress is one of the machine's on which nobody else has a socket.
const filteredAddress = "192.0.2.97"

// load writes rules with nft, in a table of the scene's own, which goes when the scene ends.
func (s *scene) load(t *testing.T, rules string) {
	t.Helper()
	table := "attack-" + s.main.ID[:min(len(s.main.ID), 40)]
	rules = strings.NewReplacer(
		"{table}", table, "{host}", filteredAddress, "{pod-1}", s.address(-1), "{pod+1}", s.address(1), "{pod}", s.address(0), "{victim-id}", s.victim.ID,
		"; }", ";\n}\n", // nft wants that.
	).Replace(rules)
	run(t, "", "ip", "route", "replace", "local", filteredAddress, "dev", "lo")
	run(t, rules, "nft", "-f", "-")
	family, name, _ := strings.Cut(strings.TrimPrefix(rules, "table "), " ")
	name, _, _ = strings.Cut(name, " ")
	s.undo = append(s.undo, func(t *testing.T) {
		t.Helper()
		run(t, "", "nft", "delete", "table", family, name)
	})
}

// inNetwork runs a command in the container's network.
func (s *scene) inNetwork(t *testing.T, command string) {
	t.Helper()
	s.inNetworkOf(t, "", strings.Fields(command)...)
}

// inNetworkBatch has ip take commands in the container's network.
func (s *scene) inNetworkBatch(t *testing.T, commands string) {
	t.Helper()
	s.inNetworkOf(t, commands, "ip", "-batch", "-")
}

func (s *scene) inNetworkOf(t *testing.T, input string, command ...string) {
	t.Helper()
	run(t, input, "nsenter", append([]string{"-t", strconv.Itoa(s.main.PID), "-n"}, command...)...)
}

// manyAddresses are commands for as many addresses.
func manyAddresses(n int) string {
	var commands strings.Builder
	for i := range n {
		fmt.Fprintf(&commands, "route add local 10.%d.%d.%d dev lo\n", 80+i>>16, i>>8&0xff, i&0xff)
	}
	return commands.String()
}

func run(t *testing.T, input, name string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Stdin = strings.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, output)
	}
}
