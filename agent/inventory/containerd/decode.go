// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxDocument caps a document that is decoded: the runtime spec and the CRI metadata of a
// container. etcd lets a whole pod have 1.5 MiB, specs have some KiB.
const maxDocument = 4 << 20

var errTooLarge = errors.New("larger than its cap")

// spec is the part of the OCI runtime spec that is used.
type spec struct {
	Annotations map[string]string `json:"annotations"`
	Linux       *struct {
		CgroupsPath string          `json:"cgroupsPath"`
		Namespaces  []specNamespace `json:"namespaces"`
	} `json:"linux"`
}

type specNamespace struct {
	Type string `json:"type"`
	Path string `json:"path"`
}

// Annotations that containerd's CRI plugin puts into the spec of every container.
const (
	annotationSandboxID     = "io.kubernetes.cri.sandbox-id"
	annotationSandboxName   = "io.kubernetes.cri.sandbox-name"
	annotationSandboxNS     = "io.kubernetes.cri.sandbox-namespace"
	annotationSandboxUID    = "io.kubernetes.cri.sandbox-uid"
	annotationContainerName = "io.kubernetes.cri.container-name"
	annotationImageName     = "io.kubernetes.cri.image-name"
)

// criMetadata is the part that is used of the CRI plugin's own record of a sandbox or a
// container: the extensions io.cri-containerd.{sandbox,container}.metadata, which have the
// same form in containerd 1.6 to 2.4, and "metadata" of 2.x's sandbox store.
type criMetadata struct {
	Metadata struct {
		SandboxID string
		Config    criConfig
	}
}

// criConfig is the part that PodSandboxConfig and ContainerConfig of the CRI share, and
// the former's namespaces and ports.
type criConfig struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		UID       string `json:"uid"`
	} `json:"metadata"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	PortMappings []portMapping     `json:"port_mappings"`
	Linux        *struct {
		SecurityContext *struct {
			NamespaceOptions *struct {
				Network int `json:"network"`
				PID     int `json:"pid"`
				IPC     int `json:"ipc"`
			} `json:"namespace_options"`
		} `json:"security_context"`
	} `json:"linux"`
}

// modeNode is NamespaceMode NODE of the CRI: the host's namespace. Absent is POD.
const modeNode = 2

func decodeJSON[T any](what string, data []byte) (T, error) {
	var value T
	if len(data) > maxDocument {
		return value, fmt.Errorf("decode %s: %d bytes: %w", what, len(data), errTooLarge)
	}
	if err := json.Unmarshal(data, &value); err != nil {
		return value, fmt.Errorf("decode %s: %w", what, err)
	}
	return value, nil
}

func decodeSpec(data []byte) (spec, error) { return decodeJSON[spec]("runtime spec", data) }

func decodeCRI(data []byte) (criMetadata, error) {
	return decodeJSON[criMetadata]("CRI metadata", data)
}

// pod returns the pod that a sandbox's configuration describes.
func (c *criConfig) pod() *inventory.Pod {
	return &inventory.Pod{
		Namespace: clip(c.Metadata.Namespace),
		Name:      clip(c.Metadata.Name),
		UID:       clip(c.Metadata.UID),
		Labels:    clipLabels(c.Labels),
	}
}

// declaration returns what the pod asked for, through its sandbox.
func (c *criConfig) declaration() inventory.Declaration {
	declared := inventory.Declaration{By: inventory.ByPod}
	ports, err := c.ports()
	setPorts(&declared, ports, err)
	if c.Linux == nil || c.Linux.SecurityContext == nil || c.Linux.SecurityContext.NamespaceOptions == nil {
		return declared
	}
	options := c.Linux.SecurityContext.NamespaceOptions
	for _, option := range []struct {
		kind nsinspect.Kind
		mode int
	}{
		{nsinspect.Net, options.Network},
		{nsinspect.PID, options.PID},
		{nsinspect.IPC, options.IPC},
	} {
		if option.mode == modeNode {
			declared.Host = append(declared.Host, option.kind)
		}
	}
	return declared
}

// specKind returns the judged kind that the runtime spec (config-linux.md) gives this name.
func specKind(name string) (nsinspect.Kind, bool) {
	switch name {
	case "network":
		return nsinspect.Net, true
	case "pid":
		return nsinspect.PID, true
	case "ipc":
		return nsinspect.IPC, true
	}
	return 0, false
}

// declaration returns what a container without a pod asked for: a kind that the spec does
// not list is inherited from the runtime, which is the host's.
func (s *spec) declaration(runtimeNamespace string) inventory.Declaration {
	if s.Linux == nil {
		return inventory.NoDeclaration("its runtime spec has no Linux section")
	}
	listed := make(map[nsinspect.Kind]string)
	for _, ns := range s.Linux.Namespaces {
		if kind, ok := specKind(ns.Type); ok {
			listed[kind] = ns.Path
		}
	}
	declared := inventory.Declaration{By: inventory.BySpec}
	for _, kind := range []nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC} {
		path, ok := listed[kind]
		switch {
		case !ok, kind == nsinspect.Net && runtimes.IsDockerHostNetwork(runtimeNamespace, path):
			declared.Host = append(declared.Host, kind)
		case path != "":
			if declared.Joined == nil {
				declared.Joined = make(map[nsinspect.Kind]string)
			}
			declared.Joined[kind] = clip(path)
		}
	}
	return declared
}

// Caps of the texts that come from images and pods. Kubernetes' own limits are 253 bytes
// for names and 63 for label values; image references have no limit of their own.
const (
	maxText   = 512
	maxLabels = 128
)

// clip shortens a text to the cap and marks that.
func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return fmt.Sprintf("%s…(%d bytes)", strings.ToValidUTF8(text[:maxText], ""), len(text))
}

// clipLabels shortens values and leaves labels out above the cap.
func clipLabels(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	clipped := make(map[string]string, min(len(labels), maxLabels))
	// In order, so that the same labels are kept each time.
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if len(clipped) == maxLabels {
			break
		}
		clipped[clip(key)] = clip(labels[key])
	}
	return clipped
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
