// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"time"
)

// startupWait is how long a request to /startupz waits, less than an answer may take.
const startupWait = 20 * time.Second

// startup answers once started is closed. It waits rather than fails: the kubelet writes a
// Warning for each probe that fails, and does not probe readiness before this one succeeds, so
// that an ordinary start leaves none.
func startup(started <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(startupWait)
		defer timer.Stop()
		select {
		case <-started:
			send(w, http.StatusOK, plainText, []byte("[+]scan ok\nstartupz check passed\n"))
			return
		case <-r.Context().Done(): // The client is gone, or the server stops.
		case <-timer.C:
		}
		send(w, http.StatusServiceUnavailable, plainText, []byte("[-]scan: the first scan has not ended yet\nstartupz check failed\n"))
	})
}
