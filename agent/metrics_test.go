// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func golden(t *testing.T, name string, registry *prometheus.Registry) {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, w.Body.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run 'go test ./agent -update'", err)
	}
	if diff := cmp.Diff(string(want), w.Body.String()); diff != "" {
		t.Errorf("%s (-want +got), run with -update if it is right:\n%s", name, diff)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	connected := false
	m, err := newMetrics(registry, func() bool { return connected })
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "metrics-before.txt", registry)
	ended := time.Date(2026, 11, 23, 20, 45, 0, 250e6, time.UTC)
	m.scanned(fullScan, ended.Add(-35*time.Millisecond), ended, nil)
	m.scanned(fullScan, ended.Add(-30*time.Second), ended.Add(time.Minute), errors.New("too slow"))
	m.scanned(targetedScan, ended.Add(time.Hour-2*time.Millisecond), ended.Add(time.Hour), nil)
	m.failed(stageScan)
	connected = true
	golden(t, "metrics.txt", registry)
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
	if _, err := newMetrics(registry, nil); err == nil || !strings.Contains(err.Error(), "register the agent's metrics") {
		t.Errorf("registered twice: %v", err)
	}
}
