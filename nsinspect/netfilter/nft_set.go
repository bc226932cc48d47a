// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bytes"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// Attributes and flags younger than the constants of golang.org/x/sys
// (include/uapi/linux/netfilter/nf_tables.h).
const nftaSetElemKeyEnd = 10

// decodeElements calls visit with the elements in one message.
func decodeElements(message []byte, visit func(element) error) error {
	list, err := nlattr.Find(message, unix.NFTA_SET_ELEM_LIST_ELEMENTS)
	if err != nil {
		return err
	}
	for attribute, err := range nlattr.All(list) {
		if err != nil {
			return err
		}
		if attribute.Type != unix.NFTA_LIST_ELEM {
			continue
		}
		e, err := decodeElement(attribute.Data)
		if err != nil {
			return err
		}
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

func decodeElement(message []byte) (element, error) {
	var e element
	for attribute, err := range nlattr.All(message) {
		if err != nil {
			return element{}, err
		}
		switch data := attribute.Data; attribute.Type {
		case unix.NFTA_SET_ELEM_KEY:
			e.key, err = elementValue(data)
		case nftaSetElemKeyEnd:
			e.end, err = elementValue(data)
		case unix.NFTA_SET_ELEM_DATA:
			if e.data, err = elementValue(data); err == nil {
				e.chain, err = verdictChain(data)
			}
		case unix.NFTA_SET_ELEM_FLAGS:
			flags, _ := number(data)
			e.closes = flags&unix.NFT_SET_ELEM_INTERVAL_END != 0
		}
		if err != nil {
			return element{}, err
		}
	}
	return e, nil
}

// elementValue copies a value, so that the much larger message can be freed.
func elementValue(data []byte) ([]byte, error) {
	value, err := nlattr.Find(data, unix.NFTA_DATA_VALUE)
	return bytes.Clone(value), err
}

// closeRanges merges the elements of a set of ranges with their ends, which the kernel keeps as
// elements of their own (net/netfilter/nft_set_rbtree.c).
func closeRanges(elements []element) []element {
	if !slices.ContainsFunc(elements, func(e element) bool { return e.closes }) {
		return elements
	}
	slices.SortStableFunc(elements, func(a, b element) int { return bytes.Compare(a.key, b.key) })
	var ranges []element
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

// match returns the match of the packets with this key, and reports whether there can be any.
func (e *element) match(key []part) (match, bool) {
	m := anyPacket()
	end := e.end
	if end == nil {
		end = e.key
	}
	for _, p := range key {
		from, to, whole := p.fieldRange(e.key, end)
		if !whole {
			continue // It is not a part of the key.
		}
		var ok bool
		if m, ok = m.within(p.field, from, to); !ok {
			return m, false
		}
	}
	return m, true
}

// complement returns elements for all ports that are in none of the given elements.
func complement(elements []element) []element {
	ports := slices.Clone(elements)
	slices.SortFunc(ports, func(a, b element) int { return bytes.Compare(a.key, b.key) })
	var others []element
	next := 0
	add := func(from, to int) {
		if from <= to {
			others = append(others, element{
				key: binary.BigEndian.AppendUint16(nil, uint16(from)), end: binary.BigEndian.AppendUint16(nil, uint16(to)),
			})
		}
	}
	for _, e := range ports {
		end := e.end
		if end == nil {
			end = e.key
		}
		if len(e.key) < 2 || len(end) < 2 {
			continue
		}
		add(next, int(binary.BigEndian.Uint16(e.key))-1)
		next = max(next, int(binary.BigEndian.Uint16(end))+1)
	}
	add(next, maxPort)
	return others
}
