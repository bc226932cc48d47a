// SPDX-License-Identifier: Apache-2.0

// Package vmwire defines the guest's messages to the host over the virtio-serial port:
// one JSON object a line. The test's own output travels quoted inside such an
// object, so nothing a test prints can be mistaken for a message of the guest.
package vmwire

// PortName names the virtio-serial port that connects guest and host.
const PortName = "nsaudit.report"

// Serial numbers by which the guest tells its disks apart; the order in which
// the kernel finds them is no promise.
const (
	DiskRoot    = "nsaudit-root"
	DiskModules = "nsaudit-modules"
	DiskPayload = "nsaudit-payload"
)

// PayloadDir is where the payload disk is mounted in the guest.
const PayloadDir = "/opt/nsaudit"

// Names inside PayloadDir.
const (
	PlanFile      = "plan.json"
	GuestBinary   = "guest"
	TestBinary    = "containerd.test"
	NsauditBinary = "nsaudit"
	ContainerdDir = "containerd"
)

// EarlyModules is the directory of the initramfs whose kernel modules the guest
// loads in the order of their names.
const EarlyModules = "early"

// Plan is what the guest is to run: the host writes it into PlanFile.
type Plan struct {
	// Args are the arguments of the test binary.
	Args []string `json:"args"`
	// Env is added to the environment of the test binary.
	Env []string `json:"env"`
}

// Message is one line from the guest; exactly one field is set.
type Message struct {
	Facts  *Facts  `json:"facts,omitempty"`
	Output *string `json:"output,omitempty"`
	Exit   *Exit   `json:"exit,omitempty"`
}

// Facts describes the kernel that the tests are about to meet.
type Facts struct {
	// Release is what uname -r prints.
	Release string `json:"release"`
	// Cgroup is the file system type of /sys/fs/cgroup, as stat -f names it.
	Cgroup string `json:"cgroup"`
	// AppArmor reports whether the kernel has it switched on.
	AppArmor bool `json:"apparmor"`
	// AppArmorMode is the kernel-wide mode, "enforce" by default.
	AppArmorMode string `json:"apparmorMode"`
	// AppArmorParser reports whether containerd can load its default profile.
	AppArmorParser bool `json:"apparmorParser"`
}

// Exit is the guest's last message: how the test binary ended.
type Exit struct {
	// Code is its exit code, -1 if it was killed or never started.
	Code int `json:"code"`
	// Error says more when Code alone does not.
	Error string `json:"error,omitempty"`
}
