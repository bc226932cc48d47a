// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"context"
	"fmt"
	"os/exec"
	"testing"

	"github.com/prometheus/procfs"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// contextWays read the security context of all processes of a node, to each depth, beside what others read of it.
func contextWays(b *testing.B, n *node) []way {
	b.Helper()
	source := n.source(b)
	return []way{
		{name: namespacesWay, look: scanner(&scan.Config{Source: source, Holders: new(scan.HolderCache)}), first: true},
		{name: "lean", look: scanner(&scan.Config{Source: source, Holders: new(scan.HolderCache), Depth: scan.Lean, Contexts: new(scan.ContextCache)}), first: true},
		{name: "full", look: scanner(&scan.Config{Source: source, Holders: new(scan.HolderCache), Depth: scan.Full}), first: true},
		{name: "prometheus/procfs NewStatus", look: libraryStatus},
		{name: "ps -eo", command: psCommand(), look: ps},
	}
}

// keptFrom are the capabilities with which a container might make the host's root directory its own: CAP_SYS_CHROOT and
// CAP_SYS_ADMIN. Most do not have the second, and none of those that have the first alone has a mount of it.
const keptFrom nsinspect.Capabilities = 1<<18 | 1<<21

// confined is a command without them.
func confined(command ...string) []string {
	return append([]string{"/usr/bin/setpriv", "--bounding-set", "-sys_chroot,-sys_admin"}, command...)
}

// source is a container runtime that was told to make the containers as they are, so that nothing needs a second look.
func (n *node) source(b *testing.B) scantest.Source {
	b.Helper()
	var source scantest.Source
	for i := range n.containers {
		id := containerID(i + 1)
		source.Listed = append(source.Listed, inventory.Container{
			ID: id, RuntimeName: runtimes.Containerd, RuntimeNamespace: "moby", Runtime: "io.containerd.runc.v2",
			Status: inventory.Running, PID: n.pids[i*perContainer],
			Declared: inventory.Declaration{By: inventory.BySpec},
			Security: &inventory.Security{Spec: &inventory.SecuritySpec{
				Bounding: boundingSet(b).Without(keptFrom),
				Host:     []nsinspect.Kind{nsinspect.User, nsinspect.Mnt, nsinspect.UTS, nsinspect.Cgroup},
			}},
		})
	}
	return source
}

// boundingSet is that of this process, which those that it starts have too.
func boundingSet(b *testing.B) nsinspect.Capabilities {
	b.Helper()
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		b.Fatal(err)
	}
	defer fs.Close()
	process, err := fs.Open(fs.Self())
	if err != nil {
		b.Fatal(err)
	}
	defer process.Close()
	credentials, err := process.Credentials()
	if err != nil {
		b.Fatal(err)
	}
	return credentials.Holds()
}

// libraryStatus reads nothing but the status of each process, with the library that most exporters use.
func libraryStatus(context.Context) (int, error) {
	return eachProc(func(process procfs.Proc) error {
		_, err := process.NewStatus()
		return err
	})
}

// psCommand shows of leaders what of their credentials ps knows.
func psCommand() []string {
	return []string{"ps", "-eo", "pid,ruid,euid,suid,fuid,rgid,egid,sgid,fgid,supgid,userns,mntns,netns,pidns,ipcns,label"}
}

// ps runs procps's command. Without standard output it writes to /dev/null.
func ps(ctx context.Context) (int, error) {
	command := psCommand()
	if err := exec.CommandContext(ctx, command[0], command[1:]...).Run(); err != nil {
		return 0, fmt.Errorf("ps (Debian package procps): %w", err)
	}
	return -1, nil
}
