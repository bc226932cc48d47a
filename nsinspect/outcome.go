package nsinspect

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The outcomes of a read that gave no value. They are told apart with errors.Is.
var (
	// errVanished says that the process or thread ended: normal, not a gap.
	errVanished = errors.New("vanished")
	// errDenied says that the kernel or a security module refused the look: a gap.
	errDenied = errors.New("denied")
	// errTooLarge says that a text was longer than its cap, so it was not judged.
	errTooLarge = errors.New("larger than its cap")
)

// classify turns an errno of a read below /proc/PID into one of the outcomes. The
// errno stays in the chain.
func classify(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return fmt.Errorf("%s: %w: %w", doing, errVanished, err)
	case isDenial(err):
		return fmt.Errorf("%s: %w: %w", doing, errDenied, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// isDenial reports whether an error is an errno that refuses a look.
func isDenial(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
}
