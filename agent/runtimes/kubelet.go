// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// kubeletID recognises containers below a pod's cgroup that say nothing of their runtime, as
// with the kubelet's cgroupfs driver.
func kubeletID(e element) (string, bool) {
	_, inPod := podUIDOf(e.parent)
	return e.name, inPod && isID(e.name)
}

// podUIDOf recognises the kubelet's pod cgroups: podUID (cgroupfs), and
// kubepods-QOS-podUID.slice (systemd), in which the uid's dashes are underscores. A static
// pod's uid is a hash without dashes. The form with colons holds the slice as well.
func podUIDOf(element string) (string, bool) {
	if slice, _, ok := strings.Cut(element, ".slice"); ok {
		i := strings.LastIndex(slice, "-pod")
		if i < 0 || !strings.Contains(slice[:i], "kubepods") {
			return "", false
		}
		return asUID(strings.ReplaceAll(slice[i+len("-pod"):], "_", "-"))
	}
	uid, ok := strings.CutPrefix(element, "pod")
	if !ok {
		return "", false
	}
	return asUID(uid)
}

// asUID accepts the two forms of a pod's uid: 8-4-4-4-12 and, for static pods, 32 hex
// digits.
func asUID(text string) (string, bool) {
	if len(text) != 36 && len(text) != 32 {
		return "", false
	}
	for i := range len(text) {
		if !isHex(text[i]) && (text[i] != '-' || len(text) == 32) {
			return "", false
		}
	}
	return text, true
}
