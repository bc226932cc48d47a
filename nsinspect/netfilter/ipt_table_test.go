// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
)

// A table that ends too soon is never taken for a whole one.
func TestLegacyCutOff(t *testing.T) {
	for number, data := range recordedLegacy(t, filepath.Join(recordings, "forms-iptables.legacy")) {
		for length := iptInfoSize; length < len(data); length++ {
			table, err := readLegacyTable(t, number, data[:length], defaultLimits())
			if err == nil {
				t.Fatalf("%d of %d bytes gave %+v", length, len(data), table)
			}
		}
	}
}

// Entries that the kernel's own checks refuse give an error or nothing, but no panic.
func TestLegacyMalformed(t *testing.T) {
	layout := ipv4Layout()
	word := func(b []byte, at int, value uint16) { binary.NativeEndian.PutUint16(b[at:], value) }
	tests := map[string]struct {
		spoil func(info, first []byte)
		want  string
	}{
		"an entry without an end": {func(_, first []byte) { word(first, layout.nextAt, 0xffff) }, "byte 0 is malformed"},
		"an entry of no length":   {func(_, first []byte) { word(first, layout.nextAt, 0) }, "byte 0 is malformed"},
		"a target in the header":  {func(_, first []byte) { word(first, layout.targetAt, uint16(layout.size-1)) }, "byte 0 is malformed"},
		"a target behind the end": {func(_, first []byte) { word(first, layout.targetAt, 0xfff0) }, "byte 0 is malformed"},
		"a target without room": {func(_, first []byte) {
			word(first, layout.nextAt, binary.NativeEndian.Uint16(first[layout.targetAt:])+xtHeader-1)
		}, "byte 0 is malformed"},
		"packets enter nowhere":        {func(info, _ []byte) { word(info, iptNameSize+4, 1) }, "byte 1 is malformed"},
		"packets enter behind the end": {func(info, _ []byte) { word(info, iptNameSize+4+2, 0xffff) }, "is malformed"},
		"a policy nowhere":             {func(info, _ []byte) { word(info, iptNameSize+4*(1+legacyHooks), 1) }, "byte 1 is malformed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			data := recordedLegacy(t, filepath.Join(recordings, "docker-iptables.legacy"))[0]
			test.spoil(data[:iptInfoSize], data[iptInfoSize:])
			table, err := readLegacyTable(t, 0, data, defaultLimits())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v, %v, want an error with %q", table, err, test.want)
			}
		})
	}
}

// Matches and jumps that lead out of their entry or table are passed over, and counted where
// they may hide where packets go.
func TestLegacyStrays(t *testing.T) {
	layout := ipv4Layout()
	plain := readRecorded(t, filepath.Join(recordings, "crio.legacy"))
	tests := map[string]struct {
		spoil             func(first []byte)
		forwards, ignored int
	}{
		"a match without an end": {func(first []byte) { binary.NativeEndian.PutUint16(first[layout.size:], 0xffff) }, len(plain.Forwards), 0},
		"a match of no length":   {func(first []byte) { binary.NativeEndian.PutUint16(first[layout.size:], 0) }, len(plain.Forwards), 0},
		"a jump to nowhere": {func(first []byte) {
			target := binary.NativeEndian.Uint16(first[layout.targetAt:])
			binary.NativeEndian.PutUint32(first[target+xtHeader:], 1)
		}, len(plain.Forwards), 1},
		"a jump behind the end": {func(first []byte) {
			target := binary.NativeEndian.Uint16(first[layout.targetAt:])
			binary.NativeEndian.PutUint32(first[target+xtHeader:], 1<<31-1)
		}, len(plain.Forwards), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			data := recordedLegacy(t, filepath.Join(recordings, "crio.legacy"))[0]
			test.spoil(data[iptInfoSize:])
			table, err := readLegacyTable(t, 0, data, defaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			// The second way to the chain, from the host itself, is as it was.
			if len(table.Forwards) != test.forwards || table.Ignored != test.ignored {
				t.Errorf("%d forwards and %d ignored, want %d and %d", len(table.Forwards), table.Ignored, test.forwards, test.ignored)
			}
		})
	}
}

// A process chooses the bytes of the table that it makes.
func FuzzLegacyTable(f *testing.F) {
	for _, file := range legacyRecordings(f) {
		for number, data := range recordedLegacy(f, file) {
			f.Add(data, number == 1)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, v6 bool) {
		if len(data) < iptInfoSize {
			return
		}
		number := 0
		if v6 {
			number = 1
		}
		// This has to be right for anything to be read.
		data = bytes.Clone(data)
		binary.NativeEndian.PutUint32(data[iptInfoSize-4:], uint32(len(data)-iptInfoSize))
		limits := defaultLimits()
		limits.steps, limits.rules = 1000, 100
		table, err := readLegacyTable(t, number, data, limits)
		if err != nil && (len(table.Forwards) > 0 || table.Rules > 0) {
			t.Errorf("%+v of a table that is %v", table, err)
		}
		mustBeForwards(t, table)
	})
}
