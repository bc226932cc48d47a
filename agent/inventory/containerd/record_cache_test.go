// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"
	"testing"
	"time"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// versioned sets when a record was created and changed, in seconds.
func versioned(record *containersapi.Container, created, updated int64) *containersapi.Container {
	record.CreatedAt = timestamppb.New(time.Unix(created, 1))
	record.UpdatedAt = timestamppb.New(time.Unix(updated, 1))
	return record
}

func TestRecordIsDecodedOnce(t *testing.T) {
	t.Parallel()
	cache := newRecordCache()
	first := cache.decode("k8s.io", versioned(sandboxRecord("box", `{"network":2}`), 1, 1))
	tests := map[string]struct {
		namespace string
		record    *containersapi.Container
		cached    bool
	}{
		// The cache goes by the version alone, so that other text shows what was decoded.
		"the same version":       {"k8s.io", versioned(sandboxRecord("box", "{}"), 1, 1), true},
		"a later version":        {"k8s.io", versioned(sandboxRecord("box", "{}"), 1, 2), false},
		"another of this name":   {"k8s.io", versioned(sandboxRecord("box", "{}"), 2, 1), false},
		"without a version":      {"k8s.io", sandboxRecord("box", "{}"), false},
		"another container":      {"k8s.io", versioned(sandboxRecord("box2", "{}"), 1, 1), false},
		"in another namespace":   {"default", versioned(sandboxRecord("box", "{}"), 1, 1), false},
		"without a version, new": {"k8s.io", sandboxRecord("new", "{}"), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := newRecordCache()
			cache.decode("k8s.io", versioned(sandboxRecord("box", `{"network":2}`), 1, 1))
			want := decodeRecord(test.namespace, test.record)
			if test.cached {
				want = first
			}
			for range 2 {
				if diff := cmp.Diff(want, cache.decode(test.namespace, test.record), cmp.AllowUnexported(decoded{}, sandboxRequest{})); diff != "" {
					t.Errorf("decoded (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestRecordCacheIsEmptied goes through what ends the life of a decoded record.
func TestRecordCacheIsEmptied(t *testing.T) {
	t.Parallel()
	d := &daemon{records: map[string][]*containersapi.Container{
		"default": {versioned(withSpec("a", 1), 1, 1), versioned(withSpec("b", 1), 1, 1)},
		"other":   {versioned(withSpec("c", 1), 1, 1), withSpec("unversioned", 1)},
	}}
	client := d.start(t)
	decoded := func(want int, when string) {
		t.Helper()
		if got := len(client.decoded.records); got != want {
			t.Errorf("%d records are decoded %s, want %d", got, when, want)
		}
	}
	list := func() {
		t.Helper()
		if _, _, err := client.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	list()
	decoded(3, "after a list")
	d.records["default"] = d.records["default"][:1]
	_, _ = client.Get(t.Context(), key("default", "b"))
	decoded(2, "after b was asked for and not found")
	d.records["default"] = nil
	list()
	decoded(1, "after a list without a")
	delete(d.records, "other")
	list()
	decoded(0, "after the namespace was deleted")
}

func TestRecordCacheIsBounded(t *testing.T) {
	t.Parallel()
	cache := newRecordCache()
	for i := range maxDecoded + 10 {
		cache.decode("default", versioned(withSpec(fmt.Sprint(i), 1), 1, 1))
	}
	if len(cache.records) != maxDecoded {
		t.Errorf("%d records are decoded, want %d", len(cache.records), maxDecoded)
	}
	cache.decode("default", versioned(&containersapi.Container{ID: "0"}, 1, 2))
	if got := cache.decode("default", versioned(withSpec("0", 1), 1, 2)); got.Declared.By != inventory.ByUnknown {
		t.Errorf("a changed record is not kept in a full cache: %+v", got.Declared)
	}
}
