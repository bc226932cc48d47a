// SPDX-License-Identifier: Apache-2.0

package level

import (
	"path"
	"strings"

	"github.com/google/uuid"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// volumeKind is what a mount that was asked for tells of the volume that it is from.
type volumeKind uint8

const (
	// ownVolume: of a type that Restricted allows, or none of the pod's volumes at all.
	ownVolume volumeKind = iota
	// driverVolume: of a type that Restricted allows by way of a claim only. Whether there is one
	// does not show.
	driverVolume
	// repoVolume: a git repository, which no claim can be for.
	repoVolume
	// subPath: a part of a volume, of which the type does not show. A directory of the host is one.
	subPath
	// hostDirectory: a directory or file of the host. A PersistentVolume of type hostPath, for which
	// there is a claim, looks the same.
	hostDirectory
)

// volumeOf tells a volume by where on the host it is: in the directory of a pod, the kubelet names
// the type.
func volumeOf(mount *inventory.Mount, container *snapshot.Container) volumeKind {
	switch origin, below := container.Origin(mount); origin {
	case inventory.OfKernel, inventory.OfRuntime:
		return ownVolume
	case inventory.OfPod:
		if strings.HasPrefix(below, "volume-subpaths/") {
			return subPath
		}
		if volume, ok := strings.CutPrefix(below, "volumes/"); ok {
			return volumeType(volume)
		}
		return ownVolume // The kubelet's own: /etc/hosts and the termination log.
	default:
		return hostDirectory
	}
}

// volumeType tells a volume by the name of the plugin, which the kubelet's directory is called.
func volumeType(directory string) volumeKind {
	plugin, _, _ := strings.Cut(directory, "/")
	switch name, _ := strings.CutPrefix(plugin, "kubernetes.io~"); name {
	case "configmap", "csi", "downward-api", "empty-dir", "projected", "secret":
		return ownVolume
	case "local-volume":
		return ownVolume // There is no volume of this type without a claim.
	case "git-repo":
		return repoVolume
	}
	return driverVolume
}

// mayBeClaimed reports whether a directory has the name that provisioners of volumes on a node's disk
// give theirs: pvc-, the UID of the claim, and sometimes more. Nobody else has a use for a directory
// of that name, so it says nothing that matters if a pod asks for one as a hostPath.
func mayBeClaimed(source string) bool {
	const length = len("00000000-0000-0000-0000-000000000000")
	name, ok := strings.CutPrefix(path.Base(path.Clean(source)), "pvc-")
	if !ok || len(name) < length || len(name) > length && name[length] != '_' {
		return false
	}
	return uuid.Validate(name[:length]) == nil
}

// asked returns the mounts that were asked for: what the pod did if that is known, and else what
// the runtime was told, which has some of its own among them.
func asked(container *snapshot.Container) []inventory.Mount {
	if request := container.SecurityRequest(); request != nil {
		return request.Mounts
	}
	if spec := container.SecuritySpec(); spec != nil {
		return spec.Mounts
	}
	return nil
}

// volumes judges what of the host's files is mounted.
func (j *containerJudge) volumes() {
	var host, repos []string
	mounts := asked(j.container)
	for i := range mounts {
		mount := &mounts[i]
		switch volumeOf(mount, j.container) {
		case hostDirectory:
			if mayBeClaimed(mount.Source) {
				j.unverify(hostPathVolumes)
			} else {
				host = append(host, mount.Source)
			}
		case subPath:
			j.unverify(hostPathVolumes, volumeTypes)
		case driverVolume:
			j.unverify(volumeTypes)
		case repoVolume:
			repos = append(repos, mount.Point)
		case ownVolume:
		}
	}
	switch seen := j.container.Mounts; {
	case j.ended:
	case seen == nil:
		j.unverify(hostPathVolumes)
	case seen.MoreHost > 0:
		j.unread = true
		j.unverify(hostPathVolumes)
	}
	switch found := j.undeclaredFiles(); {
	case found != "":
		j.violate(Baseline, hostPathVolumes, "%s", found)
	case len(host) > 0:
		j.violate(Baseline, hostPathVolumes, "%s", list(host))
	}
	if len(repos) > 0 {
		j.violate(Restricted, volumeTypes, "gitRepo at %s", list(repos))
	}
}

// undeclaredFiles says by what way a process has files of the host that were not asked for; empty
// for none.
func (j *containerJudge) undeclaredFiles() string {
	if in, _ := j.inHost(nsinspect.Mnt); in != nil {
		return "the host's mounts (" + j.of(in) + ")"
	}
	for i := range j.container.Processes {
		if process := &j.container.Processes[i]; process.AtHostRoot() {
			return "the host's root directory (" + j.of(process) + ")"
		}
	}
	if j.container.Mounts == nil {
		return ""
	}
	if undeclared := j.container.UndeclaredMounts(j.container.Mounts.Host); len(undeclared) > 0 {
		return undeclared[0].Point + ", which was not asked for"
	}
	return ""
}
