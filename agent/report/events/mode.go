// SPDX-License-Identifier: Apache-2.0

package events

// Mode is which findings get an Event.
type Mode string

// The modes. A finding that the policy expects gets an Event in none of them.
const (
	// Warnings: the findings that warn.
	Warnings Mode = "warnings"
	// All: the others too, as Events of the type Normal.
	All Mode = "all"
	// Off: none. There is no reporter then.
	Off Mode = "off"
)
