// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"bufio"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
)

// TestRelay has a container of which one process or another is always in the host's network,
// but none for as long as a second look takes.
func TestRelay(t *testing.T) {
	fs := openProcfs(t)
	hostNamespaces(t, fs)
	h := hierarchies(t)[0]
	id, dir := h.container(t)
	hostNet := fmt.Sprintf("/proc/%d/ns/net", os.Getpid())
	relay := launch(t, launchOptions{
		cgroup: dir, flags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC,
		role: role{Do: "relay", Then: &role{Do: "become", Join: []string{hostNet}, Then: &role{Do: "block"}}},
	})
	relay.ready()
	config := scanConfig(fs)
	config.Settle = scan.DefaultSettle
	for range 3 {
		snap := takeScan(t, config)
		container := containerIn(snap, id)
		if container == nil {
			t.Fatal("the container was not seen")
		}
		_, found := findingsOf(t, snap, id)["HostNetwork"]
		t.Logf("finding %v, sightings %+v, transient %d", found, container.Sightings, snap.Coverage.Transient)
		if !found || len(container.Unread.Gaps) > 0 {
			t.Errorf("finding %v, unknown %q", found, container.Unread.Gaps)
		}
	}
}

// relay starts one process after another. Each ends soon after the next is at its part.
func relay(r role) error {
	end := make(chan struct{})
	go func() {
		_ = awaitEnd()
		close(end)
	}()
	stop := func() {}
	defer func() { stop() }()
	for first := true; ; first = false {
		next, err := runner(r)
		if err != nil {
			return err
		}
		stop()
		stop = next
		if first {
			ready("")
		}
		select {
		case <-end:
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// runner starts a process of the relay and returns once it is at its part.
func runner(r role) (stop func(), err error) {
	cmd := r.next().command()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}
