// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// loadLegacy makes the rules in files below testdata in legacy iptables.
func (h *host) loadLegacy(files ...string) {
	h.t.Helper()
	for _, file := range files {
		rules, err := os.ReadFile("testdata/" + file)
		if err != nil {
			h.t.Fatal(err)
		}
		command := "iptables-legacy-restore"
		if strings.HasSuffix(file, ".ip6tables") {
			command = "ip6tables-legacy-restore"
		}
		h.run(string(rules), command)
	}
}

// legacyCommands puts legacy iptables where programs look for iptables, as on nodes whose
// iptables it is.
func legacyCommands(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, command := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		if err := os.Symlink("/usr/sbin/xtables-legacy-multi", filepath.Join(dir, command)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// legacyPods are pods without two rules of IPv6 that differ in their ports alone. They are the
// same to the option -C of ip6tables-legacy 1.8.9, and so portmap makes the first only.
func legacyPods() []pod {
	all := pods()
	for i := range all[0].mappings {
		if m := &all[0].mappings[i]; m.HostPort == 8443 {
			m.HostIP = "0.0.0.0"
		}
	}
	return all
}

// legacyScenes make rules: most those that other scenes make in nf_tables, by the names of
// those.
func legacyScenes(t *testing.T) map[string]func(*host) {
	t.Helper()
	files := func(names ...string) func(*host) {
		return func(h *host) { h.loadLegacy(names...) }
	}
	pluginOf := func(p plugin) func(*host) {
		return func(h *host) {
			for _, pod := range legacyPods() {
				h.call(p, "ADD", pod)
			}
		}
	}
	return map[string]func(*host){
		"crio":                  files("crio.iptables"),
		"docker-iptables":       files("docker.iptables"),
		"elsewhere-iptables":    files("elsewhere.iptables"),
		"forms-iptables":        files("forms.iptables", "forms.ip6tables"),
		"kube-proxy-iptables":   files("kube-proxy.iptables"),
		"podman-iptables":       files("podman.iptables"),
		"portmap-legacy":        pluginOf(newPortmap(t, "iptables")),
		"portmap-legacy-debian": pluginOf(debianPortmap()),
		"revisions":             legacyRevisions,
	}
}

// legacyRevisions is oldRevisions for legacy iptables.
func legacyRevisions(h *host) {
	h.t.Helper()
	for _, family := range []struct {
		rawFamily
		target    netip.Addr
		revisions []byte
	}{
		{rawIPv4(), netip.MustParseAddr("10.0.0.1"), []byte{0, 2}},
		{rawIPv6(), netip.MustParseAddr("fd00::1"), []byte{1, 2}},
	} {
		table := rawTable{rawFamily: family.rawFamily}
		table.hooks(func() {
			for _, revision := range family.revisions {
				table.add(8000+uint16(revision), dnat(revision, family.target.AsSlice(), 80))
			}
		}, func() {})
		table.heading("ERROR")
		if err := h.socket(table.rawFamily, table.replace); err != nil {
			h.t.Fatal(err)
		}
	}
}

// TestLegacyScenes compares what is found in legacy iptables with what the unit tests expect:
// of the same rules the same as in nf_tables.
func TestLegacyScenes(t *testing.T) {
	legacyCommands(t)
	others := scenes(t)
	for name, build := range legacyScenes(t) {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			build(h)
			table := h.forwards()
			got := expected{table.Opaque, table.Forwards, table.Ignored}
			if *update {
				if _, shared := others[name]; !shared {
					write(t, filepath.Join(expectations, name+".json"), got)
				}
				h.record(filepath.Join(expectations, name+".legacy"))
			}
			text, err := os.ReadFile(filepath.Join(expectations, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want expected
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(inLegacy(want), got, cmpForward()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// inLegacy is what rules give in legacy iptables instead.
func inLegacy(want expected) expected {
	for i := range want.Forwards {
		want.Forwards[i].Backend = netfilter.IptablesLegacy
	}
	for i := range want.Opaque {
		want.Opaque[i] = strings.ReplaceAll(want.Opaque[i], string(netfilter.IptablesNft), string(netfilter.IptablesLegacy))
	}
	return want
}

// TestLegacyMangle has the table in which iptables gives packets to sockets.
func TestLegacyMangle(t *testing.T) {
	h := newHost(t)
	h.loadLegacy("mangle.iptables")
	text, err := os.ReadFile(filepath.Join(expectations, "mangle-iptables.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want expected
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	table := h.forwards()
	if diff := cmp.Diff(inLegacy(want), expected{table.Opaque, table.Forwards, table.Ignored}, cmpForward()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// record writes the tables for NAT for the unit tests: a line each, of its family and what the
// kernel gives.
func (h *host) record(file string) {
	h.t.Helper()
	var out strings.Builder
	for _, family := range []rawFamily{rawIPv4(), rawIPv6()} {
		fmt.Fprintf(&out, "%s %s\n", family.name, hex.EncodeToString(h.readTable(family)))
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		h.t.Fatal(err)
	}
}
