// SPDX-License-Identifier: Apache-2.0

// Package logkey has the keys of log attributes, so that a thing has one name in every line.
package logkey

// The keys.
const (
	Addresses         = "addresses"
	Check             = "check"
	Container         = "container"
	ContainerID       = "containerID"
	DeclaredBy        = "declaredBy"
	Error             = "error"
	Event             = "event"
	Evidence          = "evidence"
	EvidenceNamespace = "evidenceNamespace"
	Expired           = "expired"
	File              = "file"
	FindingID         = "findingID"
	Limit             = "limit"
	Namespace         = "namespace"
	NotAsked          = "notAsked"
	Omitted           = "omitted"
	Pod               = "pod"
	PodUID            = "podUID"
	Ports             = "ports"
	Processes         = "processes"
	Reason            = "reason"
	Rule              = "rule"
	Rules             = "rules"
	RuntimeNamespace  = "runtimeNamespace"
	Severity          = "severity"
	Socket            = "socket"
)
