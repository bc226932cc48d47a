// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// errLayout reports that the kernel shows a 32-bit program another layout.
var errLayout = errors.New("a 32-bit program can't read it")

// legacyForwards adds the forwards in legacy iptables to a table, and returns what failed.
func (r *Reader) legacyForwards(ctx context.Context, host *nsinspect.Host, local *localAddresses, table *Table) []error {
	var failures []error
	for _, family := range legacyFamilies() {
		for _, name := range [...]string{natTable, mangleTable} {
			family.table = name
			// Each has a timeout of its own: what blocks one must not hide the other.
			limited, cancel := context.WithTimeout(ctx, maxForwardTime)
			found, err := r.legacyFamilyForwards(limited, host, local, &family)
			cancel()
			table.add(&found)
			if err != nil {
				failures = append(failures, fmt.Errorf("read the table %q of legacy iptables: %w", object{family: family.family, table: name}.tableName(), err))
				break // What holds up one table of a family holds up the other as well.
			}
		}
	}
	return failures
}

func (r *Reader) legacyFamilyForwards(ctx context.Context, host *nsinspect.Host, local *localAddresses, family *legacyFamily) (Table, error) {
	table, err := r.askLegacy(ctx, host, family)
	if errors.Is(err, errNoTable) {
		return Table{}, nil
	}
	if err != nil {
		return Table{}, err
	}
	defer table.free()
	reader := newTracer(table, r.names, local, defaultLimits())
	err = reader.read(ctx)
	return reader.result(), err
}

// askLegacy is readLegacy, but ends with the context. The caller frees the table.
//
// The kernel answers under a lock that all network namespaces share, and holds it while it
// writes to the memory of the process that asked. A process that never takes its answer blocks
// all others, and no signal ends their waiting. The goroutine that is left behind here then ends
// when the kernel answers; there is never more than one for a family.
func (r *Reader) askLegacy(ctx context.Context, host *nsinspect.Host, family *legacyFamily) (*legacyTable, error) {
	if strconv.IntSize == 32 {
		return nil, errLayout
	}
	asking := r.asking[family.number]
	select {
	case asking <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type answer struct {
		table *legacyTable
		err   error
	}
	answers := make(chan answer)
	asked := *family // This goroutine may outlive the call.
	go func() {
		table, err := readLegacy(host, &asked)
		<-asking
		select {
		case answers <- answer{table, err}:
		case <-ctx.Done():
			if err == nil {
				table.free()
			}
		}
	}()
	select {
	case a := <-answers:
		return a.table, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// add adds what was read elsewhere.
func (t *Table) add(other *Table) {
	t.Forwards = append(t.Forwards, other.Forwards...)
	t.Rules += other.Rules
	t.Ignored += other.Ignored
	t.Opaque = append(t.Opaque, other.Opaque...)
	t.Unread = append(t.Unread, other.Unread...)
}
