// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command guest is the only program of ours inside the test VM, in two parts:
// as /init of the initramfs it mounts the disks and hands over to systemd, and
// as "guest run", started by a systemd unit, it runs the test binary, reports
// to the host and switches the VM off.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := dispatch(os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "nsaudit guest: %v\n", err)
		os.Exit(1)
	}
}

// dispatch picks the part to play. The kernel starts /init as process 1.
func dispatch(args []string) error {
	switch {
	case os.Getpid() == 1:
		return boot()
	case len(args) == 2 && args[1] == "run":
		return run()
	default:
		return fmt.Errorf("usage: guest run")
	}
}
