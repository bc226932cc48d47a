// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxEntries caps each list and map that is decoded of a security context. What goes with it can
// be some hundred mounts; more supplementary groups than a few are rare.
const maxEntries = 1024

// list is a JSON array that is decoded up to maxEntries: a document of maxDocument may have a
// million of empty objects, which would take many times its size.
type list[T any] struct {
	entries []T
	// more: there are more entries than were decoded.
	more bool
}

// UnmarshalJSON implements [json.Unmarshaler]. The decoder hands over a whole value.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	*l = list[T]{}
	if string(data) == "null" {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return fmt.Errorf("%.16q is no list", data)
	}
	for decoder.More() {
		if len(l.entries) == maxEntries {
			l.more = true
			return nil
		}
		var entry T
		if err := decoder.Decode(&entry); err != nil {
			return err
		}
		l.entries = append(l.entries, entry)
	}
	return nil
}
