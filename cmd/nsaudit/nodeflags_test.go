// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestNodeFlagsAreShared checks that scan and agent have the same flags about the node.
func TestNodeFlagsAreShared(t *testing.T) {
	t.Parallel()
	type described struct{ Usage, Default, Short string }
	describe := func(flags *pflag.FlagSet, name string) described {
		flag := flags.Lookup(name)
		if flag == nil {
			return described{}
		}
		return described{flag.Usage, flag.DefValue, flag.Shorthand}
	}
	var std streams
	scan, agent := newScan(std).Flags(), newAgent(std).Flags()
	shared := pflag.NewFlagSet("", pflag.ContinueOnError)
	node := defaultNodeFlags()
	node.register(shared)
	var names []string
	shared.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	if diff := cmp.Diff([]string{"checks", "config", "containerd-address", "host-pid", "node-name", "policy", "procfs", "timeout"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for _, name := range names {
		want := describe(shared, name)
		for command, flags := range map[string]*pflag.FlagSet{"scan": scan, "agent": agent} {
			if diff := cmp.Diff(want, describe(flags, name)); diff != "" {
				t.Errorf("%s --%s (-want +got):\n%s", command, name, diff)
			}
		}
	}
}

func TestNodeFlagsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"host pid 0":        {[]string{"--host-pid", "0"}, "--host-pid 0: want the positive id"},
		"negative host pid": {[]string{"--host-pid", "-1"}, "--host-pid -1: want the positive id"},
		"no timeout":        {[]string{"--timeout", "0s"}, "--timeout 0s: want a positive time"},
		"relative address":  {[]string{"--containerd-address", "c.sock"}, "want an absolute path"},
		"an endless name":   {[]string{"--node-name", strings.Repeat("a", 129)}, "--node-name: want at most 128 bytes"},
		"no such file":      {[]string{"--config", "/does/not/exist"}, "read configuration"},
	}
	for name, test := range tests {
		for _, command := range []string{"scan", "agent"} {
			t.Run(command+" "+name, func(t *testing.T) {
				t.Parallel()
				got := call(t, append([]string{command}, test.args...)...)
				if got.code != exitUsage || got.out != "" || !strings.Contains(got.err, test.want) {
					t.Errorf("%+v, want code %d and %q", got, exitUsage, test.want)
				}
			})
		}
	}
}

// TestNodeFlagsFromEnvironment sets them for both commands.
func TestNodeFlagsFromEnvironment(t *testing.T) {
	t.Setenv("NSAUDIT_HOST_PID", "0")
	for _, command := range []string{"scan", "agent"} {
		if got := call(t, command); got.code != exitUsage || !strings.Contains(got.err, "--host-pid 0: want the positive id") {
			t.Errorf("%s: %+v", command, got)
		}
	}
}

// TestScanSettings sets what scan has of its own, and what a file that is scanned excludes.
func TestScanSettings(t *testing.T) {
	from := saved(t, inventory.Declaration{})
	t.Setenv("NSAUDIT_NODE_NAME", "from-the-environment")
	t.Setenv("NSAUDIT_OUTPUT", "json")
	if got := call(t, "scan", "--from", from); got.code != exitDone || !strings.HasPrefix(got.out, "{") {
		t.Errorf("settings in the environment: %+v", got)
	}
	if got := call(t, "scan", "--from", from, "--node", "x"); got.code != exitUsage || !strings.Contains(got.err, "--node-name is about") {
		t.Errorf("a flag that --from excludes: %+v", got)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	for text, want := range map[string]string{
		"output: yaml\n":  "",
		"node: x\n":       `unknown key "node"`,
		"interval: 30s\n": "see nsaudit scan --help",
	} {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := call(t, "scan", "--from", from, "--config", config)
		if (got.code != exitDone) != (want != "") || !strings.Contains(got.err, want) {
			t.Errorf("%q: %+v, want %q", text, got, want)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		flags        nodeFlags
		self, daemon int
		want         []nsinspect.HostSource
	}{
		"a process that is named":   {nodeFlags{hostPID: 7}, 99, 8, []nsinspect.HostSource{"host-pid"}},
		"on the host":               {nodeFlags{}, 99, 0, []nsinspect.HostSource{"pid1", "kthreadd"}},
		"with containerd's pid":     {nodeFlags{}, 99, 8, []nsinspect.HostSource{"pid1", "containerd", "kthreadd"}},
		"as pid 1 of its container": {nodeFlags{}, 1, 8, []nsinspect.HostSource{"containerd", "kthreadd"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []nsinspect.HostSource
			for _, candidate := range test.flags.hosts(test.self, test.daemon) {
				got = append(got, candidate.Reference)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
		})
	}
}
