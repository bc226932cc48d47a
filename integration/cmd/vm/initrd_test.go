// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"
)

// The bytes are those of "cpio -H newc" but for the inode and time.
func TestCpioWriter(t *testing.T) {
	var got bytes.Buffer
	w := cpioWriter{out: &got}
	w.directory("early")
	w.file("init", 0o755, []byte("hello"))
	w.end()
	want := "070701" + "00000001" + "000041ED" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000006" + "00000000" + "early\x00" +
		"070701" + "00000002" + "000081ED" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" + "init\x00\x00" + "hello\x00\x00\x00" +
		"070701" + "00000003" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "0000000B" + "00000000" + "TRAILER!!!\x00\x00\x00\x00"
	if got.String() != want {
		t.Errorf("wrote\n%q, want\n%q", got.String(), want)
	}
}
