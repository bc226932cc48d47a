// SPDX-License-Identifier: Apache-2.0

package nlattr

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// message makes attributes, each padded as the kernel does.
func message(attributes ...Attribute) []byte {
	var b []byte
	for _, a := range attributes {
		b = binary.NativeEndian.AppendUint16(b, uint16(headerSize+len(a.Data))) //nolint:gosec // Data are short.
		b = binary.NativeEndian.AppendUint16(b, a.Type)
		b = append(b, a.Data...)
		b = append(b, make([]byte, -len(b)&(alignment-1))...)
	}
	return b
}

// walk collects the attributes until the first error.
func walk(b []byte) (all []Attribute, err error) {
	for attribute, err := range All(b) {
		if err != nil {
			return all, err
		}
		all = append(all, attribute)
	}
	return all, nil
}

func TestAll(t *testing.T) {
	one, two := Attribute{1, []byte{1, 2, 3}}, Attribute{2, []byte{4}}
	whole := message(one, two)
	tests := map[string]struct {
		message []byte
		want    []Attribute
		err     error
	}{
		"nothing":              {},
		"two":                  {whole, []Attribute{one, two}, nil},
		"without data":         {message(Attribute{7, []byte{}}), []Attribute{{7, []byte{}}}, nil},
		"without padding":      {whole[:len(whole)-3], []Attribute{one, two}, nil},
		"flags":                {message(Attribute{unix.NLA_F_NESTED | 1, []byte{1, 2, 3}}), []Attribute{one}, nil},
		"cut off":              {whole[:len(whole)-4], []Attribute{one}, ErrMalformed},
		"half a header":        {whole[:10], []Attribute{one}, ErrMalformed},
		"a length of nothing":  {make([]byte, 8), nil, ErrMalformed},
		"a length beyond that": {append(binary.NativeEndian.AppendUint16(nil, 9), 0, 1, 1, 2, 3, 4), nil, ErrMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := walk(test.message)
			if diff := cmp.Diff(test.want, got); diff != "" || !errors.Is(err, test.err) {
				t.Errorf("%v, want %v -want +got:\n%s", err, test.err, diff)
			}
		})
	}
}

func TestFind(t *testing.T) {
	b := message(Attribute{1, []byte{1}}, Attribute{2, []byte{2}}, Attribute{2, []byte{3}})
	for kind, want := range map[uint16][]byte{1: {1}, 2: {2}, 3: nil} {
		if got, err := Find(b, kind); err != nil || !cmp.Equal(got, want) {
			t.Errorf("Find of %d = %v, %v, want %v", kind, got, err, want)
		}
	}
	// What stands before is whole.
	if got, err := Find(b[:len(b)-6], 1); err != nil || !cmp.Equal(got, []byte{1}) {
		t.Errorf("Find = %v, %v", got, err)
	}
	if got, err := Find(b[:len(b)-6], 3); !errors.Is(err, ErrMalformed) || got != nil {
		t.Errorf("Find = %v, %v, want %v", got, err, ErrMalformed)
	}
}

func FuzzAll(f *testing.F) {
	f.Add(message(Attribute{1, []byte{1, 2, 3}}, Attribute{2, []byte{4}}), uint16(2), []byte{5})
	f.Add([]byte{}, uint16(1), []byte{})
	f.Add(make([]byte, 8), uint16(3), []byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte, kind uint16, data []byte) {
		all, err := walk(b)
		size := 0
		for _, attribute := range all {
			size += headerSize + len(attribute.Data)
		}
		if size > len(b) || err == nil && size < len(b)-(alignment-1)*len(all) {
			t.Errorf("%d bytes of %d in attributes, %v", size, len(b), err)
		}
		if len(data) > 1000 {
			return
		}
		// One more before them is found, and changes nothing.
		want := Attribute{kind & typeMask, data}
		more, moreErr := walk(append(message(want), b...))
		if len(more) != len(all)+1 || !cmp.Equal(more[0].Data, data, cmp.Comparer(bytesEqual)) || more[0].Type != want.Type || !errors.Is(moreErr, err) {
			t.Errorf("%d attributes, %v, then %d, %v", len(all), err, len(more), moreErr)
		}
	})
}

func bytesEqual(a, b []byte) bool { return string(a) == string(b) }
