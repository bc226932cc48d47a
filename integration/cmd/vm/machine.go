// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/command"
	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// stopGrace is how long an emulator may take to end.
const stopGrace = 15 * time.Second

// machine is a virtual machine but for its kernel.
type machine struct {
	rootfs, payload, guest string
	work, console          string
	timeout                time.Duration
	out                    io.Writer
}

// command describes the hardware. KVM is not used: it needs a machine that
// nests virtualization, and CI machines seldom do.
func (m machine) command(ctx context.Context, k kernel, initrd string) *exec.Cmd {
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-accel", "tcg,thread=multi", "-machine", "pc", "-cpu", "max", "-smp", "2", "-m", "3072",
		"-kernel", filepath.Join(k.dir, kernelImage), "-initrd", initrd, "-append", kernelCommandLine(),
		"-serial", "file:" + escapeComma(m.console),
		"-device", "virtio-rng-pci",
		"-device", "virtio-serial-pci",
		"-chardev", "stdio,id=report,signal=off",
		"-device", "virtserialport,chardev=report,name=" + vmwire.PortName,
	}
	for _, disk := range []struct{ serial, image string }{
		{vmwire.DiskRoot, m.rootfs},
		{vmwire.DiskModules, filepath.Join(k.dir, modulesImage)},
		{vmwire.DiskPayload, m.payload},
	} {
		args = append(args,
			// snapshot: what the VM writes goes into a file that qemu deletes.
			"-drive", fmt.Sprintf("if=none,id=%s,format=raw,snapshot=on,cache=unsafe,file=%s", disk.serial, escapeComma(disk.image)),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%[1]s", disk.serial))
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+m.work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = stopGrace
	return cmd
}

// escapeComma keeps qemu from taking what follows a comma for an option.
func escapeComma(path string) string { return strings.ReplaceAll(path, ",", ",,") }

func kernelCommandLine() string {
	return strings.Join([]string{
		"console=ttyS0", "quiet", "systemd.show_status=no",
		// A kernel in trouble reboots at once, which with -no-reboot ends the VM.
		"oops=panic", "panic=-1",
		"apparmor=1", "security=apparmor",
		"systemd.unified_cgroup_hierarchy=1",
		"systemd.unit=nsaudit-test.target",
	}, " ")
}

// showConsole prints the end of the console: it may hold a kernel's panic or a
// failed mount.
func (m machine) showConsole() {
	console, err := os.ReadFile(m.console)
	if err != nil {
		fmt.Fprintf(m.out, "vm: no console log: %v\n", err)
		return
	}
	fmt.Fprintf(m.out, "vm: the last lines of the console, all of it is in %s:\n%s\n",
		m.console, command.LastLines(string(console), consoleTail))
}
