// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// IDRange is a range of user or group ids of a user namespace, and where it is in the user
// namespace of the reader: a line of /proc/PID/uid_map or gid_map (user_namespaces(7)).
type IDRange struct {
	Inside  uint32 `json:"inside"`
	Outside uint32 `json:"outside"`
	Count   uint32 `json:"count"`
}

// IDMap is the ranges of a user namespace. An empty one is not written yet: every id is
// unmapped.
type IDMap []IDRange

// Outside returns what an id of the namespace is for the reader, if it is mapped.
func (m IDMap) Outside(id uint32) (uint32, bool) {
	for _, r := range m {
		if id >= r.Inside && id-r.Inside < r.Count {
			return r.Outside + (id - r.Inside), true
		}
	}
	return 0, false
}

// Overlaps reports whether an id of the reader's namespace is in both maps: users of the two
// namespaces may then reach each other's files and processes.
func (m IDMap) Overlaps(other IDMap) bool {
	for _, a := range m {
		for _, b := range other {
			if uint64(a.Outside) < uint64(b.Outside)+uint64(b.Count) && uint64(b.Outside) < uint64(a.Outside)+uint64(a.Count) {
				return true
			}
		}
	}
	return false
}

// IDMaps are the maps of a user namespace.
type IDMaps struct {
	UIDs IDMap `json:"uids"`
	GIDs IDMap `json:"gids"`
}

const (
	// maxRanges is the kernel's cap (linux/user_namespace.h, UID_GID_MAP_MAX_EXTENTS).
	maxRanges = 340
	// maxIDMap has room for as many lines of three numbers of ten digits.
	maxIDMap = 16 << 10
)

// IDMaps returns the maps of the user namespace that the process is in, as this process's own
// user namespace sees them, from /proc/PID/uid_map and gid_map, which anyone may read.
func (p *Process) IDMaps() (IDMaps, error) {
	uids, err := p.idMap("uid_map")
	if err != nil {
		return IDMaps{}, err
	}
	gids, err := p.idMap("gid_map")
	return IDMaps{UIDs: uids, GIDs: gids}, err
}

func (p *Process) idMap(name string) (IDMap, error) {
	doing := fmt.Sprintf("read %s of process %d", name, p.pid)
	text, err := procfd.ReadAll(p.fd, name, make([]byte, statusSize), maxIDMap)
	if errors.Is(err, unix.EINVAL) {
		err = unix.ESRCH // The answer of a process that ends meanwhile (fs/proc/base.c, proc_id_map_open).
	}
	if err != nil {
		return nil, procfd.Classify(doing, err)
	}
	ranges, ok := parseIDMap(text)
	if !ok {
		return nil, fmt.Errorf("%s: %w", doing, ErrMalformed)
	}
	return ranges, nil
}

// parseIDMap decodes lines of three numbers. A range may not pass the last id.
func parseIDMap(text []byte) (IDMap, bool) {
	var ranges IDMap
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole || len(ranges) == maxRanges {
			return nil, false
		}
		text = rest
		fields := procfd.FieldsOf(line)
		inside, outside, count := fields.Uint(10, 32), fields.Uint(10, 32), fields.Uint(10, 32)
		if !fields.Whole() || len(fields.Next()) > 0 || count == 0 ||
			inside+count-1 > math.MaxUint32 || outside+count-1 > math.MaxUint32 {
			return nil, false
		}
		ranges = append(ranges, IDRange{uint32(inside), uint32(outside), uint32(count)}) //nolint:gosec // They were parsed with 32 bits.
	}
	return ranges, true
}
