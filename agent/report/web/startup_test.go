// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestStartup asks before the first scan has ended: the answer comes when it has, and is not a
// failure meanwhile.
func TestStartup(t *testing.T) {
	t.Parallel()
	const never = time.Hour
	type answer struct {
		Status int
		After  time.Duration
	}
	for name, test := range map[string]struct {
		scanned time.Duration
		want    answer
	}{
		"the scan has ended":     {0, answer{http.StatusOK, 0}},
		"the scan ends":          {7 * time.Second, answer{http.StatusOK, 7 * time.Second}},
		"the scan goes on":       {never, answer{http.StatusServiceUnavailable, startupWait}},
		"the scan ends too late": {startupWait + time.Second, answer{http.StatusServiceUnavailable, startupWait}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				started := make(chan struct{})
				time.AfterFunc(test.scanned, func() { close(started) })
				synctest.Wait()
				begin := time.Now()
				w := get(t, Config{Started: started}, nil, http.MethodGet, "/startupz")
				if diff := cmp.Diff(test.want, answer{w.Code, time.Since(begin)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if verdict := w.Code == http.StatusOK; verdict != strings.HasSuffix(w.Body.String(), "startupz check passed\n") {
					t.Errorf("status %d, body %q", w.Code, w.Body)
				}
				time.Sleep(never) // The timer ends with the test.
			})
		})
	}
}

// TestStartupEndsWithServer has a request that waits while the server is stopped.
func TestStartupEndsWithServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, stop := servePipe(t)
		defer client.Close()
		if _, err := io.WriteString(client, "GET /startupz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		status := make(chan string, 1)
		go func() {
			line, _ := bufio.NewReader(client).ReadString('\n')
			status <- line
		}()
		begin := time.Now()
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(begin); took >= shutdownTimeout {
			t.Errorf("it took %v", took)
		}
		if line := <-status; !strings.Contains(line, "503") {
			t.Errorf("status line %q", line)
		}
	})
}
