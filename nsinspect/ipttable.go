package nsinspect

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// legacyHooks is the number of places where packets enter a table (NF_INET_NUMHOOKS).
const legacyHooks = 5

// legacyInfo is struct xt_getinfo: where in the entries packets begin, by hook, and where
// the rule stands that decides on what is left.
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

// legacyTable is a table of legacy iptables: entries one behind the other, of which those
// with the target ERROR begin a chain. A jump leads to an entry, mostly a chain's first.
//
// It answers the dumps that the reader of forwards asks for.
type legacyTable struct {
	family  byte
	layout  entryLayout
	entries []byte
	// starts are the offsets of the entries, ascending.
	starts []int
	// names are the chains by the offsets of their first entries, and chains the reverse.
	names  map[int]string
	chains map[string]int
	// ends are the offsets behind the chains that have no next chain's heading behind them.
	ends map[string]int
	// queue are the chains in which packets enter.
	queue []visit
}

// errMalformed says that the entries are not what the kernel's own checks let pass
// (net/netfilter/x_tables.c, xt_check_entry_offsets).
func errMalformed(offset int) error { return fmt.Errorf("the entry at byte %d is malformed", offset) }

// parseLegacy finds the chains of a table.
func parseLegacy(family *legacyFamily, dump *legacyDump) (*legacyTable, error) {
	t := &legacyTable{
		family:  family.family,
		layout:  family.layout,
		entries: dump.entries,
		names:   make(map[int]string),
		chains:  make(map[string]int),
		ends:    make(map[string]int),
	}
	headings := make(map[int]string)
	for offset := 0; offset < len(t.entries); {
		entry, ok := t.layout.cut(t.entries[offset:])
		if !ok {
			return nil, errMalformed(offset)
		}
		t.starts = append(t.starts, offset)
		offset += len(entry)
		if target := t.layout.target(entry); target.name == errorTarget && offset < len(t.entries) {
			headings[offset] = cString(target.info[:min(len(target.info), chainNameSize)])
		}
	}
	info := decodeInfo(&dump.info)
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
	for _, start := range t.starts {
		if name, ok := headings[start]; ok {
			t.addChain(start, name)
		}
	}
	return t, nil
}

// addHook adds a chain in which packets enter. It ends with its policy.
func (t *legacyTable) addHook(name string, start, underflow int) error {
	for _, offset := range [...]int{start, underflow} {
		if _, ok := slices.BinarySearch(t.starts, offset); !ok {
			return errMalformed(offset)
		}
	}
	if underflow >= start {
		t.ends[name] = underflow
	}
	t.names[start], t.chains[name] = name, start
	t.queue = append(t.queue, visit{t.object(name), anyPacket()})
	return nil
}

// addChain gives the chain that starts here a name that no other has, and returns it.
func (t *legacyTable) addChain(start int, name string) string {
	if name, ok := t.names[start]; ok {
		return name
	}
	if _, taken := t.chains[name]; taken {
		name = fmt.Sprintf("%s+%d", name, start)
	}
	t.names[start], t.chains[name] = name, start
	return name
}

// chainAt returns the chain that a jump leads to.
func (t *legacyTable) chainAt(offset int) (string, bool) {
	if name, ok := t.names[offset]; ok {
		return name, true
	}
	if _, ok := slices.BinarySearch(t.starts, offset); !ok {
		return "", false
	}
	// Programs jump to beginnings only, but the kernel takes any.
	return t.addChain(offset, fmt.Sprintf("byte %d", offset)), true
}

func (t *legacyTable) object(chain string) nftObject {
	return nftObject{t.family, natTable, chain}
}

// dump calls visit with each rule of a chain. The last entry, which only goes back or is the
// policy, is none.
func (t *legacyTable) dump(_ context.Context, ask nftDump, visit func(nftMessage) error) error {
	offset, ok := t.chains[ask.of.name]
	if !ok {
		return nil
	}
	end, ok := t.ends[ask.of.name]
	if !ok {
		end = len(t.entries)
	}
	for offset <= end && offset < len(t.entries) {
		entry, ok := t.layout.cut(t.entries[offset:])
		target := t.layout.target(entry)
		if !ok || target.name == errorTarget {
			return nil
		}
		offset += len(entry)
		if t.closes(&target, offset, end) {
			return nil
		}
		if err := visit(nftMessage{t.family, entry}); err != nil {
			return err
		}
	}
	return nil
}

// closes says whether a target is the last of its chain, and leads nowhere.
func (t *legacyTable) closes(target *xtExtension, next, end int) bool {
	if verdict, ok := target.verdict(); !ok || verdict >= 0 {
		return false
	}
	if next > end || next == len(t.entries) {
		return true
	}
	following, ok := t.layout.cut(t.entries[next:])
	return ok && t.layout.target(following).name == errorTarget
}
