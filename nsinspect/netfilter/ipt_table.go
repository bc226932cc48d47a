// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// legacyHooks is the number of places where packets enter a table (NF_INET_NUMHOOKS).
const legacyHooks = 5

// legacyInfo is struct xt_getinfo: by hook, the offsets of the entry where packets begin and of
// the policy, which decides on those that no rule has.
type legacyInfo struct {
	valid            uint32
	entry, underflow [legacyHooks]uint32
	size             uint32
}

func decodeInfo(raw *[iptInfoSize]byte) legacyInfo {
	word := func(i int) uint32 { return binary.NativeEndian.Uint32(raw[iptNameSize+4*i:]) }
	info := legacyInfo{valid: word(0), size: word(12)}
	for hook := range legacyHooks {
		info.entry[hook], info.underflow[hook] = word(1+hook), word(1+legacyHooks+hook)
	}
	return info
}

// legacyTable is a table of legacy iptables: a list of entries. Those with the target ERROR are
// headings of chains. A jump leads to an entry, usually the first of a chain.
//
// It is a source of rules: it has chains and rules, and no sets.
type legacyTable struct {
	family byte
	name   string
	layout entryLayout
	*legacyDump
	// starts are the offsets of the entries, ascending.
	starts []uint32
	// names are the chains that something leads to, by the offsets of their first entries,
	// and offsets the reverse. A node of a large cluster has 100,000 others.
	names   map[int]string
	offsets map[string]int
	// ends are the offsets of the policies of the chains in which packets enter.
	ends map[string]int
	// entrances are those chains.
	entrances []object
}

// errMalformed reports an entry that the kernel's own checks would refuse
// (net/netfilter/x_tables.c, xt_check_entry_offsets), or an offset where no entry begins.
func errMalformed(offset int) error {
	return fmt.Errorf("the entry at byte %d is malformed: %w", offset, errTorn)
}

// parseLegacy finds the entries of a table, and where packets enter it.
func parseLegacy(family *legacyFamily, dump *legacyDump) (*legacyTable, error) {
	t := &legacyTable{
		family:     family.family,
		name:       family.table,
		layout:     family.layout,
		legacyDump: dump,
		names:      make(map[int]string),
		offsets:    make(map[string]int),
		ends:       make(map[string]int),
	}
	info := decodeInfo(&dump.info)
	if len(t.entries) != int(info.size) {
		return nil, fmt.Errorf("%d bytes of entries instead of %d", len(t.entries), info.size)
	}
	for offset := 0; offset < len(t.entries); {
		entry, ok := t.layout.cut(t.entries[offset:])
		if !ok {
			return nil, errMalformed(offset)
		}
		t.starts = append(t.starts, uint32(offset))
		offset += len(entry)
	}
	for _, hook := range [...]struct {
		number int
		name   string
	}{{unix.NF_INET_PRE_ROUTING, "PREROUTING"}, {unix.NF_INET_LOCAL_OUT, "OUTPUT"}} {
		if info.valid&(1<<hook.number) == 0 {
			continue
		}
		if err := t.addHook(hook.name, int(info.entry[hook.number]), int(info.underflow[hook.number])); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// number returns the number of the entry at an offset.
func (t *legacyTable) number(offset int) (int, bool) {
	if offset >= len(t.entries) {
		return 0, false
	}
	return slices.BinarySearch(t.starts, uint32(offset))
}

// addHook adds a chain in which packets enter. It ends with its policy: if there is none at that
// offset, the entries were read after the table had changed.
func (t *legacyTable) addHook(name string, start, policy int) error {
	for _, offset := range [...]int{start, policy} {
		if _, ok := t.number(offset); !ok {
			return errMalformed(offset)
		}
	}
	target := t.layout.target(t.entry(policy))
	if verdict, ok := target.verdict(); !ok || verdict >= 0 || policy < start {
		return errMalformed(policy)
	}
	t.names[start], t.offsets[name], t.ends[name] = name, start, policy
	t.entrances = append(t.entrances, object{t.family, t.name, name})
	return nil
}

// chainAt returns the chain that a jump to this offset leads to, by a unique name. iptables
// makes each name once and jumps to first entries only, but the kernel accepts any table.
func (t *legacyTable) chainAt(offset int) (string, bool) {
	if name, ok := t.names[offset]; ok {
		return name, true
	}
	at, ok := t.number(offset)
	if !ok {
		return "", false
	}
	name := ""
	if at > 0 {
		name = t.heading(int(t.starts[at-1]))
	}
	for _, taken := t.offsets[name]; taken || name == ""; _, taken = t.offsets[name] {
		name = fmt.Sprintf("%s+%d", name, offset)
	}
	t.names[offset], t.offsets[name] = name, offset
	return name, true
}

// entry returns the entry at an offset where one begins.
func (t *legacyTable) entry(offset int) []byte {
	entry, _ := t.layout.cut(t.entries[offset:]) // parseLegacy has cut it before.
	return entry
}

// heading returns the name of the chain that an entry is the heading of, or "".
func (t *legacyTable) heading(offset int) string {
	target := t.layout.target(t.entry(offset))
	if target.name != errorTarget {
		return ""
	}
	return cString(target.info[:min(len(target.info), chainNameSize)])
}

func (t *legacyTable) chains(_ context.Context, visit func(chain object, enters bool) error) error {
	for _, chain := range t.entrances {
		if err := visit(chain, true); err != nil {
			return err
		}
	}
	return nil
}

// rules leaves out the last entry of a chain, which only returns or is the policy.
func (t *legacyTable) rules(_ context.Context, chain object, visit func(rule) error) error {
	offset, ok := t.offsets[chain.name]
	if !ok {
		return nil
	}
	last, ok := t.ends[chain.name]
	if !ok {
		last = len(t.entries)
	}
	for offset <= last && offset < len(t.entries) {
		entry := t.entry(offset)
		target := t.layout.target(entry)
		if target.name == errorTarget {
			return nil
		}
		offset += len(entry)
		if t.closes(&target, offset, last) {
			return nil
		}
		if err := visit(t.decode(entry)); err != nil {
			return err
		}
	}
	return nil
}

func (t *legacyTable) elements(context.Context, object, func(element) error) error { return nil }

// closes reports whether a target is that of the last entry of its chain, and leads nowhere.
func (t *legacyTable) closes(target *xtExtension, next, last int) bool {
	if verdict, ok := target.verdict(); !ok || verdict >= 0 {
		return false
	}
	return next > last || next == len(t.entries) || t.layout.target(t.entry(next)).name == errorTarget
}
