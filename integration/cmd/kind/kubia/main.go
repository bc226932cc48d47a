// SPDX-License-Identifier: Apache-2.0

// Command kubia answers every request with the name of the host that it runs on, like the web server of the same name in
// Kubernetes' tutorials. It stands in for that one where no registry is in reach.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	host, err := os.Hostname()
	if err != nil {
		fmt.Fprintf(os.Stderr, "kubia: %v\n", err)
		os.Exit(1)
	}
	server := http.Server{
		Addr:              ":8080",
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "You've hit %s\n", host)
		}),
	}
	fmt.Fprintln(os.Stderr, "kubia: listening on port 8080")
	fmt.Fprintf(os.Stderr, "kubia: %v\n", server.ListenAndServe())
	os.Exit(1)
}
