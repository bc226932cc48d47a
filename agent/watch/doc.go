// SPDX-License-Identifier: Apache-2.0

// Package watch keeps a connection to the container runtime, and queues what is to be scanned
// because it changed.
package watch
