// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// maxLine bounds one line of output: a longer one is sent in pieces.
const maxLine = 32 << 10

// reporter sends messages to the host.
type reporter struct {
	mu  sync.Mutex
	out io.Writer
}

func newReporter(out io.Writer) *reporter { return &reporter{out: out} }

func (r *reporter) send(message vmwire.Message) error {
	encoded, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.out.Write(append(encoded, '\n')); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

func (r *reporter) line(text string) error {
	return r.send(vmwire.Message{Output: &text})
}

// lineWriter cuts what is written to it into lines.
type lineWriter struct {
	emit    func(string) error
	pending []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.pending = append(w.pending, p...)
	for {
		end, skip := bytes.IndexByte(w.pending, '\n'), 1
		if end < 0 && len(w.pending) >= maxLine {
			end, skip = maxLine, 0
		}
		if end < 0 {
			return len(p), nil
		}
		if err := w.emit(string(w.pending[:end])); err != nil {
			return 0, err
		}
		w.pending = w.pending[end+skip:]
	}
}

// flush sends a last line that no newline ends.
func (w *lineWriter) flush() {
	if len(w.pending) > 0 {
		_ = w.emit(string(w.pending)) // the exit message after it meets the same error
		w.pending = nil
	}
}
