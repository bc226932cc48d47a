// SPDX-License-Identifier: Apache-2.0

// Package procfd opens, reads and lists files relative to the handle of a directory, as
// openat(2) does, and tells the outcomes apart. It is made for procfs, where what a file is
// about may be gone at any time.
package procfd
