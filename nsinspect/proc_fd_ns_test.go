// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"fmt"
	"os"
	"testing"
)

func TestMayBeNamespace(t *testing.T) {
	t.Parallel()
	const inode = 4026531840
	tests := map[string]struct {
		file Descriptor
		want bool
	}{
		"its link":                     {Descriptor{Link: fmt.Appendf(nil, "net:[%d]", inode)}, true},
		"of another kind":              {Descriptor{Link: fmt.Appendf(nil, "pid:[%d]", inode)}, false},
		"another":                      {Descriptor{Link: fmt.Appendf(nil, "net:[%d]", inode+1)}, false},
		"a file of that name":          {Descriptor{Link: fmt.Appendf(nil, "/tmp/net:[%d]", inode)}, false},
		"no number":                    {Descriptor{Link: []byte("net:[]")}, false},
		"by its inode":                 {Descriptor{Inode: inode}, true},
		"another by its inode":         {Descriptor{Inode: inode + 1}, false},
		"a socket by its inode":        {Descriptor{Inode: 7, Link: []byte("socket:[7]")}, false},
		"nothing is known of the file": {Descriptor{}, false},
	}
	for name, test := range tests {
		if got := test.file.MayBeNamespace(Net, inode); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

// TestHoldsNamespace has a process with a namespace open, and with another file.
func TestHoldsNamespace(t *testing.T) {
	own, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	process := sleeper(t, own, os.Stdin) // They are 3 and 4.
	id, err := process.Namespace(Net)
	if err != nil {
		t.Fatal(err)
	}
	for fd, want := range map[int]bool{3: true, 4: false, 1000: false} {
		if got, err := process.HoldsNamespace(t.Context(), fd, id); err != nil || got != want {
			t.Errorf("descriptor %d: %t, %v, want %t", fd, got, err, want)
		}
	}
	if got, err := process.HoldsNamespace(t.Context(), 3, ID{id.Dev, id.Ino + 1}); err != nil || got {
		t.Errorf("another namespace: %t, %v", got, err)
	}
}
