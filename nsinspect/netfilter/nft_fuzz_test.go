// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// seed adds the recorded messages of one kind.
func seed(f *testing.F, kind uint16) {
	f.Helper()
	for _, name := range recordingNames(f) {
		for _, payload := range recorded(f, name).payloads(kind) {
			f.Add(payload, byte(unix.NFPROTO_IPV4))
		}
	}
}

// one answers every dump with one message.
type one map[uint16]nftMessage

func (o one) dump(_ context.Context, ask nftDump, visit func(nftMessage) error) error {
	message, ok := o[ask.kind]
	if !ok {
		return nil
	}
	return visit(message)
}

// entrance is a chain for NAT, as recorded.
func entrance(f *testing.F) nftMessage {
	f.Helper()
	for _, message := range recorded(f, "docker-nftables")[unix.NFT_MSG_GETCHAIN] {
		if _, ok, _ := decodeBaseChain(message); ok {
			return message
		}
	}
	f.Fatal("no chain for NAT is recorded")
	return nftMessage{}
}

// mustMakeSense reads from a source and looks at what comes out.
func mustMakeSense(t *testing.T, source nftDumper) {
	t.Helper()
	limits := defaultLimits()
	limits.steps, limits.rules = 1000, 100
	reader := newTracer(nftRules{source}, testNames(), testLocal(), limits)
	if err := reader.read(t.Context()); err != nil && !errors.Is(err, nlattr.ErrMalformed) {
		t.Fatal(err)
	}
	mustBeForwards(t, reader.result())
}

// mustBeForwards looks at forwards and what is said of them.
func mustBeForwards(t *testing.T, table Table) {
	t.Helper()
	for _, forward := range table.Forwards {
		switch {
		case forward.Protocol == "", forward.HostPort > forward.LastPort, !forward.Target.Addr().IsValid(),
			forward.HostAddress.IsValid() && forward.HostAddress.IsUnspecified(),
			forward.Target.Addr().IsUnspecified() && forward.Target.Port() == 0,
			forward.LastTarget.IsValid() && forward.LastTarget.Compare(forward.Target.Addr()) <= 0,
			forward.LastTargetPort != 0 && forward.LastTargetPort <= forward.Target.Port():
			t.Errorf("forward %+v", forward)
		}
	}
	if table.Ignored > table.Rules {
		t.Errorf("%d rules ignored of %d", table.Ignored, table.Rules)
	}
	if (len(table.Opaque) > 0) != (table.Ignored > 0) {
		t.Errorf("%d rules ignored, and %d sentences about them", table.Ignored, len(table.Opaque))
	}
}

// A process chooses the bytes of the rules that it makes, and the decoders are a library's.
func FuzzDecodeRule(f *testing.F) {
	seed(f, unix.NFT_MSG_GETRULE)
	chain := entrance(f)
	f.Fuzz(func(t *testing.T, rule []byte, family byte) {
		mustMakeSense(t, one{
			unix.NFT_MSG_GETCHAIN: {family, chain.attributes},
			unix.NFT_MSG_GETRULE:  {family, rule},
		})
	})
}

func FuzzDecodeBaseChain(f *testing.F) {
	seed(f, unix.NFT_MSG_GETCHAIN)
	f.Fuzz(func(t *testing.T, chain []byte, family byte) {
		got, ok, err := decodeBaseChain(nftMessage{family, chain})
		if ok && (err != nil || got.familyName() == "") || !ok && got != (object{}) {
			t.Errorf("decodeBaseChain = %+v, %t, %v", got, ok, err)
		}
	})
}

// The elements meet a rule that takes addresses, ports and protocols from a map.
func FuzzDecodeElements(f *testing.F) {
	seed(f, unix.NFT_MSG_GETSETELEM)
	source := recorded(f, "kindnet")
	chain, rule := entrance(f), source[unix.NFT_MSG_GETRULE][0]
	f.Fuzz(func(t *testing.T, elements []byte, family byte) {
		mustMakeSense(t, one{
			unix.NFT_MSG_GETCHAIN:   {unix.NFPROTO_INET, chain.attributes},
			unix.NFT_MSG_GETRULE:    rule,
			unix.NFT_MSG_GETSETELEM: {family, elements},
		})
	})
}
