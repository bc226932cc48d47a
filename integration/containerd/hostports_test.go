// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"net"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// TestListeners has containers that listen in the host's network: on a port that a pod lists,
// and one that a runtime spec, which lists none, lets listen there; and two in networks of their own that were given one socket. With cgroup v2
// the kernel tells whose most of the sockets are, with v1 the open files do.
func TestListeners(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	declared, unlisted := freePort(t), freePort(t)
	c.RunPod(t, runtimetest.PodSpec{Name: "declared", HostNetwork: true, Containers: []runtimetest.ContainerSpec{{
		Name: "main", Image: runtimetest.KubiaImage, Command: []string{"/app", "127.0.0.1:" + strconv.Itoa(declared)},
		Ports: []runtimetest.Port{{ContainerPort: int32(declared), Protocol: "TCP"}},
	}}})
	c.RunContainer(t, "beside", "alone", oci.WithHostNamespace(specs.NetworkNamespace),
		oci.WithProcessArgs("/app", "127.0.0.1:"+strconv.Itoa(unlisted)))
	passed, socket := listen(t)
	one := c.RunPod(t, runtimetest.NormalPod()).Container(t, "main")
	other := c.RunPod(t, runtimetest.PodSpec{Name: "other", Containers: []runtimetest.ContainerSpec{{Name: "main"}}}).Container(t, "main")
	holders := map[string]int{
		one.ID:   c.JoinHolding(t, one.PID, socket),
		other.ID: c.JoinHolding(t, other.PID, socket),
	}

	want := []string{
		"beside/alone HostNetwork spec",
		"beside/alone HostPort spec",
		"default/declared main HostNetwork pod",
		"default/declared main HostPort pod",
		"default/normal main HostPort nobody",
		"default/other main HostPort nobody",
	}
	var scan *v1alpha1.Scan
	eventually.True(t, "all to be found", func() bool {
		scan = command.scan(t)
		return slices.Equal(findings(scan), want)
	})
	wantAllSeen(t, scan)
	for id, pid := range holders {
		evidence := finding(t, scan, id, "HostPort").Evidence.Ports
		if len(evidence) != 1 || int(evidence[0].HostPort) != passed || evidence[0].Way != "socket" {
			t.Fatalf("evidence %+v, want a socket on port %d", evidence, passed)
		}
		if processes := evidence[0].Processes; len(processes) != 1 || processes[0].PID != pid {
			t.Errorf("processes %+v, want %d", processes, pid)
		}
		others := slices.DeleteFunc([]string{one.ID, other.ID}, func(o string) bool { return o == id })
		if diff := cmp.Diff(others, evidence[0].OtherContainers); diff != "" {
			t.Errorf("other containers (-want +got):\n%s", diff)
		}
	}
}

// freePort returns a port of loopback that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	port, socket := listen(t)
	_ = socket.Close() // It was not written to.
	return port
}

// listen returns a port of loopback that was free, and the socket that listens there as long
// as a process has the file open.
func listen(t *testing.T) (port int, socket *os.File) {
	t.Helper()
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	socket, err = listener.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	_ = listener.Close() // The file is another descriptor of the socket.
	return listener.Addr().(*net.TCPAddr).Port, socket
}
