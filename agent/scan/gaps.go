// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"errors"
	"strings"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// gapOf makes a gap of an error.
func gapOf(err error) snapshot.Gap { return snapshot.Gap{Cause: causeOf(err), Detail: oneLine(err)} }

// causeOf classifies an error of a read.
func causeOf(err error) snapshot.Cause {
	switch {
	case errors.Is(err, nsinspect.ErrDenied):
		return snapshot.CauseDenied
	case errors.Is(err, nsinspect.ErrTooLarge):
		return snapshot.CauseLimit
	}
	return snapshot.CauseRead
}

// oneLine joins the lines of a joined error.
func oneLine(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
