// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// As Linux 6.18 shows a pod, with a second address and a network that is local as a whole.
const (
	podFibTrie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 2
        |-- 10.244.1.0
           /24 link UNICAST
        |-- 10.244.1.7
           /32 host LOCAL
           /32 link UNICAST tos=16
        |-- 10.244.1.255
           /32 link BROADCAST
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 2
        |-- 10.244.1.0
           /24 link UNICAST
        |-- 10.244.1.7
           /32 host LOCAL
        |-- 10.244.1.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     |-- 169.254.20.10
        /32 host LOCAL tos=16
     |-- 192.0.2.0
        /24 host LOCAL
`
	podIfInet6 = `fd000000000000000000000000000007 02 40 00 80 eth0
fe80000000000000900c49fffeac71f8 02 40 20 80 eth0
00000000000000000000000000000001 01 80 10 80       lo
`
)

func TestAddresses(t *testing.T) {
	many := new(strings.Builder)
	for i := range maxAddresses + 1 {
		fmt.Fprintf(many, "fd%030x 02 40 00 80 eth0\n", i)
	}
	tests := map[string]struct {
		v4, v6  string
		want    []string
		wantErr error
	}{
		"a pod":             {v4: podFibTrie, v6: podIfInet6, want: []string{"10.244.1.7", "169.254.20.10", "fd00::7"}},
		"without IPv6":      {v4: podFibTrie, want: []string{"10.244.1.7", "169.254.20.10"}},
		"with IPv6 only":    {v6: podIfInet6, want: []string{"fd00::7"}},
		"without either":    {},
		"too many":          {v6: many.String(), wantErr: ErrTooLarge},
		"too many routes":   {v4: podFibTrie + strings.Repeat(strings.Repeat(" ", 1023)+"\n", maxAddressBytes>>10), v6: podIfInet6, want: []string{"10.244.1.7", "169.254.20.10", "fd00::7"}, wantErr: ErrTooLarge},
		"an endless line":   {v4: strings.Repeat(" ", 1<<20), v6: podIfInet6, want: []string{"fd00::7"}, wantErr: errAny},
		"a malformed leaf":  {v4: "|-- 10.0.0\n/32 host LOCAL\n", v6: podIfInet6, want: []string{"fd00::7"}, wantErr: errAny},
		"a leaf of IPv6":    {v4: "|-- ::2\n/32 host LOCAL\n", wantErr: errAny},
		"no leaf":           {v4: "/32 host LOCAL\n", wantErr: errAny},
		"a short row":       {v4: podFibTrie, v6: "fd00 02 40 00 80 eth0\n", want: []string{"10.244.1.7", "169.254.20.10"}, wantErr: errAny},
		"a row without hex": {v6: strings.Repeat("x", 32) + " 02 40 00 80 eth0\n", wantErr: errAny},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 5})
			fake.Write("proc/5/net/dev", "")
			if test.v4 != "" {
				fake.Write("proc/5/net/fib_trie", test.v4)
			}
			if test.v6 != "" {
				fake.Write("proc/5/net/if_inet6", test.v6)
			}
			addresses, err := openProcess(t, fake, 5).Addresses()
			if errors.Is(test.wantErr, errAny) && err != nil {
				err = errAny
			}
			if !errors.Is(err, test.wantErr) {
				t.Fatalf("Addresses: %v, want %v", err, test.wantErr)
			}
			if name == "too many" {
				if len(addresses) != maxAddresses {
					t.Errorf("%d addresses, want %d", len(addresses), maxAddresses)
				}
				return
			}
			var got []string
			for _, address := range addresses {
				got = append(got, address.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// errAny stands for an error that is none of the outcomes.
var errAny = errors.New("any")

// Nothing is left of the directory when the process ended, which is no lack of addresses.
func TestAddressesOfNone(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5})
	if addresses, err := openProcess(t, fake, 5).Addresses(); !errors.Is(err, ErrVanished) {
		t.Errorf("Addresses = %v, %v, want %v", addresses, err, ErrVanished)
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add([]byte(podFibTrie))
	f.Add([]byte(podIfInet6))
	f.Add([]byte("|-- 10.0.0.1\n   /32 host LOCAL"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v4, _ := parseFibTrie(bytes.NewReader(text), nil)
		v6, _ := parseIfInet6(bytes.NewReader(text), nil)
		for _, address := range append(v4, v6...) {
			if !address.IsValid() || address.IsLoopback() {
				t.Errorf("address %v", address)
			}
		}
		if lines := bytes.Count(text, []byte{'\n'}) + 1; len(v4)+len(v6) > lines {
			t.Errorf("%d addresses in %d lines", len(v4)+len(v6), lines)
		}
		for _, address := range v4 {
			if !bytes.Contains(text, []byte("|-- "+address.String())) {
				t.Errorf("%v is no leaf", address)
			}
		}
	})
}
