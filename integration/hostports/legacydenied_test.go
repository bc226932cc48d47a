// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/integration/internal/reexec"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// told is what a process in printForwardsRole prints.
type told struct {
	Backends []netfilter.Backend
	Unread   []string
	Err      string
	Denied   bool
}

func printForwards() error {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return err
	}
	defer fs.Close()
	host, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: os.Getpid()})
	if err != nil {
		return err
	}
	defer host.Close()
	table, err := scan.NewForwardReader().Forwards(context.Background(), host)
	answer := told{Unread: table.Unread, Denied: errors.Is(err, nsinspect.ErrDenied)}
	for _, forward := range table.Forwards {
		answer.Backends = append(answer.Backends, forward.Backend)
	}
	if err != nil {
		answer.Err = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

// ask starts a process in printForwardsRole in the namespace, from a thread that was confined.
func (h *host) ask(confine func(*exec.Cmd) error) told {
	h.t.Helper()
	var answer told
	h.inside(func() error {
		cmd := reexec.Command(printForwardsRole)
		cmd.Stderr = os.Stderr
		if err := confine(cmd); err != nil {
			return err
		}
		text, err := cmd.Output()
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return errors.New(string(text))
		}
		return nil
	})
	return answer
}

// drop takes capabilities from the whole process.
func drop(capabilities ...uintptr) func(*exec.Cmd) error {
	return func(*exec.Cmd) error {
		for _, capability := range capabilities {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
				return err
			}
		}
		return nil
	}
}

// nobody has no right but those.
func nobody(capabilities ...uintptr) func(*exec.Cmd) error {
	return func(cmd *exec.Cmd) error {
		const id = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}, AmbientCaps: capabilities}
		return nil
	}
}

// refuse makes a system call fail where its second or third argument has this value: as a
// kernel does that lacks something, or a security module that refuses it.
func refuse(call uint32, argument int, value uint32, errno unix.Errno) func(*exec.Cmd) error {
	return func(*exec.Cmd) error {
		// Offsets in struct seccomp_data; the machines that this runs on are little-endian.
		filter := []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 3},
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(16 + 8*argument)},
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: 1},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		}
		program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
		runtime.KeepAlive(filter)
		return err
	}
}

// What can't be read of either is reported, and hides nothing of the other.
func TestLegacyDenied(t *testing.T) {
	all := []netfilter.Backend{netfilter.IptablesLegacy, netfilter.IptablesLegacy, netfilter.IptablesNft}
	legacy, native := all[:2], all[2:]
	const v4, v6 = `read the table "ip nat" of legacy iptables: `, `read the table "ip6 nat" of legacy iptables: `
	tests := map[string]struct {
		confine func(*exec.Cmd) error
		ways    []netfilter.Backend
		unread  []string
		err     []string
		denied  bool
	}{
		"with all rights":             {confine: drop(), ways: all},
		"without CAP_NET_RAW":         {confine: drop(unix.CAP_NET_RAW, unix.CAP_SYS_ADMIN), ways: all},
		"without CAP_NET_ADMIN":       {drop(unix.CAP_NET_ADMIN), nil, nil, []string{"read the packet filter's rules, which takes CAP_NET_ADMIN", v4 + "ask for its rules, which takes CAP_NET_ADMIN", v6}, true},
		"without the lists of tables": {nobody(unix.CAP_NET_ADMIN), native, []string{v4 + "read net/ip_tables_names", v6 + "read net/ip6_tables_names"}, nil, false},
		"by any means but the lists":  {nobody(unix.CAP_NET_ADMIN, unix.CAP_DAC_READ_SEARCH), all, nil, nil, false},
		"legacy iptables":             {refuse(unix.SYS_GETSOCKOPT, 2, 64, unix.EPERM), native, []string{v4 + "ask for its rules, which takes CAP_NET_ADMIN: denied", v6}, nil, false},
		"nf_tables":                   {refuse(unix.SYS_SOCKET, 2, unix.NETLINK_NETFILTER, unix.EPERM), legacy, nil, []string{"read the packet filter's rules, which takes CAP_NET_ADMIN: denied"}, true},
		"no nf_tables":                {refuse(unix.SYS_SOCKET, 2, unix.NETLINK_NETFILTER, unix.EPROTONOSUPPORT), legacy, nil, nil, false},
		"legacy iptables is unloaded": {refuse(unix.SYS_GETSOCKOPT, 2, 64, unix.ENOPROTOOPT), native, nil, nil, false},
	}
	h := newHost(t)
	for command, target := range map[string]string{"iptables-nft": "10.0.0.1:80", "iptables-legacy": "10.0.0.1:80", "ip6tables-legacy": "[fd00::1]:80"} {
		h.run("", command, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8080", "-j", "DNAT", "--to-destination", target)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := h.ask(test.confine)
			slices.Sort(answer.Backends)
			if !slices.Equal(answer.Backends, test.ways) {
				t.Errorf("forwards by %q, want %q", answer.Backends, test.ways)
			}
			if !slices.EqualFunc(answer.Unread, test.unread, strings.HasPrefix) {
				t.Errorf("unread %q, want %q", answer.Unread, test.unread)
			}
			for _, want := range test.err {
				if !strings.Contains(answer.Err, want) {
					t.Errorf("error %q does not say %q", answer.Err, want)
				}
			}
			if (answer.Err == "") != (len(test.err) == 0) || answer.Denied != test.denied {
				t.Errorf("error %q, denied %t; want denied %t", answer.Err, answer.Denied, test.denied)
			}
		})
	}
}
