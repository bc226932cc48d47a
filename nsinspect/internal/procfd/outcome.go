// SPDX-License-Identifier: Apache-2.0

package procfd

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The outcomes of a read that gave no value. They are told apart with errors.Is.
var (
	// ErrVanished reports that the process or thread ended: normal, not a gap.
	ErrVanished = errors.New("vanished")
	// ErrDenied reports that the kernel or a security module refused access: a gap.
	ErrDenied = errors.New("denied")
	// ErrTooLarge reports that there was more than a cap allows, so that not all was read.
	ErrTooLarge = errors.New("larger than its cap")
	// ErrCovered reports that something is mounted over what was to be read, which hides it: a gap.
	ErrCovered = errors.New("something is mounted over")
)

// Classify turns an errno of a read below /proc/PID into one of the outcomes. The
// errno stays in the chain.
func Classify(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return fmt.Errorf("%s: %w: %w", doing, ErrVanished, err)
	case IsDenial(err):
		return fmt.Errorf("%s: %w: %w", doing, ErrDenied, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// IsDenial reports whether an error is an errno that refuses a look.
func IsDenial(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
}
