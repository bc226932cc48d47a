// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"text/template"
)

// systemdCgroupEnv, if "1", makes systemd the manager of the containers' cgroups.
const systemdCgroupEnv = "NSAUDIT_SYSTEMD_CGROUP"

func systemdCgroup() bool { return os.Getenv(systemdCgroupEnv) == "1" }

// What the settings are for:
//
//   - restrict_oom_score_adj: root without CAP_SYS_RESOURCE, as on many build machines, may not lower
//     oom_score_adj, and runc would fail with an error about a pipe.
//   - netns_mounts_under_state_dir, Root and the paths of opt and socket_dir: nothing outside our directory.
//   - slow_chown: pods with a user namespace on kernels before 5.19, where overlayfs can't map ids.
//   - nri: it would listen on one socket for the whole machine.
const (
	configV2 = `version = 2
root = "{{.Dir}}/root"
state = "{{.Dir}}/state"
[grpc]
  address = "{{.Address}}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{{.Dir}}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{{.Pause}}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{{.Binaries}}/cni"
    conf_dir = "{{.Dir}}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{{.Binaries}}/runc"
      Root = "{{.Dir}}/runc"
      SystemdCgroup = {{.SystemdCgroup}}
`
	configV3 = `version = 3
root = "{{.Dir}}/root"
state = "{{.Dir}}/state"
[grpc]
  address = "{{.Address}}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{{.Dir}}/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.snapshotter.v1.overlayfs"]
  slow_chown = true
[plugins."io.containerd.shim.v1.manager"]
  socket_dir = "{{.Dir}}/s"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{{.Pause}}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{{.Binaries}}/cni"]
    conf_dir = "{{.Dir}}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{{.Binaries}}/runc"
      Root = "{{.Dir}}/runc"
      SystemdCgroup = {{.SystemdCgroup}}
`
)

// ptp needs no bridge, which would outlive the pods. There is no portmap and no masquerading, hence no
// need for iptables: a host port is declared here and never bound.
const conflist = `{
  "cniVersion": "1.0.0",
  "name": "%s",
  "plugins": [{
    "type": "ptp",
    "ipam": {
      "type": "host-local",
      "dataDir": "%s/ipam",
      "ranges": [[{"subnet": "%s"}]],
      "routes": [{"dst": "0.0.0.0/0"}]
    }
  }]
}
`

func (c *Containerd) configFile() string { return filepath.Join(c.dir, "config.toml") }

// writeConfig writes the configuration of containerd and of its pod network.
func (c *Containerd) writeConfig(t testing.TB) {
	t.Helper()
	text := configV3
	if c.major() == "1" {
		text = configV2
	}
	var config bytes.Buffer
	err := template.Must(template.New("config").Parse(text)).Execute(&config, map[string]any{
		"Dir": c.dir, "Address": c.Address(), "Binaries": c.binaries, "Pause": PauseImage, "SystemdCgroup": systemdCgroup(),
	})
	if err != nil {
		t.Fatalf("make the configuration: %v", err)
	}
	for _, dir := range []string{"cni", "logs"} {
		if err := os.Mkdir(filepath.Join(c.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	network := fmt.Sprintf(conflist, c.name, c.dir, c.podSubnet())
	writeFile(t, c.configFile(), config.String())
	writeFile(t, filepath.Join(c.dir, "cni", "10-test.conflist"), network)
}

// podSubnet is in the block for benchmarks. Two containerds at the same time should not give the same address to
// two pods, hence the hash.
func (c *Containerd) podSubnet() netip.Prefix {
	hash := fnv.New32()
	_, _ = hash.Write([]byte(c.name))
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(hash.Sum32()), 0}), 24)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// keepForwarding returns what undoes the one setting of the machine that ptp changes.
func keepForwarding(t testing.TB) (restore func()) {
	t.Helper()
	const file = "/proc/sys/net/ipv4/ip_forward"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.WriteFile(file, before, 0); err != nil {
			t.Errorf("restore ip_forward: %v", err)
		}
	}
}
