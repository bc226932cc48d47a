// SPDX-License-Identifier: Apache-2.0

// Package scan looks at a node: it joins what the kernel says of every process with what
// the container runtime says of every container into a snapshot that package audit can judge.
package scan
