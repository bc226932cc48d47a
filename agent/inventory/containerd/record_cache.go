// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"maps"
	"slices"
	"sync"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
)

// maxDecoded caps the records that stay decoded. Those above it are decoded at each scan.
const maxDecoded = 4096

// recordCache keeps what was decoded of the records of containers: a record's documents have
// many kilobytes, and rarely change while the container exists.
type recordCache struct {
	mu      sync.Mutex
	records map[recordID]decodedRecord
	lists   *sharedLists
}

type recordID struct{ namespace, id string }

// recordVersion is when a record was created and changed last, in nanoseconds. Containerd
// sets both with each change.
type recordVersion struct{ created, updated int64 }

type decodedRecord struct {
	version   recordVersion
	container decoded
}

func newRecordCache() *recordCache {
	return &recordCache{records: make(map[recordID]decodedRecord), lists: newSharedLists()}
}

// decode decodes a record, unless this version of it was decoded before. What it returns is
// shared: it is not to be changed in place.
func (c *recordCache) decode(namespace string, record *containersapi.Container) decoded {
	id, version := recordID{namespace, record.GetID()}, versionOf(record)
	if known, ok := c.find(id); ok && known.version == version {
		return known.container
	}
	container := decodeRecord(namespace, record)
	if version.updated != 0 {
		c.lists.share(container.Security)
		c.keep(id, decodedRecord{version, container})
	}
	return container
}

func (c *recordCache) find(id recordID) (decodedRecord, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.records[id]
	return known, ok
}

func (c *recordCache) keep(id recordID, record decodedRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.records[id]; known || len(c.records) < maxDecoded {
		c.records[id] = record
	}
}

// versionOf returns a record's version; the zero value is of a record without one.
func versionOf(record *containersapi.Container) recordVersion {
	if record.GetUpdatedAt() == nil {
		return recordVersion{}
	}
	return recordVersion{record.GetCreatedAt().AsTime().UnixNano(), record.GetUpdatedAt().AsTime().UnixNano()}
}

// forget drops a container that is gone.
func (c *recordCache) forget(namespace, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.records, recordID{namespace, id})
}

// retain drops the containers of a namespace that are not in its list.
func (c *recordCache) retain(namespace string, listed []decoded) {
	ids := make(map[string]bool, len(listed))
	for i := range listed {
		ids[listed[i].ID] = true
	}
	c.drop(func(id recordID) bool { return id.namespace == namespace && !ids[id.id] })
}

// retainNamespaces drops the containers of namespaces that are gone.
func (c *recordCache) retainNamespaces(names []string) {
	c.drop(func(id recordID) bool { return !slices.Contains(names, id.namespace) })
}

func (c *recordCache) drop(gone func(recordID) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.records, func(id recordID, _ decodedRecord) bool { return gone(id) })
}
