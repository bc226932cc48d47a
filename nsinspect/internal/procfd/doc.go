// Package procfd opens, reads and lists files relative to the handle of a directory, as
// openat(2) does, and tells the outcomes of that apart. It is made for procfs: its files are
// read at once, and what they are about may be gone.
package procfd
