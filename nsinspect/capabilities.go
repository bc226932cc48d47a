// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"fmt"
	"math/bits"
)

// Capabilities is a set of capabilities (capabilities(7)): bit n is the capability of number n.
type Capabilities uint64

// capabilityNames are the names by number, as linux/capability.h has them without CAP_.
var capabilityNames = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

// KnownCapabilities returns the capabilities that this program has a name for.
func KnownCapabilities() Capabilities { return 1<<len(capabilityNames) - 1 }

// Names returns the names of the set's capabilities by number, without CAP_. One that is
// younger than this program is called by its number: "CAP_41".
func (c Capabilities) Names() []string {
	var names []string
	for rest := uint64(c); rest != 0; rest &= rest - 1 {
		n := bits.TrailingZeros64(rest)
		if n < len(capabilityNames) {
			names = append(names, capabilityNames[n])
		} else {
			names = append(names, fmt.Sprintf("CAP_%d", n))
		}
	}
	return names
}

// Without returns the capabilities that are not in the other set.
func (c Capabilities) Without(other Capabilities) Capabilities { return c &^ other }

// CapabilityNamed returns the capability of this name, without CAP_ and in capital letters.
func CapabilityNamed(name string) (Capabilities, bool) {
	for n, known := range capabilityNames {
		if known == name {
			return 1 << n, true
		}
	}
	return 0, false
}
