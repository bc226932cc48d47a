// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"
	"strings"
	"testing"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// pods returns the records of as many containers, half of them pause containers, whose specs
// are as large as those of a pod with the runtime's default seccomp profile.
func pods(count int) []*containersapi.Container {
	seccomp := fmt.Sprintf(`,"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":[%s"write"],"action":"SCMP_ACT_ALLOW"}]}}`,
		strings.Repeat(`"sched_getaffinity",`, 400))
	var records []*containersapi.Container
	for i := range count / 2 {
		box := sandboxRecord(fmt.Sprint("box", i), "{}")
		records = append(records, box, podContainerRecord(fmt.Sprint("c", i), box.GetID()))
	}
	for _, record := range records {
		spec := strings.Replace(string(record.GetSpec().GetValue()), "}]}", "}]"+seccomp, 1)
		record.Spec = &anypb.Any{Value: []byte(spec)}
		versioned(record, 1, 1)
	}
	return records
}

// BenchmarkAssemble makes the containers of a list of 200 records: as a first scan does, and
// as all others do.
func BenchmarkAssemble(b *testing.B) {
	records := pods(200)
	list := func(cache *recordCache) {
		var all []decoded
		for _, record := range records {
			all = append(all, cache.decode("k8s.io", record))
		}
		for _, container := range assemble(all, nil, nil) {
			if container.Declared.By != inventory.ByPod {
				b.Fatalf("declared by %q: %s", container.Declared.By, container.Declared.Detail)
			}
		}
	}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			list(newRecordCache())
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		cache := newRecordCache()
		list(cache)
		for b.Loop() {
			list(cache)
		}
	})
}
