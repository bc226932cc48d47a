package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/nsaudit/nsaudit/integration/vm/internal/wire"
)

const (
	// bootLimit is how long a VM may take to say its first word. About 15 s are
	// usual; a busy machine needs several times that.
	bootLimit = 4 * time.Minute
	// offLimit is how long a VM may take to switch off after its last word.
	offLimit = 20 * time.Second
	// consoleTail is how much of the console is shown of a VM that failed.
	consoleTail = 40
)

// errNoBoot is why a VM was stopped that did not come up.
var errNoBoot = fmt.Errorf("the test run did not start within %v", bootLimit)

// machine is a virtual machine but for its kernel.
type machine struct {
	rootfs, payload, guest string
	work, console          string
	timeout                time.Duration
	out                    io.Writer
}

// boot runs the tests under the kernel and returns what came of it.
func (m machine) boot(parent context.Context, k kernel) result {
	res := result{suite: k.suite, release: k.release}
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, m.timeout,
		fmt.Errorf("the tests did not end within %v", m.timeout))
	defer cancel()

	initrd := filepath.Join(m.work, "initrd-"+k.suite)
	if res.err = makeInitrd(initrd, m.guest, filepath.Join(k.dir, wire.EarlyModules)); res.err != nil {
		return res
	}
	// Nobody must be able to take the console of an earlier run for this one's.
	if err := os.Remove(m.console); err != nil && !errors.Is(err, os.ErrNotExist) {
		res.err = fmt.Errorf("remove old console log: %w", err)
		return res
	}
	// Pdeathsig belongs to the thread that starts the VM: keep it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	qemu := m.command(ctx, k, initrd)
	var complaints strings.Builder
	qemu.Stderr = &complaints
	stdout, err := qemu.StdoutPipe()
	if err != nil {
		res.err = fmt.Errorf("connect to qemu: %w", err)
		return res
	}
	// qemu must not see an end of input: it would hang up on the guest.
	if _, err := qemu.StdinPipe(); err != nil {
		res.err = fmt.Errorf("connect to qemu: %w", err)
		return res
	}
	if err := qemu.Start(); err != nil {
		res.err = fmt.Errorf("start qemu: %w", err)
		return res
	}
	tooLate := time.AfterFunc(bootLimit, func() { stop(errNoBoot) })
	defer tooLate.Stop()
	l := listener{result: &res, out: m.out, start: time.Now()}
	l.booted = func() { tooLate.Stop() }
	l.ended = func() { time.AfterFunc(offLimit, func() { stop(nil) }) }
	heard := l.listen(stdout)
	if heard != nil {
		stop(heard)
	}
	ended := qemu.Wait()
	switch {
	case res.exit != nil:
	case ctx.Err() != nil:
		res.err = context.Cause(ctx)
	case ended != nil:
		res.err = fmt.Errorf("qemu: %w: %s", ended, strings.TrimSpace(complaints.String()))
	}
	m.showConsole(res)
	return res
}

// command describes the hardware. KVM is not used: it needs a machine that
// nests virtualization, and CI machines seldom do.
func (m machine) command(ctx context.Context, k kernel, initrd string) *exec.Cmd {
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-accel", "tcg,thread=multi", "-machine", "pc", "-cpu", "max", "-smp", "2", "-m", "3072",
		"-kernel", filepath.Join(k.dir, kernelImage), "-initrd", initrd, "-append", kernelCommandLine(),
		"-serial", "file:" + m.console,
		"-device", "virtio-rng-pci",
		"-device", "virtio-serial-pci",
		"-chardev", "stdio,id=report,signal=off",
		"-device", "virtserialport,chardev=report,name=" + wire.PortName,
	}
	for _, disk := range []struct{ serial, image string }{
		{wire.DiskRoot, m.rootfs},
		{wire.DiskModules, filepath.Join(k.dir, modulesImage)},
		{wire.DiskPayload, m.payload},
	} {
		args = append(args,
			// snapshot: what the VM writes goes into a file that qemu deletes.
			"-drive", fmt.Sprintf("if=none,id=%s,format=raw,snapshot=on,cache=unsafe,file=%s",
				disk.serial, strings.ReplaceAll(disk.image, ",", ",,")),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%[1]s", disk.serial))
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+m.work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = stopGrace
	return cmd
}

func kernelCommandLine() string {
	return strings.Join([]string{
		"console=ttyS0", "quiet", "systemd.show_status=no",
		"panic=-1", // reboot at once, which with -no-reboot ends the VM
		"apparmor=1", "security=apparmor",
		"systemd.unified_cgroup_hierarchy=1",
		"systemd.unit=nsaudit-test.target",
	}, " ")
}

// listener follows what the guest says.
type listener struct {
	*result
	out    io.Writer
	start  time.Time
	booted func() // called when the tests are about to start
	ended  func() // called when they have ended and the VM switches off
}

// listen returns when the guest is silent for good.
func (l *listener) listen(from io.Reader) error {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listen to the guest: %w", err)
		}
		var message wire.Message
		if err := json.Unmarshal(line, &message); err != nil {
			return fmt.Errorf("the guest said %q: %w", line, err)
		}
		l.hear(message)
	}
}

func (l *listener) hear(message wire.Message) {
	elapsed := time.Since(l.start)
	switch {
	case message.Facts != nil:
		l.booted()
		l.facts, l.boot = message.Facts, elapsed
	case message.Output != nil:
		l.count(*message.Output)
		fmt.Fprintf(l.out, "[%s %s %.0fs] %s\n", l.suite, l.release, elapsed.Seconds(), *message.Output)
	case message.Exit != nil:
		l.exit, l.tests = message.Exit, elapsed-l.boot
		l.ended()
	}
}
