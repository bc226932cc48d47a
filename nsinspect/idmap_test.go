// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestParseIDMap(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want IDMap
		bad  bool
	}{
		"the initial namespace":        {text: "         0          0 4294967295\n", want: IDMap{{0, 0, math.MaxUint32}}},
		"a pod's":                      {text: "         0     131072      65536\n", want: IDMap{{0, 131072, 65536}}},
		"two ranges":                   {text: "         0    1000          1\n         1  100000      65536\n", want: IDMap{{0, 1000, 1}, {1, 100000, 65536}}},
		"not written yet":              {text: ""},
		"as many as the kernel allows": {text: strings.Repeat("1 1 1\n", maxRanges), want: slicesRepeat(IDRange{1, 1, 1}, maxRanges)},
		"more than that":               {text: strings.Repeat("1 1 1\n", maxRanges+1), bad: true},
		"cut off":                      {text: "0 131072 65536", bad: true},
		"two numbers":                  {text: "0 131072\n", bad: true},
		"four numbers":                 {text: "0 131072 65536 1\n", bad: true},
		"no ids":                       {text: "0 131072 0\n", bad: true},
		"beyond the last id inside":    {text: "4294967295 0 2\n", bad: true},
		"beyond the last id outside":   {text: "0 4294967295 2\n", bad: true},
		"no number":                    {text: "0 x 1\n", bad: true},
		"an empty line":                {text: "\n", bad: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := parseIDMap([]byte(test.text))
			if ok == test.bad {
				t.Fatalf("parseIDMap = %v, %t", got, ok)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func slicesRepeat(r IDRange, n int) IDMap {
	ranges := make(IDMap, n)
	for i := range ranges {
		ranges[i] = r
	}
	return ranges
}

func FuzzParseIDMap(f *testing.F) {
	f.Add([]byte("         0     131072      65536\n"))
	f.Add([]byte("0 0 4294967295\n1 1 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ranges, ok := parseIDMap(text)
		if !ok {
			return
		}
		var again strings.Builder
		for _, r := range ranges {
			fmt.Fprintf(&again, "%10d %10d %10d\n", r.Inside, r.Outside, r.Count)
			if _, ok := ranges.Outside(r.Inside + r.Count - 1); !ok {
				t.Errorf("%q: the last id of %v is not mapped", text, r)
			}
		}
		if back, ok := parseIDMap([]byte(again.String())); !ok || !cmp.Equal(back, ranges) {
			t.Errorf("%q is %v, and rendered again %v", text, ranges, back)
		}
	})
}

func TestIDMap(t *testing.T) {
	t.Parallel()
	m := IDMap{{0, 100000, 10}, {20, 300000, 1}}
	for id, want := range map[uint32]uint32{0: 100000, 9: 100009, 20: 300000} {
		if got, ok := m.Outside(id); !ok || got != want {
			t.Errorf("Outside(%d) = %d, %t, want %d", id, got, ok, want)
		}
	}
	for _, id := range []uint32{10, 19, 21, math.MaxUint32} {
		if got, ok := m.Outside(id); ok {
			t.Errorf("Outside(%d) = %d, which is not mapped", id, got)
		}
	}
	for name, test := range map[string]struct {
		other IDMap
		want  bool
	}{
		"the same":           {m, true},
		"before":             {IDMap{{0, 99990, 10}}, false},
		"the last of it":     {IDMap{{0, 100009, 1}}, true},
		"behind":             {IDMap{{0, 100010, 10}}, false},
		"around a range":     {IDMap{{0, 299999, 3}}, true},
		"the whole":          {IDMap{{0, 0, math.MaxUint32}}, true},
		"one without ranges": {nil, false},
	} {
		if got := m.Overlaps(test.other); got != test.want || test.other.Overlaps(m) != got {
			t.Errorf("%s: Overlaps = %t, want %t", name, got, test.want)
		}
	}
}

func TestIDMapsOutcomes(t *testing.T) {
	t.Parallel()
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5})
	process := openProcess(t, fake, 5)
	if got, err := process.IDMaps(); !errors.Is(err, ErrVanished) {
		t.Errorf("without a file: %v, %v", got, err)
	}
	fake.Write("proc/5/uid_map", "0 1000 1\n")
	fake.Write("proc/5/gid_map", "0 x 1\n")
	if got, err := process.IDMaps(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a map of another form: %v, %v", got, err)
	}
	fake.Write("proc/5/gid_map", "0 2000 1\n")
	got, err := process.IDMaps()
	if diff := cmp.Diff(IDMaps{IDMap{{0, 1000, 1}}, IDMap{{0, 2000, 1}}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
