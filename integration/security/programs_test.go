// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	"github.com/nsaudit/nsaudit/integration/internal/imagearchive"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// programFiles configure what does not run as Debian ships it: haproxy, supervisord and s6 have nothing to look after.
func programFiles() []imagearchive.Entry {
	return []imagearchive.Entry{
		runtimetest.File("/etc/haproxy/test.cfg", `global
	chroot /var/lib/haproxy
	user haproxy
	group haproxy
defaults
	mode http
	timeout client 1s
	timeout connect 1s
	timeout server 1s
frontend test
	bind :8081
`),
		runtimetest.File("/etc/supervisor/conf.d/test.conf", "[program:test]\ncommand=sleep infinity\nuser=www-data\n"),
		{Header: script("/srv/s6/test/run"), Content: []byte("#!/bin/sh\nexec s6-setuidgid www-data sleep infinity\n")},
	}
}

// programRows are programs of Debian's packages that start as root and give rights up in ways of their own. None of that is
// drift.
func programRows() []row {
	debian := func(name string, shows func([]thread) bool, posture []string, command ...string) row {
		return row{name: "row 36: " + name, image: programsImage, command: command, shows: shows, posture: posture}
	}
	stays, gone := []string{root, escalation, unfiltered}, []string{escalation, unfiltered}
	master := both(some(hasUID(0)), some(func(t thread) bool { return t.UIDs.Effective != 0 }))
	dropped := every(func(t thread) bool { return !t.UIDs.Has(0) })
	// As the entrypoint of its image: all but the first step is done as postgres.
	const postgres = "exec gosu postgres sh -c 'PATH=$PATH:/usr/lib/postgresql/15/bin; initdb -D /tmp/data && exec postgres -D /tmp/data -k /tmp -h 0.0.0.0'"
	return []row{
		debian("nginx", master, stays, "nginx", "-g", "daemon off;"),
		debian("redis by gosu", dropped, gone, "gosu", "redis", "redis-server", "--save", ""),
		debian("memcached", dropped, gone, "memcached", "-u", "memcache"),
		debian("postgres by gosu", both(dropped, processes(6)), gone, "sh", "-c", postgres),
		debian("cron", every(hasUID(0)), stays, "cron", "-f"),
		debian("haproxy", both(master, rooted("/var/lib/haproxy")), stays, "haproxy", "-W", "-db", "-f", "/etc/haproxy/test.cfg"),
		debian("dbus-daemon", dropped, gone, "sh", "-c", "mkdir -p /run/dbus; exec dbus-daemon --system --nofork"),
		debian("supervisord", master, stays, "supervisord", "-n"),
		debian("s6-svscan", master, stays, "s6-svscan", "/srv/s6"),
	}
}
