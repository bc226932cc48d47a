// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestStartingProgram has a process that is seen while it is still runc's own, and what
// becomes of it then.
func TestStartingProgram(t *testing.T) {
	t.Parallel()
	const pid = 42
	comm := func(fs *nsinspect.FS) string { return filepath.Join(fs.Root(), fmt.Sprint(pid), "comm") }
	tests := map[string]struct {
		then    func(fs *nsinspect.FS) error
		command string
		took    time.Duration
	}{
		"the program takes over": {
			func(fs *nsinspect.FS) error { return os.WriteFile(comm(fs), []byte("sleep\n"), 0o600) },
			"sleep", startPause,
		},
		"it ends":  {func(fs *nsinspect.FS) error { return os.Remove(comm(fs)) }, "runc:[2:INIT]", startPause},
		"it stays": {func(*nsinspect.FS) error { return nil }, "runc:[2:INIT]", DefaultSettle},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := scantest.Procfs(t, map[int]string{pid: "/kubepods/" + scantest.HexID("a")})
			scantest.Must(t, os.WriteFile(comm(fs), []byte("runc:[2:INIT]"+"\n"), 0o600))
			synctest.Test(t, func(t *testing.T) {
				config := Config{
					Procfs: fs, Settle: DefaultSettle, Hosts: pid1(),
					Source: scantest.Source{Listed: []inventory.Container{scantest.Named("a", inventory.Running, pid)}},
				}
				config.Progress = func(stage string) {
					if stage == "wait for programs that are being started" {
						scantest.Must(t, test.then(fs))
					}
				}
				snap, err := New(config).Scan(t.Context())
				scantest.Must(t, err)
				if got := snap.Containers[0].Processes[0].Command; got != test.command || snap.Duration != test.took {
					t.Errorf("command %q after %s, want %q after %s", got, snap.Duration, test.command, test.took)
				}
			})
		})
	}
}

// TestEnteringRuntime has a runtime's own process that takes long to leave the host's
// network, as on a busy node, and one that only has such a name.
func TestEnteringRuntime(t *testing.T) {
	t.Parallel()
	const pid = 42
	for name, enters := range map[string]bool{"it enters": true, "it stays": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := scantest.Procfs(t, map[int]string{pid: "/docker/" + scantest.HexID("a")})
			dir := filepath.Join(fs.Root(), fmt.Sprint(pid))
			scantest.Must(t, os.WriteFile(dir+"/comm", []byte("runc:[1:CHILD]\n"), 0o600))
			own := filepath.Join(t.TempDir(), "net")
			scantest.Must(t, os.WriteFile(own, nil, 0o600))
			synctest.Test(t, func(t *testing.T) {
				if enters {
					time.AfterFunc(patience/2, func() {
						for _, link := range []string{dir + "/ns/net", fmt.Sprintf("%s/task/%d/ns/net", dir, pid)} {
							scantest.Must(t, os.Remove(link))
							scantest.Must(t, os.Symlink(own, link))
						}
					})
				}
				scanner := New(Config{Procfs: fs, Settle: DefaultSettle, Hosts: pid1()})
				snap, err := scanner.Scan(t.Context())
				scantest.Must(t, err)
				findings := audit.Judge(snap).Findings
				if enters != (len(findings) == 0) || enters != (snap.Coverage.Transient == 1) {
					t.Errorf("findings %+v, transient %d", findings, snap.Coverage.Transient)
				}
				if took := snap.Duration; enters == (took >= patience) || took > patience+2*DefaultSettle {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
