package owner

import (
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// attributor tells which container a process belongs to from its cgroups.
//
// A cgroup's name proves nothing: a container that may write to the cgroup file system
// can make one named like another container's. So for each container whose init process
// is known, the place where that process really is counts, and a path that merely names
// the container is taken for it only if there is no such place.
//
// All paths are as the reader sees them. From a cgroup namespace of its own, such as a pod
// has on cgroup v2, they are relative to the reader's own cgroup: what both have in common
// is missing, and "/.." stands for each level up.
type Attributor struct {
	// places are the containers by hierarchy and path of the cgroup that their init
	// process was found in.
	places map[place]inventory.Key
	// settled are the containers that have a place.
	settled map[inventory.Key]bool
	// tails are the cgroup paths that runtime specs name, of containers without a place.
	tails []tail
	// byID are all containers of the inventory that an id of the usual form stands for.
	byID map[string]inventory.Key
	// host are the containers that the host itself is in.
	host []string
	// seen holds what was concluded of each set of cgroups: there are far fewer than
	// processes.
	seen map[string]Attribution
	text []byte
	// within are the hierarchies in which the reader's own cgroup is the root that it sees.
	within map[string]bool
}

type place struct{ hierarchy, path string }

type tail struct {
	path string
	key  inventory.Key
}

// attribution is what a process's cgroups say.
type Attribution struct {
	// Key is the container, if known is set.
	Key   inventory.Key
	Known bool
	// ref is the container that the path names, of a process that belongs to none of the
	// inventory's; its ID is empty for a process of the host.
	Ref runtimes.Ref
	// rival is another container that the process belongs to just as much, if contested is
	// set: hierarchies of cgroup v1 can be entered one by one.
	Rival     inventory.Key
	Contested bool
	// forged says that the path names a container of the inventory but lies elsewhere.
	Forged bool
}

func New(host nsinspect.HostReference, containers []inventory.Container) *Attributor {
	a := &Attributor{
		places:  make(map[place]inventory.Key),
		settled: make(map[inventory.Key]bool),
		byID:    make(map[string]inventory.Key, len(containers)),
		host:    host.Containers,
		seen:    make(map[string]Attribution),
		within:  make(map[string]bool),
	}
	for i := range containers {
		a.byID[containers[i].ID] = containers[i].Key()
	}
	return a
}

// view takes the cgroups of the host reference: where that is above the root that the reader
// sees, this root is a cgroup of the reader's own.
func (a *Attributor) View(host []cgroup.Entry) {
	for _, entry := range host {
		a.within[entry.Hierarchy] = outside(entry.Path)
	}
}

// outside says whether a path leads out of the reader's cgroup namespace.
func outside(path string) bool { return path == "/.." || strings.HasPrefix(path, "/../") }

// settle records where a container's init process is. It says whether the process is in
// the container's cgroup at all: if not, the pid is not, or no longer, the container's.
func (a *Attributor) Settle(container *inventory.Container, entries []cgroup.Entry) bool {
	found := false
	for _, entry := range entries {
		path, ok := cutTails(entry.Path, specPaths(container))
		if !ok && a.within[entry.Hierarchy] && !outside(entry.Path) {
			path, ok = "/", true // It is the container that the reader runs in.
		}
		if ok {
			a.places[place{entry.Hierarchy, path}] = container.Key()
			found = true
		}
	}
	if found {
		a.settled[container.Key()] = true
	}
	return found
}

// finish is called once every init process was looked at: the containers that have no
// place are then known by what their specs say.
func (a *Attributor) Finish(containers []inventory.Container) {
	for i := range containers {
		container := &containers[i]
		if a.settled[container.Key()] {
			continue
		}
		if container.CgroupsPath == "" {
			continue // An id alone may be named like any cgroup of the host.
		}
		for _, path := range specPaths(container) {
			a.tails = append(a.tails, tail{path, container.Key()})
		}
	}
}

// attribute tells whose process has these cgroups.
func (a *Attributor) Attribute(entries []cgroup.Entry) Attribution {
	a.text = a.text[:0]
	for _, entry := range entries {
		a.text = append(a.text, entry.Hierarchy...)
		a.text = append(a.text, entry.Path...)
		a.text = append(a.text, '\n') // No cgroup's name has one.
	}
	found, ok := a.seen[string(a.text)]
	if !ok {
		found = a.conclude(entries)
		a.seen[string(a.text)] = found
	}
	return found
}

func (a *Attributor) conclude(entries []cgroup.Entry) Attribution {
	var found Attribution
	for _, entry := range entries {
		key, ok := a.placeAbove(entry)
		switch {
		case !ok:
		case !found.Known:
			found.Key, found.Known = key, true
		case key != found.Key:
			found.Rival, found.Contested = key, true
		}
	}
	if found.Known {
		return found
	}
	for _, entry := range entries {
		if key, ok := a.tailIn(entry.Path); ok {
			return Attribution{Key: key, Known: true}
		}
	}
	for _, entry := range entries {
		if ref, ok := a.outermost(entry.Path); ok {
			key, listed := a.byID[ref.ID]
			return Attribution{Key: key, Known: listed && !a.settled[key], Ref: ref, Forged: listed && a.settled[key]}
		}
	}
	return Attribution{}
}

// placeAbove finds the innermost container whose place is this cgroup or one above it.
func (a *Attributor) placeAbove(entry cgroup.Entry) (inventory.Key, bool) {
	for path := entry.Path; path != ""; path = path[:strings.LastIndexByte(path, '/')] {
		if key, ok := a.places[place{entry.Hierarchy, path}]; ok {
			return key, true
		}
	}
	if outside(entry.Path) {
		return inventory.Key{}, false
	}
	key, ok := a.places[place{entry.Hierarchy, "/"}]
	return key, ok
}

// tailIn finds the container without a place whose spec names this cgroup or one above it,
// the outermost if there are several. What stands below another container's cgroup is that
// one's, whatever its name.
func (a *Attributor) tailIn(path string) (key inventory.Key, ok bool) {
	limit := len(path)
	if outer, inContainer := a.outermost(path); inContainer {
		limit = len(outer.Path)
	}
	for _, tail := range a.tails {
		cut, matches := cutTail(path, tail.path)
		if start := len(cut) - len(tail.path); matches && start < limit {
			key, ok, limit = tail.key, true, start
		}
	}
	return key, ok
}

// outermost returns the outermost container that a path names, leaving out those that the
// host itself is in: in kind, each path begins with the node's own container.
func (a *Attributor) outermost(path string) (runtimes.Ref, bool) {
	for _, ref := range runtimes.Refs(path) {
		if !slices.Contains(a.host, ref.ID) {
			return ref, true
		}
	}
	return runtimes.Ref{}, false
}

// specPaths returns the ends that the path of a container's cgroup may have:
// linux.cgroupsPath as it stands, and before it the scope that the systemd driver makes of
// SLICE:PREFIX:NAME. A runtime with the cgroupfs driver takes that literally. Without one,
// runc uses the container's id.
func specPaths(container *inventory.Container) []string {
	path := strings.Trim(container.CgroupsPath, "/")
	if path == "" {
		path = container.ID
	}
	paths := []string{"/" + path}
	if parts := strings.Split(path, ":"); len(parts) == 3 {
		name := parts[2]
		if !strings.HasSuffix(name, ".slice") {
			name += ".scope"
			if parts[1] != "" {
				name = parts[1] + "-" + name
			}
		}
		paths = append([]string{"/" + name}, paths...)
	}
	return paths
}

// cutTails cuts a path by the first of the tails that is in it.
func cutTails(path string, tails []string) (string, bool) {
	for _, tail := range tails {
		if cut, ok := cutTail(path, tail); ok {
			return cut, true
		}
	}
	return "", false
}

// cutTail cuts a path behind the part that is a container's own cgroup, whose full path
// ends in tail. An init system inside may have moved itself further down. In a path that is
// relative to the reader's cgroup the beginning of the tail may be missing: what both have
// in common.
func cutTail(path, tail string) (string, bool) {
	for from := 0; ; {
		i := strings.Index(path[from:], tail)
		if i < 0 {
			break
		}
		end := from + i + len(tail)
		if end == len(path) || path[end] == '/' {
			return path[:end], true
		}
		from += i + 1
	}
	if !outside(path) {
		return "", false
	}
	up := 0
	for outside(path[up:]) {
		up += len("/..")
	}
	// Each end of the tail, the longest first.
	for rest := tail; rest != ""; {
		if below, ok := strings.CutPrefix(path[up:], rest); ok && (below == "" || below[0] == '/') {
			return path[:len(path)-len(below)], true
		}
		next := strings.IndexByte(rest[1:], '/')
		if next < 0 {
			break
		}
		rest = rest[1+next:]
	}
	return "", false
}
