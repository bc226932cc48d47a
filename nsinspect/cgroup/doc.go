// SPDX-License-Identifier: Apache-2.0

// Package cgroup reads in which cgroups a process is (cgroups(7)), and finds cgroups of the
// host by their ids.
package cgroup
