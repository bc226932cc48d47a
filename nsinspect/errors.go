package nsinspect

import (
	"errors"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// The outcomes of a read that gave no value. They are told apart with errors.Is.
var (
	// ErrVanished says that the process or thread ended: normal, not a gap.
	ErrVanished = procfd.ErrVanished
	// ErrDenied says that the kernel or a security module refused the look: a gap.
	ErrDenied = procfd.ErrDenied
	// ErrTooLarge says that a text was longer than its cap, so it was not judged.
	ErrTooLarge = procfd.ErrTooLarge
	// ErrNoProcfs says that a path is not the root of a readable procfs.
	ErrNoProcfs = errors.New("not a readable procfs")
	// ErrNoHost says that there is no host reference.
	ErrNoHost = errors.New("there is no host reference")
	// ErrAbsent says that the kernel has no such file: what it is about is not built in, or
	// not loaded.
	ErrAbsent = errors.New("the kernel does not have it")
)
