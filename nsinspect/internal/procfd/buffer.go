// SPDX-License-Identifier: Apache-2.0

package procfd

import "sync"

// Buffers lends buffers for listing directories. Each is larger than most listings, so that
// one for each listing would be most of the memory that a scan of a node takes. The zero value
// is ready for use.
type Buffers struct{ pool sync.Pool }

// Buffer holds about 1,300 entries of 24 bytes: one getdents64(2) for most directories.
type Buffer [32 << 10]byte

// Borrow returns a buffer, with anything in it. The caller gives it back.
func (b *Buffers) Borrow() *Buffer {
	if buffer, ok := b.pool.Get().(*Buffer); ok {
		return buffer
	}
	return new(Buffer)
}

// Return takes a buffer back.
func (b *Buffers) Return(buffer *Buffer) { b.pool.Put(buffer) }
