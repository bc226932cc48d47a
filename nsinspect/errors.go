// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// The outcomes of a read that gave no value. They are told apart with errors.Is.
var (
	// ErrVanished reports that the process or thread ended: normal, not a gap.
	ErrVanished = procfd.ErrVanished
	// ErrDenied reports that the kernel or a security module refused access: a gap.
	ErrDenied = procfd.ErrDenied
	// ErrTooLarge reports that there was more than a cap allows, so that not all was read.
	ErrTooLarge = procfd.ErrTooLarge
	// ErrCovered reports that something is mounted over a process, or over a part of it, so that what
	// would be read is not the kernel's: a gap.
	ErrCovered = procfd.ErrCovered
	// ErrNoProcfs reports that a path is not the root of a readable procfs.
	ErrNoProcfs = errors.New("not a readable procfs")
	// ErrNoHost reports that there is no host reference.
	ErrNoHost = errors.New("there is no host reference")
	// ErrAbsent reports that the kernel has no such file: what it is about is not built in, or
	// not loaded.
	ErrAbsent = errors.New("the kernel does not have it")
)
