// SPDX-License-Identifier: Apache-2.0

package level

// control is a control of the Pod Security Standards.
type control uint8

// The controls, in the order of the standards' documentation: first those of Baseline.
const (
	hostNamespaces control = iota
	privilegedContainers
	capabilities
	hostPathVolumes
	hostPorts
	hostProbes
	appArmor
	seLinux
	procMount
	seccomp
	sysctls
	volumeTypes
	privilegeEscalation
	nonRoot

	numControls
)

// controlNames are the names that the standards' documentation gives them. Windows' HostProcess is
// not among them. Running as Non-root and Running as Non-root user are one: the kernel is asked
// for the fact and not for the field.
var controlNames = [numControls]string{
	hostNamespaces:       "Host Namespaces",
	privilegedContainers: "Privileged Containers",
	capabilities:         "Capabilities",
	hostPathVolumes:      "HostPath Volumes",
	hostPorts:            "Host Ports",
	hostProbes:           "Host Probes / Lifecycle Hooks",
	appArmor:             "AppArmor",
	seLinux:              "SELinux",
	procMount:            "/proc Mount Type",
	seccomp:              "Seccomp",
	sysctls:              "Sysctls",
	volumeTypes:          "Volume Types",
	privilegeEscalation:  "Privilege Escalation",
	nonRoot:              "Running as Non-root",
}

// controlSet is a set of controls.
type controlSet uint16

func (s controlSet) with(controls ...control) controlSet {
	for _, c := range controls {
		s |= 1 << c
	}
	return s
}

// names returns the names, in the order of the documentation.
func (s controlSet) names() []string {
	var names []string
	for c := range numControls {
		if s&(1<<c) != 0 {
			names = append(names, controlNames[c])
		}
	}
	return names
}
