// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKinds(t *testing.T) {
	// The names are the kernel's, and their order is that of every report.
	want := []string{"net", "pid", "ipc", "user", "mnt", "uts", "cgroup", "time"}
	var got []string
	for i, kind := range Kinds() {
		if int(kind) != i {
			t.Errorf("%v is in place %d", kind, i)
		}
		if nsPaths[kind] != "ns/"+kind.String() {
			t.Errorf("%v is read from %s", kind, nsPaths[kind])
		}
		parsed, err := ParseKind(kind.String())
		if err != nil || parsed != kind {
			t.Errorf("ParseKind(%q) = %v, %v", kind, parsed, err)
		}
		got = append(got, kind.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := Kind(numKinds).String(); got != "kind(8)" {
		t.Errorf("the kind that there is not is called %q", got)
	}
	for _, name := range []string{"", "Net", "network", "pid_for_children"} {
		if kind, err := ParseKind(name); err == nil {
			t.Errorf("ParseKind(%q) = %v", name, kind)
		}
	}
}

func TestNamespacesRoundTrip(t *testing.T) {
	var all, some, none Namespaces
	for i, kind := range Kinds() {
		all.Set(kind, ID{Dev: 4, Ino: 4026531833 + uint64(i)})
	}
	// Both numbers are 64 bits wide, more than a JSON number of most languages holds.
	some.Set(Net, ID{Dev: 1<<64 - 1, Ino: 1<<64 - 1})
	tests := map[string]struct {
		namespaces Namespaces
		want       string
	}{
		"none": {none, `{}`},
		"some": {some, `{"net":{"dev":18446744073709551615,"ino":18446744073709551615}}`},
		"all": {all, `{"cgroup":{"dev":4,"ino":4026531839},"ipc":{"dev":4,"ino":4026531835},"mnt":{"dev":4,"ino":4026531837},` +
			`"net":{"dev":4,"ino":4026531833},"pid":{"dev":4,"ino":4026531834},"time":{"dev":4,"ino":4026531840},` +
			`"user":{"dev":4,"ino":4026531836},"uts":{"dev":4,"ino":4026531838}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(test.namespaces)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			var back Namespaces
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.namespaces, back); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, text := range []string{`[]`, `{"network":{"dev":1,"ino":2}}`, `{"net":7}`, `{"net":{"ino":-1}}`, `nul`} {
		// What can't be decoded leaves what was there before.
		kept := some
		if err := json.Unmarshal([]byte(text), &kept); err == nil || kept != some {
			t.Errorf("Unmarshal(%s) = %v, %v", text, kept, err)
		}
	}
}

func TestKindAsJSONKey(t *testing.T) {
	joined := map[Kind]string{Net: "/run/netns/a", PID: "/proc/7/ns/pid"}
	text, err := json.Marshal(joined)
	if err != nil {
		t.Fatal(err)
	}
	var back map[Kind]string
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(joined, back); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"nat":""}`), &back); err == nil {
		t.Error("there is no kind nat")
	}
}

func TestNamespacesGet(t *testing.T) {
	var n Namespaces
	if _, ok := n.Get(Net); ok || !n.IsZero() {
		t.Error("the zero value holds none")
	}
	id := ID{Dev: 4, Ino: 7}
	n.Set(Net, id)
	if got, ok := n.Get(Net); got != id || !ok || n.IsZero() {
		t.Errorf("Get(net) = %v, %t", got, ok)
	}
	if _, ok := n.Get(Kind(numKinds)); ok {
		t.Error("there is no such kind")
	}
	// Another device with the same inode is another namespace.
	other := n
	other.Set(Net, ID{Dev: 5, Ino: 7})
	if n.Equal(other) {
		t.Errorf("%v equals %v", n, other)
	}
	other.Set(Net, ID{})
	if !other.IsZero() {
		t.Error("the zero ID takes it out")
	}
	if got := id.String(); got != "[4:7]" {
		t.Errorf("String() = %q", got)
	}
}
