package nsinspect

import (
	"bytes"
	"strconv"
)

// statBufSize is well above the 52 numbers of proc_pid_stat(5).
const statBufSize = 4 << 10

// pfKthread is PF_KTHREAD of linux/sched.h, in the flags of proc_pid_stat(5).
const pfKthread = 0x00200000

// procStat is what is used of /proc/PID/stat.
type procStat struct {
	state byte
	ppid  int
	flags uint64
	// start is the time of the start, in ticks since the system's.
	start uint64
}

// dead says whether the process or thread is a zombie, or beyond.
func (s procStat) dead() bool { return s.state == 'Z' || s.state == 'X' || s.state == 'x' }

// isKthreadd says whether this is a kernel thread without a parent. Such a process is seen
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
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return procStat{}, false
	}
	ppid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return procStat{}, false
	}
	flags, err := strconv.ParseUint(string(fields[6]), 10, 64)
	if err != nil {
		return procStat{}, false
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return procStat{}, false
	}
	return procStat{state: fields[0][0], ppid: ppid, flags: flags, start: start}, true
}
