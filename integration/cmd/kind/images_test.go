// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The image that tests load must not drift from the one that users get.
func TestNsauditIsWhatTheDockerfileSays(t *testing.T) {
	dockerfile, err := os.ReadFile("../../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for line := range strings.Lines(string(dockerfile)) {
		if instruction, rest, found := strings.Cut(strings.TrimSpace(line), " "); found {
			said[instruction] = rest
		}
	}
	config := nsauditConfig()
	entrypoint, err := json.Marshal(config.Entrypoint)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"FROM": "scratch", "USER": config.User, "ENTRYPOINT": string(entrypoint)}
	for instruction, value := range got {
		if said[instruction] != value {
			t.Errorf("%s is %s here, and %s in the Dockerfile", instruction, value, said[instruction])
		}
	}
	if !strings.HasSuffix(said["COPY"], " "+nsauditPath) {
		t.Errorf("the binary is %s here; in the Dockerfile: COPY %s", nsauditPath, said["COPY"])
	}
}

// nsauditArchive writes an image of that name into a directory of its own.
func nsauditArchive(t *testing.T, name string) (archive string, err error) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "nsaudit")
	if err := os.WriteFile(binary, []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	archive = filepath.Join(t.TempDir(), "nsaudit.tar")
	return archive, writeNsaudit(name, binary, archive)
}

func TestWriteNsauditCompletesTheName(t *testing.T) {
	for name, want := range map[string]string{
		"nsaudit:dev":             "docker.io/library/nsaudit:dev",
		"nsaudit":                 "docker.io/library/nsaudit:latest",
		"example.org/a/nsaudit:1": "example.org/a/nsaudit:1",
	} {
		archive, err := nsauditArchive(t, name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), `"io.containerd.image.name":"`+want+`"`) {
			t.Errorf("the image of %s is not named %s", name, want)
		}
	}
	if _, err := nsauditArchive(t, "No Name"); err == nil {
		t.Error("no error for what is no name")
	}
}

func TestWriteNsauditLeavesOneFile(t *testing.T) {
	archive, err := nsauditArchive(t, "nsaudit:dev")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(archive))
	if err != nil || len(entries) != 1 || entries[0].Name() != "nsaudit.tar" {
		t.Errorf("left %v (%v), want the archive only", entries, err)
	}
}

func TestAlpineEntries(t *testing.T) {
	got := map[string]string{}
	for _, entry := range alpineEntries("/cache/busybox", "bin/busybox\nbin/sh\nusr/bin/nsenter\n") {
		got[entry.Header.Name] = entry.Header.Linkname + entry.File
	}
	want := map[string]string{
		"tmp/": "", "etc/passwd": "", "etc/group": "",
		"bin/busybox": "/cache/busybox", "bin/sh": "/bin/busybox", "usr/bin/nsenter": "/bin/busybox",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
