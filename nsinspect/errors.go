package nsinspect

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The outcomes of a read that gave no value. They are told apart with errors.Is.
var (
	// ErrVanished says that the process or thread ended: normal, not a gap.
	ErrVanished = errors.New("vanished")
	// ErrDenied says that the kernel or a security module refused the look: a gap.
	ErrDenied = errors.New("denied")
	// ErrNoProcfs says that a path is not the root of a readable procfs.
	ErrNoProcfs = errors.New("not a readable procfs")
	// ErrTooLarge says that a text was longer than its cap, so it was not judged.
	ErrTooLarge = errors.New("larger than its cap")
	// ErrNoCgroup2 says that the host's cgroups are not those of v2 alone.
	ErrNoCgroup2 = errors.New("the host does not have cgroup v2 alone")
)

// classify turns an errno of a read below /proc/PID into one of the outcomes. The
// errno stays in the chain.
func classify(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return fmt.Errorf("%s: %w: %w", doing, ErrVanished, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: %w: %w", doing, ErrDenied, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}
