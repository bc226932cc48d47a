// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/nsaudit/nsaudit/agent/report/events"
)

// settle applies environment and file to the agent's flags, of which some were given.
func settle(t *testing.T, args []string, env map[string]string, file string) (*agentOptions, error) {
	t.Helper()
	options := defaultAgentOptions()
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	options.register(flags)
	if file != "" {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return options, applySettings("agent", flags, func(name string) string { return env[name] })
}

func TestSettingsPrecedence(t *testing.T) {
	t.Parallel()
	options, err := settle(t,
		[]string{"--interval", "10s"},
		map[string]string{"NSAUDIT_INTERVAL": "20s", "NSAUDIT_NODE_NAME": "from-env"},
		"interval: 40s\nnode-name: from-file\nhost-pid: 7\nonce: true\nevent-ttl: 2h\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	want := agentOptions{nodeFlags: nodeFlags{node: "from-env", hostPID: 7}, interval: 10 * time.Second, once: true, eventTTL: 2 * time.Hour}
	got := agentOptions{
		nodeFlags: nodeFlags{node: options.node, hostPID: options.hostPID},
		interval:  options.interval, once: options.once, eventTTL: options.eventTTL,
	}
	if got != want {
		t.Errorf("settings %+v, want %+v", got, want)
	}
}

// TestEventsOff has the word in each place: YAML takes it for the value false.
func TestEventsOff(t *testing.T) {
	t.Parallel()
	for name, get := range map[string]func() (*agentOptions, error){
		"flag":        func() (*agentOptions, error) { return settle(t, []string{"--events", "off"}, nil, "") },
		"environment": func() (*agentOptions, error) { return settle(t, nil, map[string]string{"NSAUDIT_EVENTS": "off"}, "") },
		"file":        func() (*agentOptions, error) { return settle(t, nil, nil, "events: off\n") },
	} {
		options, err := get()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := options.eventsMode(); got != events.Off {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestSettingsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		env  map[string]string
		file string
		want []string
	}{
		"unknown key":         {nil, "intervall: 5s\n", []string{`unknown key "intervall"`, "nsaudit agent --help"}},
		"the file's own name": {nil, "config: x\n", []string{`unknown key "config"`}},
		"a key twice":         {nil, "once: true\nonce: false\n", []string{`"once"`}},
		"no YAML":             {nil, "{", []string{"read configuration"}},
		"a list":              {nil, "node-name: [a, b]\n", []string{"node-name: want a single value"}},
		"no duration":         {nil, "interval: soon\n", []string{"interval", "soon"}},
		"all together": {
			map[string]string{"NSAUDIT_TIMEOUT": "long"},
			"host-pid: x\nfoo: 1\n",
			[]string{`NSAUDIT_TIMEOUT="long"`, "host-pid", `unknown key "foo"`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := settle(t, nil, test.env, test.file)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestAgentRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		code int
		want []string
	}{
		"all wrong settings": {
			[]string{"--interval", "1ms", "--listen-address", "x", "--log-level", "loud", "--event-ttl", "1s", "--events", "some"},
			exitUsage,
			[]string{"--interval 1ms", "--listen-address", "--log-level", "--event-ttl", `--events "some": want one of warnings, all, off`},
		},
		"no procfs":         {[]string{"--procfs", "/does/not/exist"}, exitFailed, []string{"--procfs"}},
		"no such file":      {[]string{"--config", "/does/not/exist"}, exitUsage, []string{"read configuration"}},
		"no kubeconfig":     {[]string{"--kubeconfig", "/does/not/exist"}, exitFailed, []string{"read kubeconfig /does/not/exist"}},
		"address of others": {[]string{"--listen-address", "192.0.2.1:1"}, exitFailed, []string{"192.0.2.1:1", "--listen-address"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, append([]string{"agent"}, test.args...)...)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d", got.code, test.code)
			}
			for _, part := range test.want {
				if !strings.Contains(got.err, part) {
					t.Errorf("%q does not say %q", got.err, part)
				}
			}
		})
	}
}

func TestListenAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                              nil,
		":9547":                         {":9547"},
		"10.0.0.1:9547,127.0.0.1:9547":  {"10.0.0.1:9547", "127.0.0.1:9547"},
		"fd00::1:9547,localhost:0":      {"[fd00::1]:9547", "localhost:0"},
		"[fd00::1]:9547,127.0.0.1:9547": {"[fd00::1]:9547", "127.0.0.1:9547"},
	} {
		options := agentOptions{listen: text}
		got, err := options.addresses()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: error %v, addresses (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"9547", "10.0.0.1", ",", ":9547,"} {
		options := agentOptions{listen: text}
		if got, err := options.addresses(); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
