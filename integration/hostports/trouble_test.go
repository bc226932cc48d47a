// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// portmapChain makes the table and the chain in which portmap's rules stand, all in one.
func portmapChain(conn *nftables.Conn) *nftables.Chain {
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "cni_hostport"})
	return conn.AddChain(&nftables.Chain{
		Table: table, Name: "hostports", Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
	})
}

// forwarding is a rule as portmap makes it: tcp dport PORT dnat to 10.0.0.1:80.
func forwarding(chain *nftables.Chain, port uint16, udata []byte) *nftables.Rule {
	return &nftables.Rule{Table: chain.Table, Chain: chain, UserData: udata, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
		&expr.Immediate{Register: 1, Data: []byte{10, 0, 0, 1}},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(80)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2},
	}}
}

// A comment is of any bytes, and the kernel keeps user data that are none at all.
func TestHostileComments(t *testing.T) {
	h := newHost(t)
	conn := h.nftables()
	chain := portmapChain(conn)
	tests := []struct {
		udata []byte
		owner string
	}{
		{userdata.AppendString(nil, userdata.TypeComment, "\x1b[2J\r\n\xff\xfe"), "\x1b[2J\r\n\xff\xfe"},
		{userdata.AppendString(nil, userdata.TypeComment, strings.Repeat("x", 250)), strings.Repeat("x", 250)},
		{userdata.AppendString(nil, userdata.TypeComment, "a\x00b"), "a"},
		{[]byte{0, 255, 'a'}, ""},
		{[]byte{1, 200}, ""},
		{[]byte{0}, ""},
		{nil, ""},
	}
	var owners []string
	for i, test := range tests {
		conn.AddRule(forwarding(chain, uint16(8000+i), test.udata))
		owners = append(owners, test.owner)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, forward := range h.forwards().Forwards {
		got = append(got, forward.Owner)
	}
	if diff := cmp.Diff(owners, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A rule that is larger than a part of a dump would usually be hides nothing behind it.
func TestLargeRule(t *testing.T) {
	h := newHost(t)
	counter := strings.Repeat("c", 240)
	h.run(fmt.Sprintf(`table ip large {
	counter %s { }
	chain prerouting {
		type nat hook prerouting priority dstnat
		tcp dport 8000 dnat to 10.0.0.1:80
		%s
		tcp dport 8001 dnat to 10.0.0.1:80
	}
}`, counter, strings.Repeat(`counter name "`+counter+`" `, 60)), "nft", "-f", "-")
	if table := h.forwards(); len(table.Forwards) != 2 || table.Rules != 3 {
		t.Errorf("%d forwards in %d rules, want 2 in 3", len(table.Forwards), table.Rules)
	}
}

// mostHeap and mostTime are what reading may take however many rules there are. The time has
// room for a machine that does other things.
const (
	mostHeap = 64 << 20
	mostTime = 10 * time.Second
)

// With more rules than a cap, reading ends soon, with an error.
func TestTooManyRules(t *testing.T) {
	const rules, most = 60_000, 50_000
	tests := map[string]struct {
		rule     func(i int) string
		forwards int
		unread   []string
	}{
		"forwards": {
			func(i int) string { return fmt.Sprintf("tcp dport %d dnat to 10.0.0.1:%d\n", 1+i%60_000, 1+i/60_000) },
			16_384,
			[]string{"more than 50000 rules in the chains for NAT", "more than 16384 forwards"},
		},
		"others": {
			func(i int) string { return fmt.Sprintf("tcp sport %d accept\n", 1+i) },
			0,
			[]string{"more than 50000 rules in the chains for NAT"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.run("table ip many {\nchain prerouting {\ntype nat hook prerouting priority dstnat\n"+
				forwardings(rules, test.rule)+"}\n}\n", "nft", "-f", "-")
			peak := heapPeak()
			start := time.Now()
			table, err := h.reader.Forwards(t.Context(), h.Host)
			took, grown := time.Since(start), peak()
			if err != nil {
				t.Fatal(err)
			}
			if took > mostTime || grown > mostHeap {
				t.Errorf("reading took %s and %d bytes", took, grown)
			}
			if len(table.Forwards) != test.forwards || table.Rules > most {
				t.Errorf("%d forwards in %d rules", len(table.Forwards), table.Rules)
			}
			if !slices.EqualFunc(table.Unread, test.unread, strings.Contains) {
				t.Errorf("unread %q, want sentences with %q", table.Unread, test.unread)
			}
			t.Logf("%s and %d MiB for %d rules", took, grown>>20, table.Rules)
		})
	}
}

// forwardings writes rules.
func forwardings(n int, rule func(i int) string) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(rule(i))
	}
	return text.String()
}

// heapPeak watches the heap until the function that it returns is called, which tells by how
// much it was larger at most.
func heapPeak() (stop func() int64) {
	inUse := func() int64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapInuse)
	}
	runtime.GC()
	before := inUse()
	done, peak := make(chan struct{}), make(chan int64)
	go func() {
		most := before
		for {
			select {
			case <-done:
				peak <- max(most, inUse())
				return
			case <-time.After(5 * time.Millisecond):
				most = max(most, inUse())
			}
		}
	}()
	return func() int64 {
		close(done)
		return <-peak - before
	}
}

// While rules come and go, either all that stays is found or it is said that some may be
// missing.
func TestChangingRules(t *testing.T) {
	h := newHost(t)
	const staying = 500
	h.run("table ip cni_hostport {\nchain hostports {\ntype nat hook prerouting priority dstnat\n"+
		forwardings(staying, func(i int) string { return fmt.Sprintf("tcp dport %d dnat to 10.0.0.1:80\n", 10_000+i) })+"}\n}\n", "nft", "-f", "-")
	ctx, stop := context.WithCancel(t.Context())
	result := make(chan error, 1)
	conn := h.nftables()
	chain := &nftables.Chain{Name: "hostports", Table: &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "cni_hostport"}}
	go func() { result <- change(ctx, conn, chain) }()
	said, whole := 0, 0
	for range 200 {
		table, err := h.reader.Forwards(t.Context(), h.Host)
		if err != nil {
			t.Error(err)
			break
		}
		found := 0
		for _, forward := range table.Forwards {
			if forward.HostPort >= 10_000 {
				found++
			}
		}
		changed := slices.ContainsFunc(table.Unread, func(text string) bool { return strings.Contains(text, "changed while they were read") })
		switch {
		case changed:
			said++
		case found == staying && len(table.Unread) == 0:
			whole++
		default:
			t.Errorf("%d of %d found; unread %q", found, staying, table.Unread)
		}
	}
	stop()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if said == 0 {
		t.Errorf("no change was noticed in 200 readings, of which %d were whole", whole)
	}
	t.Logf("%d readings were whole, %d said that some may be missing", whole, said)
}

// change puts a rule before the others and takes it away, which moves them all.
func change(ctx context.Context, conn *nftables.Conn, chain *nftables.Chain) error {
	for ctx.Err() == nil {
		conn.InsertRule(forwarding(chain, 80, nil))
		if err := conn.Flush(); err != nil {
			return err
		}
		rules, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			return err
		}
		if len(rules) == 0 {
			return errors.New("the rules are gone")
		}
		if err := conn.DelRule(rules[0]); err != nil {
			return err
		}
		if err := conn.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// The caller's deadline holds, and is not taken for a cap.
func TestDeadline(t *testing.T) {
	h := newHost(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	table, err := h.reader.Forwards(ctx, h.Host)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Forwards = %+v, %v, want %v", table, err, context.DeadlineExceeded)
	}
}

// A reference that ended is no host without forwards.
func TestHostEnded(t *testing.T) {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	keeper := exec.Command("cat")
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	in, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	ended, hostErr := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: keeper.Process.Pid})
	if err := errors.Join(hostErr, in.Close(), keeper.Wait()); err != nil {
		t.Fatal(err)
	}
	defer ended.Close()
	if table, err := scan.NewForwardReader().Forwards(t.Context(), ended); !errors.Is(err, nsinspect.ErrVanished) {
		t.Errorf("Forwards = %+v, %v, want %v", table, err, nsinspect.ErrVanished)
	}
}
