// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	nftWay       = "nft"
	googleNFTWay = "google/nftables"
)

// BenchmarkForwards reads the host ports that portmap forwards, from a network namespace of the benchmark's own.
func BenchmarkForwards(b *testing.B) {
	for _, c := range []struct {
		name, title string
		forwards    int
		command     []string
		rules       string
	}{
		{"nftables", "natively", 1000, []string{"nft", "-f", "-"}, nativeForwards(1000)},
		{"iptables", "with iptables", 1000, []string{"iptables-nft-restore"}, iptablesForwards(1000, 0)},
		{"services", "with iptables, beside 2,000 Services of kube-proxy", 10, []string{"iptables-nft-restore"}, iptablesForwards(10, 2000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			host := newNetwork(b)
			cmd := exec.Command(c.command[0], c.command[1:]...)
			cmd.Stdin = strings.NewReader(c.rules)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%s: %v: %s", cmd, err, out)
			}
			t := table{unit: "forward", results: measure(b, forwardWays(host), c.forwards)}
			t.title = fmt.Sprintf("%d host ports, forwarded %s; median of %d rounds", c.forwards, c.title, b.N*minRounds)
			report(b, t.results, t.unit)
			tables = append(tables, t)
		})
	}
}

// newNetwork moves the benchmark's thread, which ends with it, into a network namespace of its own, and returns what
// stands for the host there. All ways are called on that thread, and so are the programs that they start.
func newNetwork(b *testing.B) *nsinspect.Host {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Fatal(needRoot)
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		b.Fatal(err)
	}
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		b.Fatal(err)
	}
	defer fs.Close()
	host, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: unix.Gettid()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(host.Close)
	return host
}

// forwardWays read the rules and look for DNAT. Only nsaudit's tells which host port leads where.
func forwardWays(host *nsinspect.Host) []way {
	return []way{
		{name: nsauditWay, look: func(ctx context.Context) (int, error) { return forwards(ctx, host) }},
		{name: bareWay, look: bareRules},
		{name: googleNFTWay, look: googleRules},
		{name: nftWay, command: []string{"nft", "-j", "list", "ruleset"}, look: nftRules},
	}
}

func forwards(ctx context.Context, host *nsinspect.Host) (int, error) {
	table, err := scan.NewForwardReader().Forwards(ctx, host)
	if err == nil && len(table.Unread) > 0 {
		err = errors.New(table.Unread[0])
	}
	return len(table.Forwards), err
}

// bareRules dumps all rules in one go and looks at nothing.
func bareRules(context.Context) (int, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{MessageBufferSize: 32 << 10})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_, err = conn.Send(netlink.Message{
		Header: netlink.Header{
			Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE,
			Flags: netlink.Request | netlink.Dump,
		},
		Data: []byte{unix.NFPROTO_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return 0, err
	}
	seen := 0
	for _, err := range conn.ReceiveIter() {
		if err != nil {
			return 0, err
		}
		seen++
	}
	return seen, nil
}

// googleRules lists all chains and their rules with the library.
func googleRules(context.Context) (int, error) {
	conn, err := nftables.New()
	if err != nil {
		return 0, err
	}
	chains, err := conn.ListChains()
	if err != nil {
		return 0, err
	}
	seen := 0
	for _, chain := range chains {
		rules, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			return 0, err
		}
		for _, rule := range rules {
			for _, e := range rule.Exprs {
				switch e := e.(type) {
				case *expr.NAT:
					seen++
				case *expr.Target:
					if e.Name == "DNAT" {
						seen++
					}
				}
			}
		}
	}
	return seen, nil
}

// nftRules runs nft. What iptables made it shows in words of its own.
func nftRules(ctx context.Context) (int, error) {
	out, err := exec.CommandContext(ctx, "nft", "-j", "list", "ruleset").Output()
	if err != nil {
		return 0, fmt.Errorf("nft (Debian package nftables): %w", err)
	}
	return bytes.Count(out, []byte(`"dnat"`)) + bytes.Count(out, []byte(`"DNAT"`)), nil
}

// pod is the address and the sandbox's id of a pod by number.
func pod(i int) (address, id string) {
	return fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), fmt.Sprintf("%064x", i)
}

// nativeForwards is what portmap 1.9 makes with nft.
func nativeForwards(n int) string {
	var text strings.Builder
	text.WriteString("table ip cni_hostport {\nchain hostip_hostports {\n}\nchain hostports {\n")
	for i := range n {
		address, id := pod(i)
		fmt.Fprintf(&text, "tcp dport %d dnat to %s:80 comment \"%s\"\n", 20_000+i, address, id)
	}
	text.WriteString("}\nchain hostports_all {\njump hostip_hostports\njump hostports\n}\n")
	for _, hook := range []string{"prerouting", "output"} {
		fmt.Fprintf(&text, "chain %[1]s {\ntype nat hook %[1]s priority -100\nfib daddr type local jump hostports_all\n}\n", hook)
	}
	text.WriteString("}\n")
	return text.String()
}

// iptablesForwards is what portmap makes with iptables, beside what kube-proxy makes of Services.
func iptablesForwards(n, services int) string {
	var chains, rules strings.Builder
	chains.WriteString("*nat\n:CNI-HOSTPORT-DNAT - [0:0]\n:CNI-HOSTPORT-SETMARK - [0:0]\n:KUBE-SERVICES - [0:0]\n")
	for _, base := range []string{"PREROUTING", "OUTPUT"} {
		fmt.Fprintf(&rules, "-A %s -j KUBE-SERVICES\n-A %s -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n", base, base)
	}
	rules.WriteString("-A CNI-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000\n")
	for i := range n {
		address, id := pod(i)
		chain, match := fmt.Sprintf("CNI-DN-%021x", i), fmt.Sprintf("-p tcp -m tcp --dport %d", 20_000+i)
		fmt.Fprintf(&chains, ":%s - [0:0]\n", chain)
		fmt.Fprintf(&rules, "-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment \"dnat name: \\\"pods\\\" id: \\\"%s\\\"\" -m multiport --dports %d -j %s\n",
			id, 20_000+i, chain)
		fmt.Fprintf(&rules, "-A %[1]s -s 10.1.0.0/16 %[2]s -j CNI-HOSTPORT-SETMARK\n-A %[1]s -s 127.0.0.1/32 %[2]s -j CNI-HOSTPORT-SETMARK\n", chain, match)
		fmt.Fprintf(&rules, "-A %s %s -j DNAT --to-destination %s:80\n", chain, match, address)
	}
	for i := range services {
		address, _ := pod(i)
		fmt.Fprintf(&chains, ":KUBE-SVC-%016X - [0:0]\n:KUBE-SEP-%016X - [0:0]\n", i, i)
		fmt.Fprintf(&rules, "-A KUBE-SERVICES -d 172.30.%d.%d/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-%016X\n", i/250, i%250+1, i)
		fmt.Fprintf(&rules, "-A KUBE-SVC-%016X -j KUBE-SEP-%016X\n", i, i)
		fmt.Fprintf(&rules, "-A KUBE-SEP-%016X -p tcp -m tcp -j DNAT --to-destination %s:80\n", i, address)
	}
	return chains.String() + rules.String() + "COMMIT\n"
}
