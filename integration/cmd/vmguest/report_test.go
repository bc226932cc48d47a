// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

func TestLineWriter(t *testing.T) {
	var got []string
	w := &lineWriter{emit: func(line string) error {
		got = append(got, line)
		return nil
	}}
	for _, chunk := range []string{"one\ntw", "o\n\nthr", "ee"} {
		if n, err := w.Write([]byte(chunk)); n != len(chunk) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", chunk, n, err)
		}
	}
	w.flush()
	if want := []string{"one", "two", "", "three"}; !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
}

func TestLineWriterCutsEndlessLine(t *testing.T) {
	var got int
	w := &lineWriter{emit: func(line string) error {
		got += len(line)
		if len(line) > maxLine {
			t.Errorf("line of %d bytes", len(line))
		}
		return nil
	}}
	if _, err := w.Write(bytes.Repeat([]byte("x"), 3*maxLine+1)); err != nil {
		t.Fatal(err)
	}
	w.flush()
	if got != 3*maxLine+1 {
		t.Errorf("%d bytes arrived, want %d", got, 3*maxLine+1)
	}
}

func TestReporterSendsOneLineAMessage(t *testing.T) {
	var got bytes.Buffer
	report := newReporter(&got)
	if err := report.line("a\n{\"exit\":{\"code\":0}}"); err != nil {
		t.Fatal(err)
	}
	if err := report.send(vmwire.Message{Exit: &vmwire.Exit{Code: 1}}); err != nil {
		t.Fatal(err)
	}
	want := `{"output":"a\n{\"exit\":{\"code\":0}}"}` + "\n" + `{"exit":{"code":1}}` + "\n"
	if got.String() != want || strings.Count(got.String(), "\n") != 2 {
		t.Errorf("sent %q, want %q", got.String(), want)
	}
}
