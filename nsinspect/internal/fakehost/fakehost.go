// SPDX-License-Identifier: Apache-2.0

// Package fakehost opens what package fakeproc makes, for tests of packages above nsinspect.
package fakehost

import (
	"testing"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// Open makes process 5 of a fake procfs the host reference, for the time of the test.
func Open(t testing.TB, fake *fakeproc.Proc) *nsinspect.Host {
	t.Helper()
	host, err := fakeFS(t, fake).Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	return host
}

// Process opens a process of a fake procfs for the time of the test.
func Process(t testing.TB, fake *fakeproc.Proc, pid int) *nsinspect.Process {
	t.Helper()
	process, err := fakeFS(t, fake).Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Close)
	return process
}

func fakeFS(t testing.TB, fake *fakeproc.Proc) *nsinspect.FS {
	t.Helper()
	fs, err := nsinspect.NewFS(fake.Root())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	return fs
}
