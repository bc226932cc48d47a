// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// statBufSize is well above the 52 numbers of proc_pid_stat(5).
const statBufSize = 4 << 10

// pfKthread is PF_KTHREAD of linux/sched.h, in the flags of proc_pid_stat(5).
const pfKthread = 0x00200000

// procStat is what is used of /proc/PID/stat.
type procStat struct {
	state byte
	ppid  uint64
	flags uint64
	// start is when it started, in ticks since the system did.
	start uint64
}

// dead reports whether the process or thread is a zombie or dead.
func (s procStat) dead() bool { return isDead(s.state) }

func isDead(state byte) bool { return state == 'Z' || state == 'X' || state == 'x' }

// isKthreadd reports whether this is a kernel thread without a parent. Such a process is seen
// in the initial pid namespace only.
func (s procStat) isKthreadd() bool { return s.flags&pfKthread != 0 && s.ppid == 0 }

// parseStat decodes the text of /proc/PID/stat. The command, the second field, stands in
// parentheses and may itself hold parentheses, spaces and line breaks: only numbers follow
// the last parenthesis.
func parseStat(text []byte) (procStat, bool) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return procStat{}, false
	}
	// Fields 3, 4, 9 and 22 of the whole line are used.
	fields := procfd.FieldsOf(bytes.TrimSuffix(text[end+1:], []byte("\n")))
	state := fields.Next()
	stat := procStat{ppid: fields.Uint(10, 31)}
	fields.Skip(4)
	stat.flags = fields.Uint(10, 64)
	fields.Skip(12)
	stat.start = fields.Uint(10, 64)
	if len(state) != 1 || !fields.Whole() {
		return procStat{}, false
	}
	stat.state = state[0]
	return stat, true
}
