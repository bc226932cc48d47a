// SPDX-License-Identifier: Apache-2.0

package events

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"

	"github.com/nsaudit/nsaudit/agent/report/reporttest"
)

func TestNotice(t *testing.T) {
	t.Parallel()
	const notice, over = "default Node/node-1 PolicyInvalid ×", "default Node/node-1 PolicyInvalidEnded ×"
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.Notice("PolicyInvalid", "")
		time.Sleep(time.Hour)
		api.want(t)
		agent.Notice("PolicyInvalid", "line 3: bad")
		agent.Notice("PolicyInvalid", "line 3: bad")
		synctest.Wait()
		api.want(t, notice+"1")
		agent.see(hostNet("a")) // A report says nothing of the agent.
		time.Sleep(time.Hour)
		if verbs := api.verbs(); verbs["patch"] < 2 {
			t.Errorf("%v: it is not refreshed", verbs)
		}
		agent.Notice("PolicyInvalid", "line 4: worse")
		synctest.Wait()
		if got := strings.Count(strings.Join(api.lines(), "\n"), "PolicyInvalid"); got != 2 {
			t.Errorf("%d notices, want another one", got)
		}
		agent.see()
		agent.Notice("PolicyInvalid", "")
		agent.Notice("PolicyInvalid", "")
		time.Sleep(10 * time.Minute)
		if lines := strings.Join(api.lines(), "\n"); !strings.Contains(lines, over+"1") {
			t.Errorf("it has not ended:\n%s", lines)
		}
		before := api.verbs()
		time.Sleep(24 * time.Hour)
		if diff := cmp.Diff(before, api.verbs()); diff != "" {
			t.Errorf("requests after it ended (-want +got):\n%s", diff)
		}
	})
}

// TestNoticeComesBack has a notice that is taken back for a moment.
func TestNoticeComesBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		for range 10 {
			agent.Notice("PolicyInvalid", "line 3: bad")
			time.Sleep(time.Second)
			agent.Notice("PolicyInvalid", "")
			time.Sleep(time.Second)
		}
		agent.Notice("PolicyInvalid", "line 3: bad")
		time.Sleep(10 * time.Minute)
		api.want(t, "default Node/node-1 PolicyInvalid ×2")
	})
}

// TestNoticeIsRetried keeps a notice like any Event.
func TestNoticeIsRetried(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		api.setRefuse(func(request) error { return apierrors.NewTooManyRequestsError("slow down") })
		agent.Notice("PolicyInvalid", "line 3: bad")
		time.Sleep(10 * time.Minute)
		agent.Notice("PolicyInvalid", "")
		if agent.Pending() != 2 {
			t.Errorf("%d are pending, want the notice and its end", agent.Pending())
		}
		api.setRefuse(nil)
		time.Sleep(3 * time.Minute)
		api.want(t, "default Node/node-1 PolicyInvalid ×1", "default Node/node-1 PolicyInvalidEnded ×1")
	})
}

func TestNoticeGolden(t *testing.T) {
	t.Parallel()
	e := newNotice("PolicyInvalid", "read /etc/nsaudit/policy.yaml:\nline 3: \x1b[31mbad "+strings.Repeat("é", maxNote), nodeName)
	end := e.over()
	got, err := yaml.Marshal([]any{e.object(e.node, nodeName, firstSeen), end.object(e.node, nodeName, firstSeen)})
	if err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "testdata/notice.yaml", string(got))
}
