// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"testing"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// Capabilities of these tests.
const (
	chown, netBind, netRaw, sysAdmin nsinspect.Capabilities = 1, 1 << 10, 1 << 13, 1 << 21

	allFields = nsinspect.FieldAmbient | nsinspect.FieldNoNewPrivileges | nsinspect.FieldSeccomp | nsinspect.FieldFilters
)

// specOf is what a runtime is told for a user in the host's user namespace. It lists capabilities as
// permitted also where the user is not root, who does not get them.
func specOf(uid uint32) *SecuritySpec {
	given := chown | netBind | netRaw
	return &SecuritySpec{UID: uid, Bounding: given, Permitted: given, Effective: given, Host: []nsinspect.Kind{nsinspect.User}}
}

// mapped gives a spec a user namespace.
func mapped(spec *SecuritySpec, ranges ...nsinspect.IDRange) *SecuritySpec {
	spec.Host, spec.Users.UIDs = nil, ranges
	return spec
}

// as is a thread of one user, with what a program of a user other than root has.
func as(uid uint32) *nsinspect.Credentials {
	return &nsinspect.Credentials{
		UIDs: nsinspect.IDs{Real: uid, Effective: uid, Saved: uid, Filesystem: uid}, Bounding: chown | netBind | netRaw,
		Seccomp: nsinspect.SeccompFilter, Filters: 1, NoNewPrivileges: true, Known: allFields,
	}
}

func with(c *nsinspect.Credentials, change func(*nsinspect.Credentials)) *nsinspect.Credentials {
	change(c)
	return c
}

// comparison is a thread, with the ways in which it is weaker than a spec.
type comparison struct {
	spec   *SecuritySpec
	thread *nsinspect.Credentials
	nested bool
	want   Weakness
}

func testWeaker(t *testing.T, tests map[string]comparison) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.spec.Weaker(test.thread, test.nested); got != test.want {
				t.Errorf("Weaker = %b, want %b", got, test.want)
			}
		})
	}
}

func TestWeakerUsers(t *testing.T) {
	t.Parallel()
	pod := nsinspect.IDRange{Inside: 0, Outside: 65536, Count: 65536}
	testWeaker(t, map[string]comparison{
		"the spec's user":                            {spec: specOf(405), thread: as(405)},
		"root, as declared":                          {spec: specOf(0), thread: as(0)},
		"root that became another user":              {spec: specOf(0), thread: as(33)},
		"root":                                       {spec: specOf(405), thread: as(0), want: IsRoot},
		"another user":                               {spec: specOf(405), thread: as(33), want: OtherUser},
		"effective root":                             {spec: specOf(405), thread: with(as(405), func(c *nsinspect.Credentials) { c.UIDs.Effective = 0 }), want: IsRoot},
		"saved root is a way back":                   {spec: specOf(405), thread: with(as(405), func(c *nsinspect.Credentials) { c.UIDs.Saved = 0 }), want: IsRoot},
		"the file system's root":                     {spec: specOf(405), thread: with(as(405), func(c *nsinspect.Credentials) { c.UIDs.Filesystem = 0 }), want: IsRoot},
		"a setuid program of another user":           {spec: specOf(405), thread: with(as(405), func(c *nsinspect.Credentials) { c.UIDs.Effective = 33 })},
		"root, nested":                               {spec: specOf(405), thread: as(0), nested: true, want: IsRoot},
		"a lent user, nested":                        {spec: specOf(405), thread: as(100000), nested: true},
		"a user that can't be shown":                 {spec: specOf(405), thread: as(nsinspect.OverflowID)},
		"nobody is a user too":                       {spec: specOf(nsinspect.OverflowID), thread: as(405), want: OtherUser},
		"nobody":                                     {spec: specOf(nsinspect.OverflowID), thread: as(nsinspect.OverflowID)},
		"mapped root, as declared":                   {spec: mapped(specOf(0), pod), thread: as(65536)},
		"the host's root, where it is mapped away":   {spec: mapped(specOf(0), pod), thread: as(0), want: IsRoot},
		"the host's root, also of another user":      {spec: mapped(specOf(405), pod), thread: as(0), want: IsRoot},
		"mapped root of another user's container":    {spec: mapped(specOf(405), pod), thread: as(65536), want: IsRoot},
		"the mapped user":                            {spec: mapped(specOf(405), pod), thread: as(65536 + 405)},
		"the host's user of that number":             {spec: mapped(specOf(405), pod), thread: as(405), want: OtherUser},
		"root mapped to root":                        {spec: mapped(specOf(0), nsinspect.IDRange{Count: 65536}), thread: as(0)},
		"no root in the namespace":                   {spec: mapped(specOf(405), nsinspect.IDRange{Inside: 405, Outside: 7, Count: 1}), thread: as(7)},
		"no root in the namespace, and the host's":   {spec: mapped(specOf(405), nsinspect.IDRange{Inside: 405, Outside: 7, Count: 1}), thread: as(0), want: IsRoot},
		"no root in the namespace, and nobody":       {spec: mapped(specOf(405), nsinspect.IDRange{Inside: 405, Outside: 7, Count: 1}), thread: as(nsinspect.OverflowID)},
		"a user that is not mapped":                  {spec: mapped(specOf(405), nsinspect.IDRange{Count: 100}), thread: as(50)},
		"a namespace that was joined, maps unknown":  {spec: mapped(specOf(405)), thread: as(100405)},
		"root of the host in one that was joined":    {spec: mapped(specOf(405)), thread: as(0), want: IsRoot},
		"root in one that was joined, as whom?":      {spec: mapped(specOf(0)), thread: as(0)},
		"ids at the end of what there is, mapped":    {spec: mapped(specOf(1), nsinspect.IDRange{Outside: 1<<32 - 2, Count: 2}), thread: as(1<<32 - 1)},
		"ids at the end of what there is, its root":  {spec: mapped(specOf(1), nsinspect.IDRange{Outside: 1<<32 - 2, Count: 2}), thread: as(1<<32 - 2), want: IsRoot},
		"a user of several ranges":                   {spec: mapped(specOf(405), nsinspect.IDRange{Count: 1, Outside: 9}, nsinspect.IDRange{Inside: 1, Outside: 1000, Count: 500}), thread: as(1404)},
		"root of the second range is no root at all": {spec: mapped(specOf(405), nsinspect.IDRange{Count: 1, Outside: 9}, nsinspect.IDRange{Inside: 1, Outside: 1000, Count: 500}), thread: as(1000), want: OtherUser},
	})
}

func TestWeakerPrivileges(t *testing.T) {
	t.Parallel()
	holds := func(uid uint32, set nsinspect.Capabilities) *nsinspect.Credentials {
		return with(as(uid), func(c *nsinspect.Credentials) { c.Permitted = set })
	}
	ambient := specOf(405)
	ambient.Ambient = netBind
	strict := specOf(405)
	strict.NoNewPrivileges, strict.Seccomp = true, true
	younger := nsinspect.Capabilities(1) << 41
	pod := nsinspect.IDRange{Inside: 0, Outside: 65536, Count: 65536}
	testWeaker(t, map[string]comparison{
		"root holds what it was given":            {spec: specOf(0), thread: holds(0, chown|netBind)},
		"another user with nothing":               {spec: specOf(405), thread: as(405)},
		"a file's capabilities":                   {spec: specOf(405), thread: holds(405, netRaw), want: GainsPrivileges},
		"a file's capabilities, nested":           {spec: specOf(405), thread: holds(405, netRaw), nested: true},
		"ambient ones were given":                 {spec: ambient, thread: holds(405, netBind)},
		"more than the ambient ones":              {spec: ambient, thread: holds(405, netBind|chown), want: GainsPrivileges},
		"more than the spec lists":                {spec: specOf(405), thread: holds(405, sysAdmin), want: MoreCapabilities},
		"of root, more than the spec lists":       {spec: specOf(0), thread: holds(0, sysAdmin), want: MoreCapabilities},
		"more that may be got":                    {spec: specOf(0), thread: with(as(0), func(c *nsinspect.Credentials) { c.Bounding |= sysAdmin }), want: MoreCapabilities},
		"everything, in a namespace of its own":   {spec: specOf(405), thread: with(holds(405, 1<<41-1), func(c *nsinspect.Credentials) { c.Bounding = 1<<41 - 1 }), nested: true},
		"fewer that may be got":                   {spec: specOf(0), thread: with(as(0), func(c *nsinspect.Credentials) { c.Bounding = 0 })},
		"one that is younger than this program":   {spec: specOf(0), thread: with(as(0), func(c *nsinspect.Credentials) { c.Bounding |= younger })},
		"a root that dropped to another user":     {spec: specOf(0), thread: holds(33, netBind)},
		"root by a setuid program":                {spec: specOf(405), thread: holds(0, chown), want: IsRoot},
		"root of the container by such a program": {spec: mapped(specOf(405), pod), thread: holds(65536, chown), want: IsRoot},
		"in a user namespace, a file's":           {spec: mapped(specOf(405), pod), thread: holds(65941, chown), want: GainsPrivileges},
		"as strict as it was told to be":          {spec: strict, thread: as(405)},
		"may gain":                                {spec: strict, thread: with(as(405), func(c *nsinspect.Credentials) { c.NoNewPrivileges = false }), want: NewPrivileges},
		"no filter":                               {spec: strict, thread: with(as(405), func(c *nsinspect.Credentials) { c.Seccomp = nsinspect.SeccompDisabled }), want: NoFilter},
		"no filter, nested":                       {spec: strict, thread: with(as(405), func(c *nsinspect.Credentials) { c.Seccomp = nsinspect.SeccompDisabled }), nested: true, want: NoFilter},
		"strict mode is no weaker than a filter":  {spec: strict, thread: with(as(405), func(c *nsinspect.Credentials) { c.Seccomp = nsinspect.SeccompStrict })},
		"more filters":                            {spec: strict, thread: with(as(405), func(c *nsinspect.Credentials) { c.Filters = 34 })},
		"a kernel that shows neither":             {spec: strict, thread: with(as(405), func(c *nsinspect.Credentials) { c.Known, c.NoNewPrivileges, c.Seccomp = 0, false, 0 })},
		"neither was asked for":                   {spec: specOf(405), thread: with(as(405), func(c *nsinspect.Credentials) { c.NoNewPrivileges, c.Seccomp = false, 0 })},
		"all of it": {
			spec: strict, thread: with(holds(0, sysAdmin), func(c *nsinspect.Credentials) { c.NoNewPrivileges, c.Seccomp = false, 0 }),
			want: IsRoot | MoreCapabilities | NewPrivileges | NoFilter,
		},
	})
}

// TestWeakerGroups has the groups of threads.
func TestWeakerGroups(t *testing.T) {
	t.Parallel()
	pod := nsinspect.IDRange{Outside: 65536, Count: 65536}
	spec := specOf(405)
	spec.GID, spec.Groups = 405, []uint32{2000, 7}
	own := mapped(specOf(405), pod)
	own.GID, own.Users.GIDs = 405, nsinspect.IDMap{pod}
	in := func(uid, gid uint32, groups ...uint32) *nsinspect.Credentials {
		return with(as(uid), func(c *nsinspect.Credentials) {
			c.GIDs, c.Groups = nsinspect.IDs{Real: gid, Effective: gid, Saved: gid, Filesystem: gid}, groups
		})
	}
	many := make([]uint32, 65_536)
	for i := range many {
		many[i] = 7
	}
	testWeaker(t, map[string]comparison{
		"those of the spec":            {spec: spec, thread: in(405, 405, 7, 2000)},
		"fewer":                        {spec: spec, thread: in(405, 7)},
		"one of the spec, many times":  {spec: spec, thread: in(405, 405, many...)},
		"another at the end":           {spec: spec, thread: in(405, 405, append(many, 8)...), want: OtherGroups},
		"another group":                {spec: spec, thread: in(405, 12), want: OtherGroups},
		"the saved one":                {spec: spec, thread: with(in(405, 405), func(c *nsinspect.Credentials) { c.GIDs.Saved = 12 }), want: OtherGroups},
		"nested":                       {spec: spec, thread: in(405, 12), nested: true},
		"the overflow id":              {spec: spec, thread: in(405, 405, nsinspect.OverflowID)},
		"root may take any":            {spec: specOf(0), thread: in(0, 12)},
		"the right to take any":        {spec: spec, thread: with(in(405, 12), func(c *nsinspect.Credentials) { c.Permitted = capSetGID }), want: MoreCapabilities},
		"another user is told of":      {spec: spec, thread: in(33, 12), want: OtherUser},
		"in a user namespace":          {spec: own, thread: in(65941, 65941)},
		"in a user namespace, another": {spec: own, thread: in(65941, 65948), want: OtherGroups},
		"a namespace without maps":     {spec: mapped(specOf(405)), thread: in(65941, 65948)},
	})
}

// FuzzWeaker checks what must hold of any thread: to be nested makes nothing weaker, and the spec's
// own user with nothing is not weak.
func FuzzWeaker(f *testing.F) {
	f.Add(uint32(405), uint32(0), uint32(0), uint32(65536), uint32(65536), uint64(1<<21), true)
	f.Add(uint32(0), uint32(0), uint32(0), uint32(0), uint32(0), uint64(0), false)
	f.Fuzz(func(t *testing.T, user, uid, inside, outside, count uint32, held uint64, hasMap bool) {
		spec := specOf(user)
		if hasMap {
			spec = mapped(spec, nsinspect.IDRange{Inside: inside, Outside: outside, Count: count})
		}
		thread := with(as(uid), func(c *nsinspect.Credentials) { c.Permitted = nsinspect.Capabilities(held) })
		if got, nested := spec.Weaker(thread, false), spec.Weaker(thread, true); nested&^got != 0 {
			t.Errorf("nested %b, else %b", nested, got)
		}
		if own, ok := spec.Outside(user); ok && own != 0 {
			if root, rooted := spec.Outside(0); user != 0 && rooted && root == own {
				return // A map that overlaps itself, which the kernel refuses.
			}
			if got := spec.Weaker(as(own), false); got != 0 {
				t.Errorf("the spec's own user is weaker: %b", got)
			}
		}
	})
}
