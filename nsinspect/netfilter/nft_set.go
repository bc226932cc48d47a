package netfilter

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"
)

// Attributes and flags younger than the constants of golang.org/x/sys
// (include/uapi/linux/netfilter/nf_tables.h).
const nftaSetElemKeyEnd = 10

// setElement is an element of a set or map of nf_tables.
type setElement struct {
	// key is the value, or the first of a range up to end. A map's element for everything
	// else has none.
	key, end []byte
	// data is what a map gives for it, and chain where a verdict map leads.
	data  []byte
	chain string
	// closes says that it is the first value behind a range.
	closes bool
}

// decodeElements calls visit with the elements in one message.
func decodeElements(message []byte, visit func(setElement) error) error {
	for kind, data := range attributes(attribute(message, unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
		if kind != unix.NFTA_LIST_ELEM {
			continue
		}
		if err := visit(decodeElement(data)); err != nil {
			return err
		}
	}
	return nil
}

func decodeElement(message []byte) setElement {
	var e setElement
	for kind, data := range attributes(message) {
		switch kind {
		case unix.NFTA_SET_ELEM_KEY:
			e.key = elementValue(data)
		case nftaSetElemKeyEnd:
			e.end = elementValue(data)
		case unix.NFTA_SET_ELEM_DATA:
			e.data, e.chain = elementValue(data), verdictChain(data)
		case unix.NFTA_SET_ELEM_FLAGS:
			flags, _ := number(data)
			e.closes = flags&unix.NFT_SET_ELEM_INTERVAL_END != 0
		}
	}
	return e
}

// elementValue copies a value: the message is much larger than what is kept of it.
func elementValue(data []byte) []byte {
	return bytes.Clone(attribute(data, unix.NFTA_DATA_VALUE))
}

// closeRanges gives elements of a set of ranges their ends. The kernel keeps the ends of ranges
// as elements of their own (net/netfilter/nft_set_rbtree.c).
func closeRanges(elements []setElement) []setElement {
	if !slices.ContainsFunc(elements, func(e setElement) bool { return e.closes }) {
		return elements
	}
	slices.SortStableFunc(elements, func(a, b setElement) int { return bytes.Compare(a.key, b.key) })
	var ranges []setElement
	for i, e := range elements {
		if e.closes {
			continue
		}
		if e.key == nil {
			ranges = append(ranges, e)
			continue
		}
		e.end = bytes.Repeat([]byte{0xff}, len(e.key))
		for _, next := range elements[i+1:] {
			if len(next.key) == len(e.key) && !bytes.Equal(next.key, e.key) {
				e.end = add(next.key, 0xff)
				break
			}
		}
		ranges = append(ranges, e)
	}
	return ranges
}

// match returns what the element asks of the parts of its key, and whether anything can pass.
func (e *setElement) match(key []part) (match, bool) {
	m := anyPacket()
	end := e.end
	if end == nil {
		end = e.key
	}
	for _, p := range key {
		from, to, whole := p.fieldRange(e.key, end)
		if !whole {
			continue // It lies behind the key.
		}
		var ok bool
		if m, ok = m.within(p.field, from, to); !ok {
			return m, false
		}
	}
	return m, true
}
