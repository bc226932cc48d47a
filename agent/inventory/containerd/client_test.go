// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	eventtypes "github.com/containerd/containerd/api/events"
	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"github.com/containerd/containerd/api/types"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// withSpec is a container without a pod whose spec has about so many bytes.
func withSpec(id string, bytes int) *containersapi.Container {
	const text = `{"linux":{"namespaces":[{"type":"pid"}]},"annotations":{"a":%q}}`
	return &containersapi.Container{ID: id, Spec: stored(fmt.Sprintf(text, strings.Repeat("x", bytes)))}
}

func running(id string, pid uint32) *tasktypes.Process {
	return &tasktypes.Process{ID: id, Pid: pid, Status: tasktypes.Status_RUNNING}
}

func key(namespace, id string) inventory.Key {
	return inventory.Key{RuntimeName: "containerd", RuntimeNamespace: namespace, ID: id}
}

// brief puts containers into lines, in order.
func brief(containers []inventory.Container) []string {
	var lines []string
	for _, c := range containers {
		lines = append(lines, fmt.Sprintf("%s/%s/%s %s %d %s", c.RuntimeName, c.RuntimeNamespace, c.ID, c.Status, c.PID, c.Declared.By))
	}
	slices.Sort(lines)
	return lines
}

func TestList(t *testing.T) {
	t.Parallel()
	d := &daemon{
		records: map[string][]*containersapi.Container{
			"default": {withSpec("a", 1), withSpec("stopped", 1)},
			"k8s.io":  {sandboxRecord("box", "{}"), podContainerRecord("c", "box")},
			"empty":   nil,
		},
		processes: map[string][]*tasktypes.Process{
			"default": {running("a", 10), {ID: "stopped", Pid: 11, Status: tasktypes.Status_STOPPED}, running("deleted", 12)},
			"k8s.io":  {running("box", 13)},
		},
	}
	client := d.start(t)
	inv, containers, err := client.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(inventory.Inventory{Source: inventory.FromContainerd, Address: client.Address(), Version: "v2.4.2"}, inv); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	want := []string{
		"containerd/default/a running 10 spec",
		"containerd/default/stopped stopped 11 spec",
		"containerd/k8s.io/box running 13 pod",
		"containerd/k8s.io/c none 0 pod",
	}
	if diff := cmp.Diff(want, brief(containers)); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
}

// TestListIsLargerThanAMessage has more bytes of records than fit into one message.
func TestListIsLargerThanAMessage(t *testing.T) {
	t.Parallel()
	const each, count = 64 << 10, maxMessage/(64<<10) + 10
	d := &daemon{records: make(map[string][]*containersapi.Container)}
	for i := range count {
		d.records["default"] = append(d.records["default"], withSpec(fmt.Sprint(i), each))
	}
	inv, containers, err := d.start(t).List(t.Context())
	if err != nil || len(inv.Problems) > 0 || len(containers) != count {
		t.Errorf("%d of %d containers, problems %q, error %v", len(containers), count, inv.Problems, err)
	}
}

// TestListWithOneRecordTooLarge has a record that can't be transferred among others.
func TestListWithOneRecordTooLarge(t *testing.T) {
	t.Parallel()
	d := &daemon{
		records: map[string][]*containersapi.Container{
			"default": {withSpec("a", 1), withSpec("huge", maxMessage), withSpec("z", 1)},
		},
		processes: map[string][]*tasktypes.Process{"default": {running("a", 10), running("huge", 11), running("z", 12), running("deleted", 13)}},
	}
	inv, containers, err := d.start(t).List(t.Context())
	if err != nil || len(inv.Problems) != 1 || !strings.HasPrefix(inv.Problems[0], "list containers of containerd namespace default: ") {
		t.Errorf("problems %q, error %v", inv.Problems, err)
	}
	want := []string{
		"containerd/default/a running 10 spec",
		"containerd/default/huge running 11 unknown",
		"containerd/default/z running 12 spec",
	}
	if diff := cmp.Diff(want, brief(containers)); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	records := map[string][]*containersapi.Container{
		"default": {withSpec("a", 1)},
		"k8s.io":  {sandboxRecord("box", `{"network":2}`), podContainerRecord("c", "box"), podContainerRecord("alone", "vm")},
	}
	processes := map[string][]*tasktypes.Process{"default": {running("a", 10)}, "k8s.io": {running("c", 11)}}
	vm := []*types.Sandbox{{SandboxID: "vm", Extensions: map[string]*anypb.Any{extensionCtrStore: stored(`{"Metadata":{"Config":{"metadata":{"name":"v"}}}}`)}}}
	tests := map[string]struct {
		stored  []*types.Sandbox
		taskErr error
		key     inventory.Key
		want    string
		err     error
		fails   bool
	}{
		"without a pod":        {key: key("default", "a"), want: "containerd/default/a running 10 spec"},
		"of a pod":             {key: key("k8s.io", "c"), want: "containerd/k8s.io/c running 11 pod"},
		"no task":              {key: key("k8s.io", "box"), want: "containerd/k8s.io/box none 0 pod"},
		"no sandbox anywhere":  {key: key("k8s.io", "alone"), want: "containerd/k8s.io/alone none 0 unknown"},
		"a sandbox that runs":  {key: key("k8s.io", "alone"), stored: vm, want: "containerd/k8s.io/alone none 0 pod"},
		"a shim that hangs":    {key: key("default", "a"), taskErr: status.Error(codes.Unavailable, "ttrpc: closed"), want: "containerd/default/a unknown 0 spec"},
		"a task that fails":    {key: key("default", "a"), taskErr: status.Error(codes.Internal, "broken"), fails: true},
		"in another namespace": {key: key("k8s.io", "a"), err: inventory.ErrNotFound, fails: true},
		"of another runtime":   {key: inventory.Key{RuntimeName: "cri-o", ID: "a"}, err: inventory.ErrNotFound, fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &daemon{records: records, processes: processes, stored: test.stored, taskErr: test.taskErr}
			got, err := d.start(t).Get(t.Context(), test.key)
			switch {
			case test.fails != (err != nil), test.err != nil && !errors.Is(err, test.err):
				t.Errorf("error %v, want %v", err, test.err)
			case err == nil && brief([]inventory.Container{got})[0] != test.want:
				t.Errorf("got %q, want %q", brief([]inventory.Container{got}), test.want)
			}
		})
	}
}

func envelope(t *testing.T, namespace string, event proto.Message) *types.Envelope {
	t.Helper()
	packed, err := anypb.New(event)
	if err != nil {
		t.Fatal(err)
	}
	packed.TypeUrl = string(event.ProtoReflect().Descriptor().FullName()) // As containerd writes it.
	return &types.Envelope{Namespace: namespace, Event: packed}
}

// change is what a watcher is told.
type change struct {
	Key  inventory.Key
	What inventory.Change
}

func TestWatch(t *testing.T) {
	t.Parallel()
	d := &daemon{published: make(chan *types.Envelope, 10)}
	client := d.start(t)
	for _, event := range []proto.Message{
		&eventtypes.TaskStart{ContainerID: "a"},
		&eventtypes.TaskExit{ContainerID: "a", ID: "exec"},
		&eventtypes.TaskExit{ContainerID: "b", ID: "b"},
		&eventtypes.TaskDelete{ContainerID: "c"},
		&eventtypes.TaskDelete{ContainerID: "c", ID: "exec"},
		&eventtypes.TaskOOM{ContainerID: "d"},
		&eventtypes.TaskExecStarted{ContainerID: "e", ExecID: "exec", Pid: 7},
	} {
		d.published <- envelope(t, "k8s.io", event)
	}
	d.published <- &types.Envelope{Event: &anypb.Any{TypeUrl: "containerd.events.OfTheFuture"}}
	close(d.published)
	var got []change
	subscribed := 0
	err := client.Watch(t.Context(), func() { subscribed++ }, func(key inventory.Key, what inventory.Change) { got = append(got, change{key, what}) })
	if !errors.Is(err, errStreamEnded) || subscribed != 1 {
		t.Errorf("error %v, subscribed %d times", err, subscribed)
	}
	want := []change{
		{key("k8s.io", "a"), inventory.Started},
		{key("k8s.io", "b"), inventory.Ended},
		{key("k8s.io", "c"), inventory.Ended},
		{key("k8s.io", "e"), inventory.Entered},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	client := (&daemon{published: make(chan *types.Envelope)}).start(t)
	ctx, cancel := context.WithCancel(t.Context())
	if err := client.Watch(ctx, cancel, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended: %v", err)
	}
	err := client.Watch(t.Context(), func() { client.Close() }, nil)
	if err == nil || errors.Is(err, errStreamEnded) {
		t.Errorf("the connection broke: %v", err)
	}
}

func TestConnectToNobody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "absent.sock")
	if client, err := Connect(t.Context(), path); err == nil || client != nil || !strings.Contains(err.Error(), path) {
		t.Errorf("client %v, error %v", client, err)
	}
}
