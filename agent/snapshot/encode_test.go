// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// saved is a pod of two containers.
func saved() *Snapshot {
	pod := &inventory.Pod{Namespace: "default", Name: "p", UID: "u"}
	return &Snapshot{Node: "n", Host: nstest.Host(), Containers: []Container{
		{
			Container: inventory.Container{
				ID: "box", RuntimeNamespace: "k8s.io", SandboxID: "box", Sandbox: true, PID: 10, Pod: pod,
				Status: inventory.Running, Declared: inventory.Declaration{By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.Net}},
			},
			Processes: []Process{{PID: 10, Command: "sleep", Groups: []nsinspect.ThreadGroup{nstest.Sharing(nsinspect.Net)}}},
		},
		{
			Container: inventory.Container{
				ID: "main-id", RuntimeNamespace: "k8s.io", Name: "main", SandboxID: "box", Pod: pod, Status: inventory.Running,
				Declared: inventory.Declaration{By: inventory.BySpec, Joined: map[nsinspect.Kind]string{nsinspect.IPC: "/x"}},
			},
			Processes: []Process{{PID: 11, Command: "sleep", Groups: []nsinspect.ThreadGroup{nstest.Sharing()}}},
			Sightings: []Sighting{{Kind: nsinspect.Net, First: at(1), Last: at(2), Count: 2, Visitors: []Visitor{{PID: 12, Command: "sh"}}}},
		},
	}}
}

func TestEncodeDecode(t *testing.T) {
	t.Parallel()
	want := saved()
	var b bytes.Buffer
	if err := Encode(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("snapshot after the round trip (-want +got):\n%s", diff)
	}
}

// TestDecodeRefusesUnknownWords has words where there is a fixed set of them.
func TestDecodeRefusesUnknownWords(t *testing.T) {
	t.Parallel()
	const bad = "\x1b[31m"
	tests := map[string]struct {
		spoil func(*Snapshot)
		want  string
	}{
		"host reference":  {func(s *Snapshot) { s.Host.Reference = bad }, "host reference"},
		"inventory":       {func(s *Snapshot) { s.Inventory.Source = bad }, "source of containers"},
		"node's gap":      {func(s *Snapshot) { s.Coverage.Gaps = []Gap{{Cause: bad}} }, "cause"},
		"ways":            {func(s *Snapshot) { s.Ports.Ways = map[socket.Protocol]socket.Source{socket.TCP: bad} }, "source of sockets"},
		"ways' protocol":  {func(s *Snapshot) { s.Ports.Ways = map[socket.Protocol]socket.Source{bad: socket.Procfs} }, "protocol"},
		"absent protocol": {func(s *Snapshot) { s.Ports.Absent = []socket.Protocol{bad} }, "protocol"},
		"unread sockets":  {func(s *Snapshot) { s.Ports.NoSockets = map[socket.Protocol]Gap{bad: {}} }, "protocol"},
		"unread forwards": {func(s *Snapshot) { s.Ports.NoForwards = []Gap{{Cause: bad}} }, "cause"},
		"status":          {func(s *Snapshot) { s.Containers[1].Status = bad }, "state of a container"},
		"declarer":        {func(s *Snapshot) { s.Containers[1].Declared.By = bad }, "declarer"},
		"declared port":   {func(s *Snapshot) { s.Containers[1].Declared.Ports = []inventory.Port{{Protocol: bad}} }, "protocol"},
		"socket":          {func(s *Snapshot) { s.Containers[1].Sockets = []Socket{{Socket: socket.Socket{Protocol: bad}}} }, "protocol"},
		"forward":         {func(s *Snapshot) { s.Containers[1].Forwards = []Forward{{Forward: netfilter.Forward{Backend: bad}}} }, "place of rules"},
		"shadow": {func(s *Snapshot) {
			s.Containers[1].Forwards = []Forward{{Shadows: []Socket{{Socket: socket.Socket{Protocol: bad}}}}}
		}, "protocol"},
		"container's gap":  {func(s *Snapshot) { s.Containers[1].Unread.Gaps = []Gap{{Cause: bad}} }, "cause"},
		"unread":           {func(s *Snapshot) { s.Containers[1].Unread.Sockets = map[socket.Protocol]Gap{socket.TCP: {Cause: bad}} }, "cause"},
		"opaque":           {func(s *Snapshot) { s.Containers[1].Unread.Opaque = []Gap{{Cause: bad}} }, "cause"},
		"unread's forward": {func(s *Snapshot) { s.Containers[1].Unread.Forwards = []Gap{{Cause: bad}} }, "cause"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := saved()
			s.Ports = new(PortCoverage)
			test.spoil(s)
			var b bytes.Buffer
			if err := Encode(&b, s); err != nil {
				t.Fatal(err)
			}
			want := "no " + test.want + ` is called "\x1b[31m"`
			if _, err := Decode(&b); !errors.Is(err, ErrNotSnapshot) || !strings.Contains(err.Error(), want) {
				t.Errorf("Decode: %v, want %v: %s", err, ErrNotSnapshot, want)
			}
		})
	}
}

// TestDecodeNamesTheFirstWords has a file that is wrong in each of its lines.
func TestDecodeNamesTheFirstWords(t *testing.T) {
	t.Parallel()
	s := saved()
	for range 100 {
		s.Coverage.Gaps = append(s.Coverage.Gaps, Gap{Cause: "whim"})
	}
	var b bytes.Buffer
	if err := Encode(&b, s); err != nil {
		t.Fatal(err)
	}
	_, err := Decode(&b)
	if err == nil || strings.Count(err.Error(), "whim") != maxErrors || !strings.HasSuffix(err.Error(), "\nand more") {
		t.Errorf("Decode: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := Encode(&b, saved()); err != nil {
		t.Fatal(err)
	}
	whole := b.String()
	tests := map[string]struct {
		text string
		want error
	}{
		"nothing":         {"", ErrTruncated},
		"half":            {whole[:len(whole)/2], ErrTruncated},
		"one byte less":   {strings.TrimSpace(whole)[:len(strings.TrimSpace(whole))-1], ErrTruncated},
		"a newer version": {strings.Replace(whole, "v1alpha1", "v9", 1), ErrVersion},
		"an older form":   {strings.Replace(whole, `"format":4`, `"unknown":0`, 1), ErrVersion},
		"a scan":          {strings.Replace(whole, `"Snapshot"`, `"Scan"`, 1), ErrNotSnapshot},
		"no JSON":         {"hello", ErrNotSnapshot},
		"other JSON":      {"[]", ErrNotSnapshot},
		"wrong types":     {strings.Replace(whole, `"node":"n"`, `"node":7`, 1), ErrNotSnapshot},
		"no end of containers": {
			strings.Replace(whole, `"containers":[`, `"containers":[`+strings.Repeat("{},", maxContainers), 1), ErrNotSnapshot,
		},
		"unknown kind": {strings.Replace(whole, `"net"`, `"nit"`, 1), ErrNotSnapshot},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Decode(strings.NewReader(test.text)); !errors.Is(err, test.want) {
				t.Errorf("Decode: %v, want %v", err, test.want)
			}
		})
	}
}
