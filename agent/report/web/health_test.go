// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func ok() error { return nil }

func TestHealth(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		checks []Check
		status int
		want   string
	}{
		"nothing to check": {nil, http.StatusOK, "readyz check passed\n"},
		"all well": {
			[]Check{{Name: "scan", Check: ok}, {Name: "containerd", Check: ok}},
			http.StatusOK,
			"[+]scan ok\n[+]containerd ok\nreadyz check passed\n",
		},
		"one fails": {
			[]Check{
				{Name: "scan", Check: ok},
				{Name: "containerd", Check: func() error { return errors.New("connect: refused\n[+]forged ok") }},
				{Name: "host", Check: ok},
			},
			http.StatusServiceUnavailable,
			"[+]scan ok\n" + `[-]containerd: connect: refused\n[+]forged ok` + "\n[+]host ok\nreadyz check failed\n",
		},
		"one that is advisory fails": {
			[]Check{{Name: "scan", Check: ok}, {Name: "policy", Check: func() error { return errors.New("line 3: half") }, Advisory: true}},
			http.StatusOK,
			"[+]scan ok\n[!]policy: line 3: half\nreadyz check passed\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := get(t, Config{Ready: test.checks}, nil, http.MethodGet, "/readyz")
			if w.Code != test.status || w.Body.String() != test.want {
				t.Errorf("status %d, body %q, want %d, %q", w.Code, w.Body, test.status, test.want)
			}
			if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
				t.Errorf("content type %q", got)
			}
		})
	}
}

// TestProbesAreApart checks that what is not ready may well be alive.
func TestProbesAreApart(t *testing.T) {
	t.Parallel()
	config := Config{
		Live:  []Check{{Name: "loop", Check: ok}},
		Ready: []Check{{Name: "scan", Check: func() error { return errors.New("none done yet") }}},
	}
	if w := get(t, config, nil, http.MethodGet, "/livez"); w.Code != http.StatusOK || w.Body.String() != "[+]loop ok\nlivez check passed\n" {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
	if w := get(t, config, nil, http.MethodGet, "/readyz"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}
