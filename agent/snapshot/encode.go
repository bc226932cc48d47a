// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// APIVersion is the version of the documents that nsaudit writes, and SnapshotKind the
// kind of a saved snapshot.
const (
	APIVersion   = "nsaudit.io/v1alpha1"
	SnapshotKind = "Snapshot"
)

// Caps of a snapshot that is read. A node with as many processes in containers as a scan
// records fits.
const (
	maxSnapshot   = 128 << 20
	maxContainers = 50_000
	maxGroups     = 500_000
)

// Errors of Decode.
var (
	ErrNotSnapshot = errors.New("not a snapshot of nsaudit")
	ErrVersion     = errors.New("another version of the format")
	ErrTruncated   = errors.New("truncated")
)

// format numbers the forms of a saved snapshot. A form that an older nsaudit wrote is
// refused: read as today's, what was unknown in it would pass for clean.
const format = 4

type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Format     int    `json:"format"`
}

// document is a snapshot as it is saved.
type document struct {
	header
	*Snapshot
}

// Encode writes a snapshot for Decode.
func Encode(w io.Writer, snapshot *Snapshot) error {
	if err := json.NewEncoder(w).Encode(document{header{APIVersion, SnapshotKind, format}, snapshot}); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// Decode reads a snapshot that Encode wrote, perhaps another version's, elsewhere. Errors
// wrap ErrNotSnapshot, ErrVersion or ErrTruncated.
func Decode(r io.Reader) (*Snapshot, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSnapshot+1))
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	if len(text) > maxSnapshot {
		return nil, fmt.Errorf("read snapshot: %w: more than %d bytes", ErrNotSnapshot, maxSnapshot)
	}
	var head header
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, syntaxError(text, err)
	}
	if head.Kind != SnapshotKind {
		return nil, fmt.Errorf("read snapshot: %w: its kind is %q", ErrNotSnapshot, head.Kind)
	}
	if head.APIVersion != APIVersion {
		return nil, fmt.Errorf("read snapshot: %w: it is %q, this nsaudit reads %q", ErrVersion, head.APIVersion, APIVersion)
	}
	if head.Format != format {
		return nil, fmt.Errorf("read snapshot: %w: it has form %d, this nsaudit reads form %d: save it again with this nsaudit", ErrVersion, head.Format, format)
	}
	if err := checkShape(text); err != nil {
		return nil, err
	}
	snapshot := new(Snapshot)
	if err := json.Unmarshal(text, snapshot); err != nil {
		return nil, fmt.Errorf("read snapshot: %w: %w", ErrNotSnapshot, err)
	}
	if err := validate(snapshot); err != nil {
		return nil, fmt.Errorf("read snapshot: %w: %w", ErrNotSnapshot, err)
	}
	return snapshot, nil
}

// checkShape counts before anything is decoded: a container takes two bytes in the file,
// and some hundred in memory.
func checkShape(text []byte) error {
	var shape struct {
		Containers []struct {
			Processes []struct {
				Groups      []struct{} `json:"groups"`
				Credentials []struct{} `json:"credentials"`
			} `json:"processes"`
			Credentials []struct{} `json:"credentials"`
			Held        []struct{} `json:"held"`
			Sightings   []struct {
				Visitors []struct{} `json:"visitors"`
			} `json:"sightings"`
		} `json:"containers"`
	}
	if err := json.Unmarshal(text, &shape); err != nil {
		return fmt.Errorf("read snapshot: %w: %w", ErrNotSnapshot, err)
	}
	groups := 0
	for _, container := range shape.Containers {
		groups += len(container.Credentials) + len(container.Held)
		for _, sighting := range container.Sightings {
			groups += 1 + len(sighting.Visitors)
		}
		for _, process := range container.Processes {
			groups += max(1, len(process.Groups)+len(process.Credentials))
		}
	}
	if len(shape.Containers) > maxContainers || groups > maxGroups {
		return fmt.Errorf("read snapshot: %w: more than %d containers or %d groups of threads", ErrNotSnapshot, maxContainers, maxGroups)
	}
	return nil
}

// syntaxError tells a file that ends too early from one that is something else.
func syntaxError(text []byte, err error) error {
	var syntax *json.SyntaxError
	if len(text) == 0 || errors.As(err, &syntax) && syntax.Offset >= int64(len(text)) {
		return fmt.Errorf("read snapshot: %w at byte %d", ErrTruncated, len(text))
	}
	return fmt.Errorf("read snapshot: %w: %w", ErrNotSnapshot, err)
}
