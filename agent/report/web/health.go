// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/nsaudit/nsaudit/agent/report"
)

// Check is one question of a probe.
type Check struct {
	// Name is one word.
	Name string
	// Check returns what is wrong, or nil. It is called at each request, by several at the
	// same time, and answers at once.
	Check func() error
	// Advisory: what is wrong is shown, and the probe passes all the same.
	Advisory bool
}

// plainText is the content type of the probes' answers.
const plainText = "text/plain; charset=utf-8"

// health answers with a line for each check, as Kubernetes does, and 503 if one fails that is
// not advisory.
func health(probe string, checks []Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var lines bytes.Buffer
		status, verdict := http.StatusOK, "passed"
		for _, check := range checks {
			switch err := check.Check(); {
			case err == nil:
				fmt.Fprintf(&lines, "[+]%s ok\n", check.Name)
			case check.Advisory:
				fmt.Fprintf(&lines, "[!]%s: %s\n", check.Name, report.Clean(err.Error()))
			default:
				status, verdict = http.StatusServiceUnavailable, "failed"
				fmt.Fprintf(&lines, "[-]%s: %s\n", check.Name, report.Clean(err.Error()))
			}
		}
		fmt.Fprintf(&lines, "%s check %s\n", probe, verdict)
		send(w, status, plainText, lines.Bytes())
	})
}

// send writes an answer. A client that is gone by then needs none.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
