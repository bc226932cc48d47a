// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrefixOf(t *testing.T) {
	tests := []struct {
		low, high string
		want      string // "" for none
	}{
		{"10.0.0.1", "10.0.0.1", "10.0.0.1/32"},
		{"10.0.0.0", "10.255.255.255", "10.0.0.0/8"},
		{"10.16.0.0", "10.31.255.255", "10.16.0.0/12"},
		{"0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
		{"2001:db8::", "2001:db8::7fff", "2001:db8::/113"},
		{"10.0.0.1", "10.0.0.2", ""},
		{"10.0.0.0", "10.0.0.2", ""},
		{"10.0.0.1", "10.0.0.0", ""},
	}
	for _, test := range tests {
		prefix, ok := prefixOf(netip.MustParseAddr(test.low).AsSlice(), netip.MustParseAddr(test.high).AsSlice())
		if ok != (test.want != "") || ok && prefix.String() != test.want {
			t.Errorf("prefixOf(%s, %s) = %s, %t, want %q", test.low, test.high, prefix, ok, test.want)
		}
	}
	if prefix, ok := prefixOf([]byte{10, 0}, []byte{10, 0}); ok {
		t.Errorf("two bytes made the prefix %s", prefix)
	}
}

func TestMatchAnd(t *testing.T) {
	to := func(prefix string) match {
		m := anyPacket()
		m.host = netip.MustParsePrefix(prefix)
		return m
	}
	tests := map[string]struct {
		a, b match
		want match
		none bool
	}{
		"anything":           {a: anyPacket(), b: anyPacket(), want: anyPacket()},
		"ports that overlap": {a: match{protocols: 1, first: 1, last: 9}, b: match{protocols: 3, first: 5, last: 20}, want: match{protocols: 1, first: 5, last: 9}},
		"ports apart":        {a: match{protocols: 1, first: 1, last: 4}, b: match{protocols: 1, first: 5, last: 20}, none: true},
		"other protocols":    {a: match{protocols: 1, last: 9}, b: match{protocols: 2, last: 9}, none: true},
		"the smaller prefix": {a: to("10.0.0.0/8"), b: to("10.1.0.0/16"), want: to("10.1.0.0/16")},
		"a prefix of it":     {a: to("10.1.0.0/16"), b: to("10.0.0.0/8"), want: to("10.1.0.0/16")},
		"one prefix":         {a: anyPacket(), b: to("10.0.0.0/8"), want: to("10.0.0.0/8")},
		"prefixes apart":     {a: to("10.1.0.0/16"), b: to("10.2.0.0/16"), none: true},
		"families apart":     {a: to("10.1.0.0/16"), b: to("::/0"), none: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := test.a.and(test.b)
			if ok == test.none || ok && got != test.want {
				t.Errorf("and = %+v, %t, want %+v", got, ok, test.want)
			}
		})
	}
}

func TestMatchAddress(t *testing.T) {
	tests := map[string]string{
		"192.0.2.1/32":   "192.0.2.1",
		"192.0.2.0/24":   "invalid IP",
		"127.0.0.0/8":    "127.0.0.0",
		"127.0.0.1/32":   "127.0.0.1",
		"::1/128":        "::1",
		"0.0.0.0/0":      "invalid IP",
		"0.0.0.0/32":     "invalid IP",
		"::/128":         "invalid IP",
		"2001:db8::/127": "invalid IP",
	}
	for prefix, want := range tests {
		if got := (match{host: netip.MustParsePrefix(prefix)}).address().String(); got != want {
			t.Errorf("the address of %s is %s, want %s", prefix, got, want)
		}
	}
	if address := anyPacket().address(); address.IsValid() {
		t.Errorf("any packet goes to %s", address)
	}
}

// Ends of ranges are elements of their own, in any order.
func TestCloseRanges(t *testing.T) {
	single := func(key string, closes bool) element { return element{key: bytesOf(t, key), closes: closes} }
	closed := func(key, end string) element { return element{key: bytesOf(t, key), end: bytesOf(t, end)} }
	tests := map[string]struct{ elements, want []element }{
		"no ranges": {
			elements: []element{single("0050", false), single("0016", false)},
			want:     []element{single("0050", false), single("0016", false)},
		},
		"ranges apart": {
			elements: []element{single("0000", true), single("01f5", true), single("01f4", false), single("0064", true), single("0050", false)},
			want:     []element{closed("0050", "0063"), closed("01f4", "01f4")},
		},
		"ranges that touch": {
			elements: []element{single("0050", false), single("0064", true), single("0064", false), single("0065", true)},
			want:     []element{closed("0050", "0063"), closed("0064", "0064")},
		},
		"a range without an end": {
			elements: []element{single("0000", true), single("8000", false)},
			want:     []element{closed("8000", "ffff")},
		},
		"everything else": {
			elements: []element{single("0051", true), {data: []byte{1}}, single("0050", false)},
			want:     []element{{data: []byte{1}}, closed("0050", "0050")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, closeRanges(test.elements), cmp.AllowUnexported(element{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestComplement(t *testing.T) {
	single := func(key string) element { return element{key: bytesOf(t, key)} }
	closed := func(key, end string) element { return element{key: bytesOf(t, key), end: bytesOf(t, end)} }
	tests := map[string]struct{ elements, want []element }{
		"nothing":            {nil, []element{closed("0000", "ffff")}},
		"a port":             {[]element{single("0016")}, []element{closed("0000", "0015"), closed("0017", "ffff")}},
		"in any order":       {[]element{single("0050"), closed("0016", "0018")}, []element{closed("0000", "0015"), closed("0019", "004f"), closed("0051", "ffff")}},
		"the first":          {[]element{closed("0000", "7fff")}, []element{closed("8000", "ffff")}},
		"the last":           {[]element{closed("8000", "ffff")}, []element{closed("0000", "7fff")}},
		"all":                {[]element{closed("0000", "ffff")}, nil},
		"one in another":     {[]element{closed("0010", "0020"), single("0011")}, []element{closed("0000", "000f"), closed("0021", "ffff")}},
		"one that is no key": {[]element{single("00"), {}}, []element{closed("0000", "ffff")}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, complement(test.elements), cmp.AllowUnexported(element{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLocalAddresses(t *testing.T) {
	local := newLocalAddresses([]netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::1/128"),
	})
	tests := map[string]bool{
		"127.0.0.1/32":    true,
		"127.0.0.0/7":     true,
		"192.0.2.1/32":    true,
		"192.0.2.0/24":    true,
		"192.0.2.2/32":    false,
		"192.0.3.0/24":    false,
		"0.0.0.0/0":       true,
		"2001:db8::/64":   true,
		"2001:db8::2/128": false,
	}
	for network, want := range tests {
		if got := local.has(netip.MustParsePrefix(network)); got != want {
			t.Errorf("has(%s) = %t, want %t", network, got, want)
		}
	}
	if !local.has(netip.Prefix{}) {
		t.Error("a rule for any address is for none of the host's")
	}
	var unread *localAddresses
	if !unread.has(netip.MustParsePrefix("192.0.2.2/32")) {
		t.Error("of a host whose addresses are not known, one is not its own")
	}
}

// The process that makes a rule chooses its user data, any bytes.
func TestComment(t *testing.T) {
	tests := map[string]string{
		"":                        "",
		"\x00":                    "",
		"\x00\x04abc\x00":         "abc",
		"\x01\x01x\x00\x03ab\x00": "ab",
		"\x00\x03abc":             "abc",
		"\x00\x06ab\x00cd\x00":    "ab",
		"\x00\x05\x1b[2J\xff":     "\x1b[2J\xff",
		"\x00\xffabc":             "",
		"\x01\xff\x00\x03ab\x00":  "",
	}
	for udata, want := range tests {
		if got := comment([]byte(udata)); got != want {
			t.Errorf("comment(%q) = %q, want %q", udata, got, want)
		}
	}
}

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
