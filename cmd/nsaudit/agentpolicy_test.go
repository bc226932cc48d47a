// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// serving runs an agent on a fixture until the test ends, and returns the address that it
// listens on.
func serving(t *testing.T, args ...string) string {
	t.Helper()
	var errs lockedBuffer
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	args = append([]string{
		"agent", "--procfs", fakeProc(t), "--containerd-address", "/does/not/exist.sock", "--events", "off",
		"--listen-address", "127.0.0.1:0",
	}, args...)
	ended.Go(func() { run(ctx, args, streams{in: strings.NewReader(""), out: io.Discard, err: &errs}) })
	t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	listening := regexp.MustCompile(`msg=Listening addresses="?\[(127\.0\.0\.1:\d+)\]`)
	for range 1000 {
		if found := listening.FindStringSubmatch(errs.String()); found != nil {
			return found[1]
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it does not listen: %s", errs.String())
	return ""
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAgentPolicy has policies that can and can't be used: the agent works with each, and says
// so.
func TestAgentPolicy(t *testing.T) {
	t.Parallel()
	half := file(t, policyOf(webRule)[:80])
	for name, test := range map[string]struct {
		args           []string
		ready, metrics string
	}{
		"good": {
			[]string{"--policy", file(t, policyOf(webRule)), "--pod-uid", "uid"},
			"[+]policy ok\n", "nsaudit_policy_last_reload_successful 1\n",
		},
		"broken":  {[]string{"--policy", half}, "[!]policy: policy " + half + ": line 3: ", "nsaudit_policy_last_reload_successful 0\n"},
		"missing": {[]string{"--policy", "/does/not/exist"}, "[!]policy: policy /does/not/exist: open /does/not/exist: no such file", `nsaudit_policy_rules{state="active"} 0` + "\n"},
		"none":    {nil, "[+]scan", "nsaudit_scan_duration_seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serving(t, test.args...)
			var ready string
			for range 1000 {
				if ready = get(t, "http://"+address+"/readyz"); !strings.Contains(ready, "no scan is done") {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if !strings.Contains(ready, test.ready) || strings.Contains(ready, "policy") != (test.args != nil) {
				t.Errorf("/readyz lacks %q:\n%s", test.ready, ready)
			}
			if metrics := get(t, "http://"+address+"/metrics"); !strings.Contains(metrics, test.metrics) {
				t.Errorf("/metrics lacks %q", test.metrics)
			}
		})
	}
}

// TestAgentOncePolicy has a policy that can't be used, and one that can.
func TestAgentOncePolicy(t *testing.T) {
	t.Parallel()
	args := []string{"agent", "--once", "--procfs", fakeProc(t), "--containerd-address", "/does/not/exist.sock", "--events", "off"}
	got := call(t, append(args, "--policy", "/does/not/exist")...)
	if got.code != exitFailed || !strings.Contains(got.err, "\npolicy /does/not/exist: ") {
		t.Errorf("a policy that is missing: %+v", got)
	}
	if got := call(t, append(args, "--policy", file(t, policyOf(webRule)))...); strings.Contains(got.err, "policy /") || !strings.Contains(got.err, "Loaded the policy") {
		t.Errorf("a policy: %+v", got)
	}
}

// apiServer is an API server that takes every Event, and remembers its reason, type and note.
func apiServer(t *testing.T) (kubeconfig string, taken func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var event struct{ Reason, Type, Note string }
		if err := errors.Join(err, json.Unmarshal(body, &event)); err != nil {
			t.Errorf("%s %s: %v in %q", r.Method, r.URL, err, body)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, event.Reason+" "+event.Type+" "+event.Note)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: %q}}]\n", server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// TestAgentSendsPolicyInvalid has a policy that can't be used, in a cluster.
func TestAgentSendsPolicyInvalid(t *testing.T) {
	t.Parallel()
	half := file(t, policyOf(webRule)[:80])
	for name, test := range map[string]struct {
		policy string
		want   bool
	}{"broken": {half, true}, "good": {file(t, policyOf(webRule)), false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kubeconfig, taken := apiServer(t)
			got := call(t, "agent", "--once", "--procfs", fakeProc(t), "--containerd-address", "/does/not/exist.sock",
				"--kubeconfig", kubeconfig, "--node-name", "n", "--policy", test.policy)
			sent := slices.DeleteFunc(taken(), func(event string) bool { return !strings.HasPrefix(event, "PolicyInvalid ") })
			if (len(sent) == 1) != test.want || len(sent) > 1 {
				t.Fatalf("Events %q\n%s", sent, got.err)
			}
			for _, part := range []string{"PolicyInvalid Warning ", half + ": line 3: "} {
				if test.want && !strings.Contains(sent[0], part) {
					t.Errorf("Event %q lacks %q", sent[0], part)
				}
			}
		})
	}
}
