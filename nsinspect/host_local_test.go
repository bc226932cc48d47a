// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func collect(t testing.TB, each func(io.Reader, func(netip.Prefix) error) error, text string) ([]netip.Prefix, error) {
	t.Helper()
	var networks []netip.Prefix
	err := each(strings.NewReader(text), func(network netip.Prefix) error {
		networks = append(networks, network)
		return nil
	})
	return networks, err
}

func TestLocalFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		each func(io.Reader, func(netip.Prefix) error) error
		text string
		want []string
		err  string
	}{
		"routes of IPv4": {eachLocal4, `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
     |-- 192.0.2.0
        /24 link UNICAST
        /24 host LOCAL tos=16
     |-- 192.0.2.255
        /32 link BROADCAST
`, []string{"127.0.0.0/8", "127.0.0.1/32", "192.0.2.0/24"}, ""},
		"a leaf of another form": {eachLocal4, "|-- fd00::1\n", nil, "malformed leaf"},
		"no leaf":                {eachLocal4, "/32 host LOCAL\n", nil, "before any leaf"},
		"too many bits":          {eachLocal4, "|-- 10.0.0.1\n/33 host LOCAL\n", nil, ""},
		"addresses of IPv6":      {eachAddress6, "fd000000000000000000000000000005 02 40 00 80 eth0\n", []string{"fd00::5/128"}, ""},
		"half an address":        {eachAddress6, "fd00\n", nil, "malformed row"},
		"routes of IPv6": {eachLocal6, `fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000003 00000000 00000001     eth0
fd000000000000000000000000000005 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000006 00000000 80200001     eth0
20010db8000000000000000000000000 20 00000000000000000000000000000000 00 00000000000000000000000000000000 00000400 00000001 00000000 80000001       lo
`, []string{"fd00::5/128", "2001:db8::/32"}, ""},
		"half a route":        {eachLocal6, "fd000000000000000000000000000000 40\n", nil, "malformed route"},
		"a prefix too long":   {eachLocal6, "fd000000000000000000000000000000 81 0 0 0 0 0 0 80000001 lo\n", nil, "malformed route"},
		"no address at all":   {eachLocal6, "x\n", nil, "malformed row"},
		"digits that are not": {eachAddress6, strings.Repeat("z", 32) + "\n", nil, "malformed row"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			networks, err := collect(t, test.each, test.text)
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want an error with %q", err, test.err)
			}
			var got []string
			for _, network := range networks {
				got = append(got, network.String())
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The text is the kernel's, of addresses that anyone may have chosen.
func FuzzLocalFiles(f *testing.F) {
	f.Add("|-- 10.0.0.1\n /32 host LOCAL\n")
	f.Add("20010db8000000000000000000000000 20 0 0 0 0 0 0 80000001 lo\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range localFiles() {
			networks, _ := collect(t, file.each, text) // An error is an answer.
			for _, network := range networks {
				if !network.IsValid() {
					t.Errorf("%s: %v", file.name, network)
				}
			}
		}
	})
}
