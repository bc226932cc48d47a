// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress reports what a command is doing, if it takes longer than a moment.
type progress struct {
	mu    sync.Mutex
	stage string
	done  chan struct{}
	ended chan struct{}
}

// startProgress writes a line every interval, beginning after the first.
func startProgress(w io.Writer, interval time.Duration) *progress {
	p := &progress{done: make(chan struct{}), ended: make(chan struct{})}
	go p.report(w, interval)
	return p
}

func (p *progress) report(w io.Writer, interval time.Duration) {
	defer close(p.ended)
	start := time.Now()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.mu.Lock()
			stage := p.stage
			p.mu.Unlock()
			// If it can't be written, the work goes on.
			_, _ = fmt.Fprintf(w, "nsaudit: %s (%s) ...\n", stage, time.Since(start).Round(time.Second))
		case <-p.done:
			return
		}
	}
}

// next names the stage that begins.
func (p *progress) next(stage string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage = stage
}

// stop ends the reporting; nothing is written after it.
func (p *progress) stop() {
	close(p.done)
	<-p.ended
}
