// SPDX-License-Identifier: Apache-2.0

// Package nlattr walks netlink attributes (netlink(7)). It copies nothing, since a message has
// dozens of attributes of which few are used, and what is malformed is an error: the kernel
// sends no such message, and half of one must not pass for a whole.
package nlattr

import (
	"encoding/binary"
	"errors"
	"iter"
)

// ErrMalformed reports that a message is not made of attributes.
var ErrMalformed = errors.New("malformed netlink attribute")

const (
	// headerSize is the size of struct nlattr, alignment that of each attribute.
	headerSize, alignment = 4, 4
	// typeMask leaves out the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER.
	typeMask = 1<<14 - 1
)

// Attribute is an attribute. Its data are part of the message.
type Attribute struct {
	Type uint16
	Data []byte
}

// All walks the attributes in a message, or in an attribute with nested ones. It ends with the
// first error.
func All(message []byte) iter.Seq2[Attribute, error] {
	return func(yield func(Attribute, error) bool) {
		for len(message) > 0 {
			attribute, rest, ok := cut(message)
			if !ok {
				yield(Attribute{}, ErrMalformed)
				return
			}
			if !yield(attribute, nil) {
				return
			}
			message = rest
		}
	}
}

// Find returns the data of the first attribute of a type; nil if there is none.
func Find(message []byte, kind uint16) ([]byte, error) {
	for attribute, err := range All(message) {
		if err != nil {
			return nil, err
		}
		if attribute.Type == kind {
			return attribute.Data, nil
		}
	}
	return nil, nil
}

// cut cuts off the first attribute.
func cut(b []byte) (attribute Attribute, rest []byte, ok bool) {
	if len(b) < headerSize {
		return Attribute{}, nil, false
	}
	length := int(binary.NativeEndian.Uint16(b))
	if length < headerSize || length > len(b) {
		return Attribute{}, nil, false
	}
	// The kernel pads the last one as well, but the message may end without.
	padded := min((length+alignment-1)&^(alignment-1), len(b))
	return Attribute{binary.NativeEndian.Uint16(b[2:]) & typeMask, b[headerSize:length]}, b[padded:], true
}
