// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

const (
	// bootLimit is how long a VM may take until its first message. About 10 s are
	// usual; a busy machine needs several times that.
	bootLimit = 4 * time.Minute
	// offLimit is how long a VM may take to switch off after its last message.
	offLimit = 20 * time.Second
	// consoleTail is how much of the console is shown of a VM that failed.
	consoleTail = 40
)

// boot runs the tests under the kernel and returns the result.
func (m machine) boot(ctx context.Context, k kernel) result {
	res := result{suite: k.suite, release: k.release}
	initrd := filepath.Join(m.work, "initrd-"+k.suite)
	if res.err = makeInitrd(initrd, m.guest, filepath.Join(k.dir, vmwire.EarlyModules)); res.err != nil {
		return res
	}
	// The console of an earlier run must not be mistaken for this one's.
	if err := os.Remove(m.console); err != nil && !errors.Is(err, os.ErrNotExist) {
		res.err = fmt.Errorf("remove old console log: %w", err)
		return res
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.timeout, fmt.Errorf("the tests did not end within %v", m.timeout))
	defer cancel()
	res.err = m.follow(ctx, k, initrd, &res)
	if len(res.problems()) > 0 {
		m.showConsole()
	}
	return res
}

// follow starts the VM and listens until it is off. There is an error unless the
// guest reported how the tests ended.
func (m machine) follow(ctx context.Context, k kernel, initrd string, res *result) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Pdeathsig looks at the thread that started the VM, not at the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	qemu := m.command(ctx, k, initrd)
	var complaints strings.Builder
	qemu.Stderr = &complaints
	stdout, err := qemu.StdoutPipe()
	if err != nil {
		return fmt.Errorf("connect to qemu: %w", err)
	}
	// qemu must not see an end of input: it would hang up on the guest.
	if _, err := qemu.StdinPipe(); err != nil {
		return fmt.Errorf("connect to qemu: %w", err)
	}
	if err := qemu.Start(); err != nil {
		return fmt.Errorf("start qemu: %w", err)
	}
	tooLate := time.AfterFunc(bootLimit, func() { stop(fmt.Errorf("the tests did not start within %v", bootLimit)) })
	l := listener{
		result: res, out: m.out, start: time.Now(),
		booted: func() { tooLate.Stop() },
		ended:  func() { time.AfterFunc(offLimit, func() { stop(nil) }) },
	}
	if err := l.listen(stdout); err != nil {
		stop(err)
	}
	err = qemu.Wait()
	switch {
	case res.exit != nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("qemu: %w: %s", err, strings.TrimSpace(complaints.String()))
	default:
		return errors.New("the VM ended before the tests did")
	}
}

// listener follows the guest's messages.
type listener struct {
	*result
	out    io.Writer
	start  time.Time
	booted func() // called when the tests are about to start
	ended  func() // called when they have ended and the VM switches off
}

// listen returns when the guest has closed its port.
func (l *listener) listen(from io.Reader) error {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // half a line is what a VM leaves that was stopped
		}
		if err != nil {
			return fmt.Errorf("listen to the guest: %w", err)
		}
		var message vmwire.Message
		if err := json.Unmarshal(line, &message); err != nil {
			return fmt.Errorf("the guest said %q: %w", line, err)
		}
		l.hear(message)
	}
}

func (l *listener) hear(message vmwire.Message) {
	elapsed := time.Since(l.start)
	switch {
	case message.Facts != nil:
		l.booted()
		l.facts, l.bootTime = message.Facts, elapsed
	case message.Output != nil:
		l.count(*message.Output)
		fmt.Fprintf(l.out, "[%s %s %.0fs] %s\n", l.suite, l.release, elapsed.Seconds(), *message.Output)
	case message.Exit != nil:
		l.exit, l.testTime = message.Exit, elapsed-l.bootTime
		l.ended()
	}
}
