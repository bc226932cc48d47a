// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// update writes what the unit tests of nsinspect read: the dumps and what is found in them.
// Review what changes: it is what the scenes are expected to give.
var update = flag.Bool("update", false, "write the dumps and expectations in nsinspect/netfilter/testdata/forwards")

// expectations are kept beside the unit tests, which share them.
const expectations = "../../nsinspect/netfilter/testdata/forwards"

// expected is what a scene gives.
type expected struct {
	Opaque   []string            `json:"opaque,omitempty"`
	Forwards []netfilter.Forward `json:"forwards"`
	Ignored  int                 `json:"ignored"`
}

// cmpForward lets cmp compare addresses, and none with an empty list.
func cmpForward() cmp.Option {
	return cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}), cmpopts.EquateEmpty()}
}

// scenes make the rules of each program that forwards host ports, and of some that do not.
func scenes(t *testing.T) map[string]func(*host) {
	t.Helper()
	files := func(names ...string) func(*host) {
		return func(h *host) {
			for _, name := range names {
				h.load(name)
			}
		}
	}
	all := map[string]func(*host){
		"crio":                files("crio.iptables"),
		"docker-iptables":     files("docker.iptables"),
		"docker-nftables":     files("docker.nft"),
		"elsewhere-iptables":  files("elsewhere.iptables"),
		"elsewhere-nftables":  files("elsewhere.nft"),
		"forms-iptables":      files("forms.iptables", "forms.ip6tables"),
		"forms-nftables":      files("forms.nft"),
		"kindnet":             files("kindnet.nft"),
		"kube-proxy-iptables": files("kube-proxy.iptables"),
		"kube-proxy-nftables": files("kube-proxy.nft"),
		"mangle-iptables":     files("mangle.iptables"),
		"podman-iptables":     files("podman.iptables"),
		"podman-nftables":     files("podman.nft"),
		"portmap-1.7":         files("portmap-1.7.nft"),
		"revisions":           oldRevisions,
	}
	for name, p := range plugins(t) {
		all[name] = func(h *host) {
			for _, pod := range pods() {
				h.call(p, "ADD", pod)
			}
		}
	}
	return all
}

// TestScenes compares what is found in real rules with what the unit tests expect of their
// dumps.
func TestScenes(t *testing.T) {
	for name, build := range scenes(t) {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			build(h)
			table := h.forwards()
			got := expected{table.Opaque, table.Forwards, table.Ignored}
			file := filepath.Join(expectations, name+".json")
			if *update {
				write(t, file, got)
				dump(t, h, filepath.Join(expectations, name+".dump"))
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want expected
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpForward()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func write(t *testing.T, file string, value any) {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// oldRevisions makes rules with each revision of the target DNAT, of which today's iptables
// makes the last only, and with a match for TCP, which it has payload expressions for.
func oldRevisions(h *host) {
	h.t.Helper()
	conn := h.nftables()
	for _, family := range []struct {
		family    nftables.TableFamily
		target    netip.Addr
		revisions []uint32
	}{
		{nftables.TableFamilyIPv4, netip.MustParseAddr("10.0.0.1"), []uint32{0, 2}},
		{nftables.TableFamilyIPv6, netip.MustParseAddr("fd00::1"), []uint32{1, 2}},
	} {
		table := conn.AddTable(&nftables.Table{Family: family.family, Name: "nat"})
		chain := conn.AddChain(&nftables.Chain{
			Table: table, Name: "PREROUTING", Type: nftables.ChainTypeNAT,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
		})
		for _, revision := range family.revisions {
			to := xt.NatRange{
				Flags: uint(xt.NatRangeMapIPs | xt.NatRangeProtoSpecified),
				MinIP: family.target.AsSlice(), MaxIP: family.target.AsSlice(), MinPort: 80, MaxPort: 80,
			}
			var info xt.InfoAny = &xt.NatRange2{NatRange: to}
			switch revision {
			case 0:
				info = &xt.NatIPv4MultiRangeCompat{{Flags: to.Flags, MinIP: to.MinIP, MaxIP: to.MaxIP, MinPort: 80, MaxPort: 80}}
			case 1:
				info = &to
			}
			port := uint16(8000 + revision)
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
				&expr.Match{Name: "tcp", Info: &xt.Tcp{SrcPorts: [2]uint16{0, 65535}, DstPorts: [2]uint16{port, port}}},
				&expr.Target{Name: "DNAT", Rev: revision, Info: info},
			}})
		}
	}
	if err := conn.Flush(); err != nil {
		h.t.Fatal(err)
	}
}

// nftables returns a connection that makes rules which nft would not write.
func (h *host) nftables() *nftables.Conn {
	h.t.Helper()
	file, err := os.Open(namespaceOf(h.Ref().PID))
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	conn, err := nftables.New(nftables.WithNetNSFd(int(file.Fd())), nftables.AsLasting())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.CloseLasting() })
	return conn
}
