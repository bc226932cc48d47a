// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// replay answers from what the integration tests recorded of a kernel (integration/hostports,
// -update).
type replay map[uint16][]nftMessage

// dump answers as the kernel does: with the rules of one chain, or the elements of one set.
func (r replay) dump(ctx context.Context, ask nftDump, visit func(nftMessage) error) error {
	for _, message := range r[ask.kind] {
		if err := ctx.Err(); err != nil {
			return err
		}
		of := object{
			family: message.family,
			table:  cString(find(message.attributes, unix.NFTA_RULE_TABLE)),
			name:   cString(find(message.attributes, unix.NFTA_RULE_CHAIN)),
		}
		if ask.kind != unix.NFT_MSG_GETCHAIN && of != ask.of {
			continue
		}
		if err := visit(message); err != nil {
			return err
		}
	}
	return nil
}

// find returns an attribute of a recorded message, or nil.
func find(message []byte, kind uint16) []byte {
	data, _ := nlattr.Find(message, kind) // The decoders report what is malformed.
	return data
}

// payloads returns the messages of one kind of a dump, behind the nfgenmsg.
func (r replay) payloads(kind uint16) [][]byte {
	var all [][]byte
	for _, message := range r[kind] {
		all = append(all, message.attributes)
	}
	return all
}

const recordings = "testdata/forwards"

func recorded(t testing.TB, name string) replay {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordings, name+".dump"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]uint16{
		"chain":   unix.NFT_MSG_GETCHAIN,
		"rule":    unix.NFT_MSG_GETRULE,
		"element": unix.NFT_MSG_GETSETELEM,
	}
	r := make(replay)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, payload, _ := strings.Cut(lines.Text(), " ")
		kind, known := kinds[name]
		data, err := hex.DecodeString(payload)
		if err != nil || !known || len(data) < nfgenmsgSize {
			t.Fatalf("not a line of a dump: %.40q: %v", lines.Text(), err)
		}
		r[kind] = append(r[kind], nftMessage{data[0], data[nfgenmsgSize:]})
	}
	if len(r) == 0 || lines.Err() != nil {
		t.Fatalf("nothing is recorded: %v", lines.Err())
	}
	return r
}

// recordingNames lists what was recorded.
func recordingNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordings, "*.dump"))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing is recorded: %v", err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".dump"))
	}
	return names
}

func cmpForward() cmp.Option {
	return cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}), cmpopts.EquateEmpty()}
}

// TestForwardForms reads the rules of each program that forwards host ports, and of some that
// do not.
func TestForwardForms(t *testing.T) {
	for _, name := range recordingNames(t) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(recordings, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want struct {
				Forwards []Forward
				Ignored  int
			}
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			reader := newTracer(nftRules{recorded(t, name)}, testNames(), testLocal(), defaultLimits())
			if err := reader.read(t.Context()); err != nil {
				t.Fatal(err)
			}
			table := reader.result()
			if diff := cmp.Diff(want.Forwards, table.Forwards, cmpForward()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if table.Ignored != want.Ignored || len(table.Unread) > 0 {
				t.Errorf("%d rules were ignored, want %d; unread %q", table.Ignored, want.Ignored, table.Unread)
			}
		})
	}
}

// testLocal are the addresses of the host in the recorded rules.
func testLocal() *localAddresses {
	return newLocalAddresses([]netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.168.0.2/32"), netip.MustParsePrefix("10.88.0.1/32"),
		netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("2001:db8::/32"),
	})
}

// servicesRead are how many rules are read where there are Services: the chains behind those
// that name them stay in the kernel.
func servicesRead() map[string]int {
	return map[string]int{"kube-proxy-iptables": 7, "kube-proxy-nftables": 4}
}

// Rules for Services stay in the kernel.
func TestServicesAreNotRead(t *testing.T) {
	for name, want := range servicesRead() {
		reader := newTracer(nftRules{recorded(t, name)}, testNames(), testLocal(), defaultLimits())
		if err := reader.read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := reader.result().Rules; got != want {
			t.Errorf("%s: %d rules were read, want %d", name, got, want)
		}
	}
}

// Whatever there is too much of is said, and what was read until then is kept.
func TestForwardLimits(t *testing.T) {
	tests := map[string]struct {
		limit     func(*limits)
		recording string
		forwards  int
		unread    string
	}{
		"chains":   {func(l *limits) { l.chains = 3 }, "forms-nftables", 0, "more than 3 chains"},
		"rules":    {func(l *limits) { l.rules = 2 }, "docker-iptables", 0, "more than 2 rules in the chains for NAT"},
		"elements": {func(l *limits) { l.elements = 3 }, "kindnet", 3, "more than 3 elements in the maps for NAT"},
		"steps":    {func(l *limits) { l.steps = 4 }, "docker-iptables", 2, "more than 4 ways through its rules"},
		"forwards": {func(l *limits) { l.forwards = 1 }, "docker-iptables", 1, "more than 1 forwards"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			limits := defaultLimits()
			test.limit(&limits)
			reader := newTracer(nftRules{recorded(t, test.recording)}, testNames(), testLocal(), limits)
			if err := reader.read(t.Context()); err != nil {
				t.Fatal(err)
			}
			table := reader.result()
			if len(table.Forwards) != test.forwards || !reader.capped {
				t.Errorf("%d forwards, want %d", len(table.Forwards), test.forwards)
			}
			if len(table.Unread) != 1 || !strings.Contains(table.Unread[0], test.unread) {
				t.Errorf("unread %q, want one sentence with %q", table.Unread, test.unread)
			}
		})
	}
}

func TestForwardReadingEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reader := newTracer(nftRules{recorded(t, "kindnet")}, testNames(), testLocal(), defaultLimits())
	if err := reader.read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("read = %v, want %v", err, context.Canceled)
	}
}

// The kernel sends nothing malformed: what is must not pass for a part of what there is.
func TestMalformedMessages(t *testing.T) {
	for _, kind := range []uint16{unix.NFT_MSG_GETCHAIN, unix.NFT_MSG_GETRULE, unix.NFT_MSG_GETSETELEM} {
		messages := recorded(t, "kindnet")
		for i, message := range messages[kind] {
			messages[kind][i].attributes = message.attributes[:len(message.attributes)-4]
		}
		reader := newTracer(nftRules{messages}, testNames(), testLocal(), defaultLimits())
		if err := reader.read(t.Context()); !errors.Is(err, nlattr.ErrMalformed) {
			t.Errorf("messages of kind %d: %v, want %v", kind, err, nlattr.ErrMalformed)
		}
	}
}
