// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// errNoScan is the answer of the checks before the first scan is done.
var errNoScan = errors.New("no scan is done yet")

// Connected reports whether there is a connection to containerd.
func (a *Agent) Connected() bool { return a.watcher.Err() == nil }

// Scanned is closed once the first full scan has ended, whether it succeeded or not.
func (a *Agent) Scanned() <-chan struct{} { return a.scanned }

// CheckLoop returns an error if the agent hangs: a scan runs for far longer than it may. A
// read of procfs can block in the kernel, where nothing can interrupt it.
func (a *Agent) CheckLoop() error {
	since := a.busySince.Load()
	if since == 0 {
		return nil
	}
	if busy := time.Since(time.Unix(0, since)); busy > 2*a.config.Timeout {
		return fmt.Errorf("a scan has been running for %s, and may take %s", busy.Round(time.Second), a.config.Timeout)
	}
	return nil
}

// CheckScan returns an error unless a full scan has succeeded recently.
func (a *Agent) CheckScan() error {
	last := a.lastFull.Load()
	switch {
	case last == nil:
		return errNoScan
	case last.err != nil:
		return last.err
	}
	if age := time.Since(last.success); age > 2*a.config.Interval+a.config.Timeout {
		return fmt.Errorf("the last full scan was %s ago, and one is due every %s", age.Round(time.Second), a.config.Interval)
	}
	return nil
}

// CheckHost returns an error if there is no host reference, so that nothing can be compared
// with the host.
func (a *Agent) CheckHost() error {
	result := a.result.Load()
	if result == nil {
		return errNoScan
	}
	return hostProblem(result.Snapshot.Coverage.Gaps)
}

// hostProblem joins why there is no host reference with what was denied, which mostly is the
// cause.
func hostProblem(gaps []snapshot.Gap) error {
	var errs []error
	lost := false
	for _, gap := range gaps {
		lost = lost || gap.Cause == snapshot.CauseHost
		if gap.Cause == snapshot.CauseHost || gap.Cause == snapshot.CauseDenied {
			errs = append(errs, errors.New(gap.Detail))
		}
	}
	if !lost {
		return nil
	}
	return fmt.Errorf("no container can be compared with the host: %w", errors.Join(errs...))
}

// CheckRuntime returns an error unless the last full scan got the containers from
// containerd.
func (a *Agent) CheckRuntime() error {
	if err := a.watcher.Err(); err != nil {
		return err
	}
	result := a.result.Load()
	if result == nil {
		return errNoScan
	}
	if inv := result.Snapshot.Inventory; inv.Source != inventory.FromContainerd {
		if len(inv.Problems) > 0 {
			return errors.New(inv.Problems[0])
		}
		return errors.New("the last full scan could not ask containerd")
	}
	return nil
}
