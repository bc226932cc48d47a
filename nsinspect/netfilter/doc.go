// SPDX-License-Identifier: Apache-2.0

// Package netfilter finds the ports of the host that its packet filter forwards to other
// addresses: rules for DNAT in nf_tables and in legacy iptables.
//
// Rules are read from the kernel and followed symbolically, from where packets enter them to
// where one rewrites their destination. Nothing is changed, and no program is run.
package netfilter
