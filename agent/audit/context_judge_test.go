// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// contextLines puts findings into lines: reason, declarer, what there is, what was declared, and the
// processes.
func contextLines(findings ...[]Finding) []string {
	var lines []string
	for _, f := range slices.Concat(findings...) {
		line := f.Reason() + " " + string(f.DeclaredBy)
		if f.Container.Name != "main" {
			line = f.Container.ID + " " + line
		}
		if evidence, ok := f.Evidence.(*SecurityEvidence); ok {
			line += ": " + strings.Join(evidence.Actual, ", ")
			if evidence.MoreActual > 0 {
				line += fmt.Sprintf(" +%d", evidence.MoreActual)
			}
			if len(evidence.Declared) > 0 {
				line += " | " + strings.Join(evidence.Declared, ", ")
			}
			if evidence.MoreDeclared > 0 {
				line += fmt.Sprintf(" +%d", evidence.MoreDeclared)
			}
			for _, p := range evidence.Processes {
				line += fmt.Sprintf(" %d/%d%v", p.PID, p.Threads, p.TIDs)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// only judges a snapshot by some checks, with the reasons that are off too.
func only(t *testing.T, s *snapshot.Snapshot, checks ...Check) []string {
	t.Helper()
	var words []string
	for _, check := range checks {
		words = append(words, string(check))
	}
	selection, err := ParseSelection(words)
	if err != nil {
		t.Fatal(err)
	}
	result := selection.Judge(s)
	return contextLines(result.Findings, result.Posture)
}

// judgement is a container, with what the checks under test say of it.
type judgement struct {
	container snapshot.Container
	want      []string
}

func testJudgements(t *testing.T, tests map[string]judgement, checks ...Check) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, only(t, secured(test.container), checks...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// changed returns a container that was changed.
func changed(c snapshot.Container, change func(*snapshot.Container)) snapshot.Container {
	change(&c)
	return c
}

// cred returns credentials that were changed.
func cred(uid uint32, change func(*snapshot.Credentials)) snapshot.Credentials {
	c := of(uid)
	change(&c)
	return c
}

func holding(uid uint32, set nsinspect.Capabilities) snapshot.Credentials {
	return cred(uid, func(c *snapshot.Credentials) { c.Permitted = set })
}

// bounded may get capabilities beside the default ones.
func bounded(uid uint32, more nsinspect.Capabilities) snapshot.Credentials {
	return cred(uid, func(c *snapshot.Credentials) { c.Bounding |= more })
}

// mappedTo gives a container a user namespace of its own, whose root is this user of the host.
func mappedTo(root uint32, c snapshot.Container) snapshot.Container {
	maps := nsinspect.IDMaps{
		UIDs: nsinspect.IDMap{{Outside: root, Count: 65536}}, GIDs: nsinspect.IDMap{{Outside: root, Count: 65536}},
	}
	spec := *c.Security.Spec
	spec.Host, spec.Users = nil, maps
	c.Credentials = slices.Clone(c.Credentials)
	for i := range c.Credentials {
		if credentials := &c.Credentials[i]; slices.Equal(credentials.Groups, []uint32{0}) {
			credentials.Groups, credentials.GIDs = []uint32{root}, nsinspect.IDs{Real: root, Effective: root, Saved: root, Filesystem: root}
		}
	}
	c.Security = &inventory.Security{Spec: &spec, Request: &inventory.SecurityRequest{Groups: []uint32{0}, UserNamespace: true}}
	c.UserNamespace = nstest.ID(podUsers)
	c.UserNamespaces = []snapshot.UserNamespace{{ID: nstest.ID(podUsers), Maps: maps}}
	for i := range c.Processes {
		c.Processes[i] = in(c.Processes[i], nsinspect.User, podUsers)
	}
	return c
}

func TestUsers(t *testing.T) {
	t.Parallel()
	thread := boxed(told(405), of(405), of(0))
	thread.Processes = []snapshot.Process{member(11, 0)}
	thread.Processes[0].Credentials = []snapshot.CredentialGroup{{Set: 0, Threads: 3, TIDs: []int{11, 12, 13}}, {Set: 1, Threads: 1, TIDs: []int{14}}}
	nested := func(c snapshot.Container) snapshot.Container {
		c.Processes[0] = in(c.Processes[0], nsinspect.User, nestedUsers)
		return c
	}
	ended := boxed(told(405))
	outside := boxed(told(0), of(0))
	outside.Pod, outside.Declared.By, outside.Security = nil, inventory.BySpec, &inventory.Security{Spec: told(0)}
	testJudgements(t, map[string]judgement{
		"root, as declared":                {boxed(told(0), of(0)), []string{"RunsAsRoot pod: uid 0 11/1[]"}},
		"root outside pods":                {outside, []string{"RunsAsRoot spec: uid 0 11/1[]"}},
		"another user, as declared":        {boxed(told(405), of(405)), nil},
		"a master and its worker":          {boxed(told(0), of(0), of(33)), []string{"RunsAsRoot pod: uid 0 11/1[]"}},
		"a program that dropped root":      {boxed(told(0), of(33)), nil},
		"one that can go back":             {boxed(told(0), cred(33, func(c *snapshot.Credentials) { c.UIDs.Saved = 0 })), []string{"RunsAsRoot pod: uid 0 11/1[]"}},
		"root, though another user's":      {boxed(told(405), of(405), holding(0, runtimes.DefaultCapabilities|sysAdmin)), []string{"UndeclaredRootUser nobody: uid 0, no_new_privs 0, SYS_ADMIN (dangerous) | uid 405 12/1[]"}},
		"root that can gain no more":       {boxed(told(405), cred(0, func(c *snapshot.Credentials) { c.NoNewPrivileges = true })), []string{"UndeclaredRootUser nobody: uid 0 | uid 405 11/1[]"}},
		"a thread of root":                 {thread, []string{"UndeclaredRootUser nobody: uid 0, no_new_privs 0 | uid 405 11/1[14]"}},
		"another user than declared":       {boxed(told(405), of(33), of(34), of(33)), []string{"UndeclaredUser nobody: uid 33, uid 34 | uid 405 11/1[] 12/1[] 13/1[]"}},
		"mapped root, as declared":         {mappedTo(65536, boxed(told(0), of(65536))), nil},
		"mapped root, of another user's":   {mappedTo(65536, boxed(told(405), of(65536))), []string{"UndeclaredRootUser nobody: uid 0, on the host 65536, no_new_privs 0 | uid 405, on the host 65941 11/1[]"}},
		"the host's root, in a namespace":  {mappedTo(65536, boxed(told(0), of(0))), []string{"UndeclaredRootUser nobody: uid 0, no_new_privs 0 | uid 0, on the host 65536 11/1[]"}},
		"a user of a nested namespace":     {nested(boxed(told(405), of(100000))), nil},
		"root of the host, nested":         {nested(boxed(told(405), holding(0, everyCapability))), []string{"UndeclaredRootUser nobody: uid 0, no_new_privs 0 | uid 405 11/1[]"}},
		"what a second look did not see":   {changed(boxed(told(405), of(0)), func(c *snapshot.Container) { c.Processes[0].Credentials[0].Unconfirmed = inventory.IsRoot }), nil},
		"a container that has ended":       {ended, nil},
		"the spec is not known":            {changed(boxed(told(405), of(0)), func(c *snapshot.Container) { c.Security = nil }), nil},
		"root in a pause container":        {changed(boxed(told(65535), of(65535), of(0)), func(c *snapshot.Container) { c.Sandbox = true }), []string{"UndeclaredRootUser nobody: uid 0, no_new_privs 0 | uid 65535 12/1[]"}},
		"a pause container that is root's": {changed(boxed(told(0), of(0)), func(c *snapshot.Container) { c.Sandbox = true }), nil},
	}, RootUser, User)
}

func TestGroups(t *testing.T) {
	t.Parallel()
	asks := func(c snapshot.Container, change func(*inventory.SecurityRequest, *inventory.SecuritySpec)) snapshot.Container {
		change(c.Security.Request, c.Security.Spec)
		return c
	}
	grouped := func(uid uint32, groups ...uint32) snapshot.Credentials {
		return cred(uid, func(c *snapshot.Credentials) { c.Groups = groups })
	}
	volume := func(c snapshot.Container) snapshot.Container {
		return asks(c, func(r *inventory.SecurityRequest, s *inventory.SecuritySpec) {
			r.Groups, s.Groups = []uint32{2000, 4000}, []uint32{0, 2000, 4000}
		})
	}
	image := func(strict bool) snapshot.Container {
		member := grouped(405, 10, 100)
		member.GIDs = nsinspect.IDs{Real: 100, Effective: 100, Saved: 100, Filesystem: 100}
		return asks(boxed(told(405), member), func(r *inventory.SecurityRequest, s *inventory.SecuritySpec) {
			r.Groups, r.StrictGroups, s.GID, s.Groups = nil, strict, 100, []uint32{10, 100}
		})
	}
	many := make([]uint32, 65536)
	for i := range many {
		many[i] = uint32(i) //nolint:gosec // There are no more.
	}
	nested := boxed(told(405), grouped(405, 0, 77))
	nested.Processes[0] = in(nested.Processes[0], nsinspect.User, nestedUsers)
	testJudgements(t, map[string]judgement{
		"those of the pod":                  {volume(boxed(told(405), grouped(405, 0, 2000, 4000))), nil},
		"those of the image":                {image(false), []string{"ImplicitGroups pod: gid 10"}},
		"those of the image, though strict": {image(true), []string{"GroupsNotInEffect pod: gid 10 | supplementalGroupsPolicy Strict"}},
		"lost by a program that drops root": {volume(boxed(told(0), grouped(1000))), []string{"GroupsNotInEffect pod:  | gid 2000, gid 4000"}},
		"lost by one of two":                {volume(boxed(told(405), grouped(405, 0), grouped(405, 0, 2000, 4000))), nil},
		"root needs none":                   {volume(boxed(told(0), grouped(0), grouped(1000))), nil},
		"lost, as far as was read":          {changed(volume(boxed(told(0), grouped(1000))), func(c *snapshot.Container) { c.Unread.Gaps = []snapshot.Gap{{Cause: snapshot.CauseDenied}} }), nil},
		"as the primary group":              {volume(boxed(told(0), cred(1000, func(c *snapshot.Credentials) { c.GIDs.Real, c.Groups = 2000, []uint32{4000} }))), nil},
		"more than the spec lists":          {boxed(told(405), grouped(405, 0, 77)), []string{"UndeclaredGroups nobody: gid 77 | gid 0 11/1[]"}},
		"more, as the effective group":      {boxed(told(405), cred(405, func(c *snapshot.Credentials) { c.GIDs.Effective = 42 })), []string{"UndeclaredGroups nobody: gid 42 | gid 0 11/1[]"}},
		"more, of root":                     {boxed(told(0), grouped(0, 0, 77)), nil},
		"more, with the right to take them": {boxed(told(405), cred(405, func(c *snapshot.Credentials) { c.Groups, c.Permitted = []uint32{77}, 1<<6 })), nil},
		"more, of another user":             {boxed(told(405), grouped(33, 77)), nil},
		"more than anyone names":            {boxed(told(405), grouped(405, many...)), []string{"UndeclaredGroups nobody: gid 1, gid 2, gid 3, gid 4, gid 5, gid 6, gid 7, gid 8 +8 | gid 0 11/1[]"}},
		"mapped, as declared":               {volumeMapped(boxed(told(405), grouped(65941, 65536, 67536))), nil},
		"mapped, and more":                  {volumeMapped(boxed(told(405), grouped(65941, 65536, 67536, 2000))), []string{"UndeclaredGroups nobody: gid 2000 | gid 0, gid 2000 11/1[]"}},
		"mapped, and lost":                  {volumeMapped(boxed(told(405), grouped(65941, 65536))), []string{"GroupsNotInEffect pod:  | gid 2000"}},
		"more, of a nested user namespace":  {nested, nil},
		"more, in an unknown namespace":     {changed(boxed(told(405), grouped(405, 0, 77)), func(c *snapshot.Container) { c.Processes[0].Groups = nil }), nil},
		"more, for a moment":                {changed(boxed(told(405), grouped(405, 0, 77)), func(c *snapshot.Container) { c.Processes[0].Credentials[0].Unconfirmed = inventory.OtherGroups }), nil},
	}, Groups)
}

// volumeMapped is a pod with a group for a volume and a user namespace. Its user and group are 405 and 0.
func volumeMapped(c snapshot.Container) snapshot.Container {
	for i := range c.Credentials {
		c.Credentials[i].GIDs = nsinspect.IDs{Real: 65536, Effective: 65536, Saved: 65536, Filesystem: 65536}
	}
	c = mappedTo(65536, c)
	c.Security.Request.Groups, c.Security.Spec.Groups = []uint32{2000}, []uint32{2000}
	return c
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	adds := func(uid uint32, bounding nsinspect.Capabilities, names []string, credentials ...snapshot.Credentials) snapshot.Container {
		c := boxed(told(uid), credentials...)
		c.Security.Spec.Bounding |= bounding
		c.Security.Request.Add = names
		return c
	}
	privileged := boxed(told(0), cred(0, func(c *snapshot.Credentials) { c.Bounding, c.Permitted = everyCapability, everyCapability }))
	privileged.Security.Spec.Bounding, privileged.Security.Spec.Masked, privileged.Security.Spec.AllDevices = everyCapability, nil, true
	privileged.Security.Request.Privileged, privileged.Security.Request.Add = true, []string{"WRONG"}
	byDocker := privileged
	byDocker.Pod, byDocker.Declared.By, byDocker.Security = nil, inventory.BySpec, &inventory.Security{Spec: privileged.Security.Spec}
	all := adds(0, everyCapability, []string{"all"}, bounded(0, everyCapability))
	nested := boxed(told(405), cred(405, func(c *snapshot.Credentials) { c.Bounding, c.Permitted = everyCapability, everyCapability }))
	nested.Processes[0] = in(nested.Processes[0], nsinspect.User, nestedUsers)
	denied := boxed(told(405), bounded(405, sysAdmin))
	denied.Processes[0].Groups = []nsinspect.ThreadGroup{{Threads: 1}}
	intruded := mappedTo(65536, boxed(told(0), bounded(65536, everyCapability), of(65536)))
	intruded.Processes[0] = in(intruded.Processes[0], nsinspect.User, hostUserNS)
	defaults := "AUDIT_WRITE"
	names := "CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP +6"
	testJudgements(t, map[string]judgement{
		"the default ones":                   {boxed(told(0), of(0)), nil},
		"fewer":                              {boxed(told(0), cred(0, func(c *snapshot.Credentials) { c.Bounding, c.Permitted = 0, 0 })), nil},
		"SYS_ADMIN added":                    {adds(0, sysAdmin|1<<25, []string{"SYS_ADMIN", "SYS_TIME"}, bounded(0, sysAdmin)), []string{"CapabilitiesAdded pod: SYS_ADMIN (dangerous), SYS_TIME"}},
		"all added, in small letters":        {all, []string{"CapabilitiesAdded pod: DAC_READ_SEARCH (dangerous), NET_ADMIN (dangerous), SYS_MODULE (dangerous), SYS_RAWIO (dangerous), SYS_PTRACE (dangerous), SYS_ADMIN (dangerous), SYS_BOOT (dangerous), SYSLOG (dangerous) +19"}},
		"added by exec":                      {boxed(told(0), of(0), bounded(0, sysAdmin|sysPtrace)), []string{"UndeclaredCapabilities nobody: SYS_PTRACE (dangerous), SYS_ADMIN (dangerous) | " + names + " 12/1[]"}},
		"added by exec, of another user":     {boxed(told(405), holding(405, sysAdmin)), []string{"UndeclaredCapabilities nobody: SYS_ADMIN (dangerous) | " + names + " 11/1[]"}},
		"added to a file, of another user's": {boxed(told(405), holding(405, netRaw)), []string{"PrivilegesGained nobody: NET_RAW | uid 405 11/1[]"}},
		"everything by exec":                 {boxed(told(0), of(0), bounded(0, everyCapability), bounded(0, sysAdmin)), []string{"UndeclaredPrivileged nobody: every capability, DAC_READ_SEARCH (dangerous), NET_ADMIN (dangerous), SYS_MODULE (dangerous), SYS_RAWIO (dangerous), SYS_PTRACE (dangerous), SYS_ADMIN (dangerous), SYS_BOOT (dangerous) +20 | " + names + " 12/1[]", "UndeclaredCapabilities nobody: SYS_ADMIN (dangerous) | " + names + " 13/1[]"}},
		"privileged": {privileged, []string{
			"PrivilegedContainer pod: privileged",
			"CapabilitiesAdded pod: DAC_READ_SEARCH (dangerous), NET_ADMIN (dangerous), SYS_MODULE (dangerous), SYS_RAWIO (dangerous), SYS_PTRACE (dangerous), SYS_ADMIN (dangerous), SYS_BOOT (dangerous), SYSLOG (dangerous) +19",
		}},
		"privileged, by Docker": {byDocker, []string{
			"PrivilegedContainer spec: privileged",
			"CapabilitiesAdded spec: DAC_READ_SEARCH (dangerous), NET_ADMIN (dangerous), SYS_MODULE (dangerous), SYS_RAWIO (dangerous), SYS_PTRACE (dangerous), SYS_ADMIN (dangerous), SYS_BOOT (dangerous), SYSLOG (dangerous) +19",
		}},
		"everything, nested":                     {nested, nil},
		"more, in an unknown user namespace":     {denied, nil},
		"everything, in the host's namespace":    {intruded, []string{"UndeclaredPrivileged nobody: every capability, DAC_READ_SEARCH (dangerous), NET_ADMIN (dangerous), SYS_MODULE (dangerous), SYS_RAWIO (dangerous), SYS_PTRACE (dangerous), SYS_ADMIN (dangerous), SYS_BOOT (dangerous) +20 | " + names + " 11/1[]"}},
		"added for another user":                 {adds(405, netAdmin, []string{"NET_ADMIN"}, bounded(405, netAdmin)), []string{"CapabilitiesNotInEffect pod:  | NET_ADMIN", "CapabilitiesAdded pod: NET_ADMIN (dangerous)"}},
		"added for another user, used by a file": {adds(405, 0, []string{"NET_BIND_SERVICE"}, holding(405, netBind)), []string{"PrivilegesGained nobody: NET_BIND_SERVICE | uid 405 11/1[]"}},
		"added for another user, not all read":   {changed(adds(405, 0, []string{"NET_BIND_SERVICE"}, of(405)), func(c *snapshot.Container) { c.Unread.Security = []snapshot.Gap{{Cause: snapshot.CauseLimit}} }), nil},
		"added for root":                         {adds(0, 0, []string{"net_bind_service"}, of(0)), nil},
		"with CAP_ in front":                     {adds(0, 0, []string{"CAP_NET_ADMIN"}, of(0)), []string{"CapabilitiesNotInEffect pod:  | CAP_NET_ADMIN"}},
		"misspelt, twice":                        {adds(0, 0, []string{"NET_ADMN", "NET_ADMN"}, of(0)), []string{"CapabilitiesNotInEffect pod:  | NET_ADMN"}},
		"added, and dropped":                     {changed(adds(0, 0, []string{"SYS_TIME"}, of(0)), func(c *snapshot.Container) { c.Security.Request.Drop = []string{"sys_time"} }), nil},
		"a hostile name":                         {adds(0, 0, []string{strings.Repeat("x", 300)}, of(0)), []string{"CapabilitiesNotInEffect pod:  | " + strings.Repeat("x", 256) + "…"}},
	}, Privileged, Capabilities, "PrivilegesGained")
	if all := runtimes.DefaultCapabilities.Names(); len(all) != 14 || !slices.Contains(all, defaults) {
		t.Errorf("the default capabilities are %v", all)
	}
	if diff := cmp.Diff([]string{"DAC_READ_SEARCH", "NET_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "SYS_ADMIN", "SYS_BOOT", "SYSLOG", "BPF"}, dangerous.Names()); diff != "" {
		t.Errorf("dangerous (-want +got):\n%s", diff)
	}
}

func TestOneWayRestrictions(t *testing.T) {
	t.Parallel()
	strict := told(405)
	strict.NoNewPrivileges, strict.Seccomp = true, true
	restricted := cred(405, func(c *snapshot.Credentials) {
		c.NoNewPrivileges, c.Seccomp, c.Filters = true, nsinspect.SeccompFilter, 1
	})
	filtered := func(filters int) snapshot.Credentials {
		c := restricted
		c.Filters = filters
		return c
	}
	asks := func(c snapshot.Container, profile inventory.Profile, privileged bool) snapshot.Container {
		c.Security.Request.Seccomp, c.Security.Request.Privileged = &profile, privileged
		return c
	}
	withoutNNP := cred(405, func(c *snapshot.Credentials) { c.Seccomp = nsinspect.SeccompFilter })
	withoutFilter := cred(405, func(c *snapshot.Credentials) { c.NoNewPrivileges = true })
	unread := cred(405, func(c *snapshot.Credentials) { c.Known = 0 })
	empty := told(405)
	empty.SeccompAllowsAll, empty.NoNewPrivileges = true, true
	local := inventory.Profile{Type: inventory.Localhost, Name: "p.json"}
	ofDefault := inventory.Profile{Type: inventory.RuntimeDefault}
	testJudgements(t, map[string]judgement{
		"neither was asked for":           {boxed(told(405), of(405)), []string{"PrivilegeEscalationAllowed pod: no_new_privs 0 11/1[]", "SeccompUnconfined pod: no filter 11/1[]"}},
		"a program that restricts itself": {boxed(told(405), filtered(19)), nil},
		"as told":                         {boxed(strict, filtered(1)), nil},
		"more filters":                    {boxed(strict, filtered(3)), nil},
		"a process without no_new_privs":  {boxed(strict, restricted, withoutNNP), []string{"UndeclaredPrivilegeEscalation nobody: no_new_privs 0 | no_new_privs 1 12/1[]"}},
		"a process without a filter":      {asks(boxed(strict, restricted, withoutFilter), ofDefault, false), []string{"UndeclaredSeccompUnconfined nobody: no filter | RuntimeDefault 12/1[]"}},
		"the same outside pods":           {changed(boxed(strict, withoutFilter), func(c *snapshot.Container) { c.Security = &inventory.Security{Spec: strict} }), []string{"UndeclaredSeccompUnconfined nobody: no filter | a filter 11/1[]"}},
		"unconfirmed": {changed(boxed(strict, of(405)), func(c *snapshot.Container) {
			c.Processes[0].Credentials[0].Unconfirmed = inventory.NewPrivileges | inventory.NoFilter
		}), nil},
		"an old kernel":                      {boxed(strict, unread), nil},
		"an old kernel, neither asked for":   {boxed(told(405), unread), nil},
		"privileged loses its profile":       {asks(boxed(told(405), withoutFilter), ofDefault, true), []string{"SeccompNotInEffect pod:  | RuntimeDefault"}},
		"lost, and nobody was told":          {asks(boxed(told(405), withoutFilter), local, false), []string{"UndeclaredSeccompUnconfined nobody: no filter | Localhost p.json 11/1[]"}},
		"lost, with a filter of its own":     {asks(boxed(told(405), filtered(1)), local, false), nil},
		"unconfined, as asked for":           {asks(boxed(told(405), withoutFilter), inventory.Profile{Type: inventory.Unconfined}, false), []string{"SeccompUnconfined pod: no filter 11/1[]"}},
		"a profile that allows everything":   {asks(boxed(empty, withoutFilter), local, false), []string{"SeccompUnconfined pod: no filter 11/1[]"}},
		"one that is in the kernel":          {asks(boxed(empty, restricted), local, false), nil},
		"an intruder in the pause container": {changed(boxed(strict, restricted, of(405)), func(c *snapshot.Container) { c.Sandbox = true }), []string{"UndeclaredPrivilegeEscalation nobody: no_new_privs 0 | no_new_privs 1 12/1[]", "UndeclaredSeccompUnconfined nobody: no filter | a filter 12/1[]"}},
	}, PrivilegeEscalation, Seccomp)
}

// labelledAs returns credentials with a label.
func labelledAs(uid uint32, label *nsinspect.Label) snapshot.Credentials {
	return cred(uid, func(c *snapshot.Credentials) { c.Label = label })
}

func TestLabels(t *testing.T) {
	t.Parallel()
	const profile = "cri-containerd.apparmor.d"
	armour := func(name, mode string) snapshot.Credentials {
		return labelledAs(405, &nsinspect.Label{Module: nsinspect.AppArmor, Name: name, Mode: mode})
	}
	armoured := func(told string, credentials ...snapshot.Credentials) snapshot.Container {
		return changed(boxedAs(405, credentials...), func(c *snapshot.Container) { c.Security.Spec.AppArmor = told })
	}
	context := func(name string) snapshot.Credentials {
		return labelledAs(405, &nsinspect.Label{Module: nsinspect.SELinux, Name: name})
	}
	contexts := func(told string, credentials ...snapshot.Credentials) snapshot.Container {
		return changed(boxedAs(405, credentials...), func(c *snapshot.Container) { c.Security.Spec.SELinux = told })
	}
	asks := func(c snapshot.Container, privileged bool, kind inventory.ProfileType) snapshot.Container {
		c.Security.Request.AppArmor, c.Security.Request.Privileged = &inventory.Profile{Type: kind}, privileged
		c.Security.Request.SELinux = &inventory.SELinuxOptions{Type: "x_t"}
		return c
	}
	unconfirmed := func(c snapshot.Container, ways inventory.Weakness) snapshot.Container {
		c.Processes[0].Credentials[0].Unconfirmed = ways
		return c
	}
	const contained = "system_u:system_r:container_t:s0:c1,c2"
	tests := map[string]struct {
		module    nsinspect.SecurityModule
		container snapshot.Container
		want      []string
	}{
		"no module":                  {"", armoured(profile, of(405)), nil},
		"the default profile":        {nsinspect.AppArmor, armoured(profile, armour(profile, "enforce")), nil},
		"a profile that kills":       {nsinspect.AppArmor, armoured(profile, armour(profile, "kill")), nil},
		"in complain mode":           {nsinspect.AppArmor, armoured("local", armour("local", "complain")), []string{"UndeclaredAppArmorUnconfined nobody: local (complain) | local 11/1[]"}},
		"a profile that allows all":  {nsinspect.AppArmor, armoured("local", armour("local", "unconfined")), []string{"UndeclaredAppArmorUnconfined nobody: local (unconfined) | local 11/1[]"}},
		"another profile":            {nsinspect.AppArmor, armoured(profile, armour("other", "enforce")), []string{"UndeclaredAppArmorUnconfined nobody: other (enforce) | " + profile + " 11/1[]"}},
		"named alike":                {nsinspect.AppArmor, armoured(profile, armour(profile+"x", "enforce")), []string{"UndeclaredAppArmorUnconfined nobody: " + profile + "x (enforce) | " + profile + " 11/1[]"}},
		"a profile below it":         {nsinspect.AppArmor, armoured(profile, armour(profile+"//sshd", "enforce")), nil},
		"a stack":                    {nsinspect.AppArmor, armoured(profile, armour("a//&"+profile, "enforce")), nil},
		"a stack without it":         {nsinspect.AppArmor, armoured(profile, armour("a//&b", "enforce")), []string{"UndeclaredAppArmorUnconfined nobody: a//&b (enforce) | " + profile + " 11/1[]"}},
		"a stack as it was told":     {nsinspect.AppArmor, armoured(profile+"//&a", armour("a//&"+profile, "enforce")), nil},
		"a part of what was told":    {nsinspect.AppArmor, armoured("a//&"+profile, armour(profile, "enforce")), []string{"UndeclaredAppArmorUnconfined nobody: " + profile + " (enforce) | a//&" + profile + " 11/1[]"}},
		"an odd name":                {nsinspect.AppArmor, armoured("x (enforce)", armour("x (enforce)", "enforce")), nil},
		"no profile":                 {nsinspect.AppArmor, armoured(profile, armour(profile, "enforce"), armour("unconfined", "")), []string{"UndeclaredAppArmorUnconfined nobody: unconfined | " + profile + " 12/1[]"}},
		"still the runtime's":        {nsinspect.AppArmor, unconfirmed(armoured(profile, armour("unconfined", "")), inventory.AnyWeakness), nil},
		"weak for a moment":          {nsinspect.AppArmor, unconfirmed(armoured(profile, armour("unconfined", "")), inventory.IsRoot), []string{"UndeclaredAppArmorUnconfined nobody: unconfined | " + profile + " 11/1[]"}},
		"still the runtime's type":   {nsinspect.SELinux, unconfirmed(contexts(contained, context("u:r:spc_t:s0")), inventory.AnyWeakness), nil},
		"a label that was not read":  {nsinspect.AppArmor, armoured(profile, of(405)), nil},
		"nobody asked for a profile": {nsinspect.AppArmor, armoured("", armour("unconfined", "")), []string{"AppArmorUnconfined pod: unconfined 11/1[]"}},
		"told to be unconfined":      {nsinspect.AppArmor, armoured("unconfined", armour("unconfined", "")), []string{"AppArmorUnconfined pod: unconfined 11/1[]"}},
		"asked to be unconfined":     {nsinspect.AppArmor, asks(armoured("", armour("unconfined", "")), true, inventory.Unconfined), []string{"AppArmorUnconfined pod: unconfined 11/1[]"}},
		"privileged loses it":        {nsinspect.AppArmor, asks(armoured("", armour("unconfined", "")), true, inventory.RuntimeDefault), []string{"AppArmorNotInEffect pod:  | RuntimeDefault"}},
		"lost, and nobody was told":  {nsinspect.AppArmor, asks(armoured("", armour("unconfined", "")), false, inventory.Localhost), []string{"UndeclaredAppArmorUnconfined nobody: unconfined | Localhost 11/1[]"}},
		"the container's type":       {nsinspect.SELinux, contexts(contained, context(contained)), nil},
		"another level":              {nsinspect.SELinux, contexts(contained, context("system_u:system_r:container_t:s0:c3")), nil},
		"another type":               {nsinspect.SELinux, contexts(contained, context("u:r:unconfined_t:s0")), []string{"UndeclaredSELinuxUnconfined nobody: u:r:unconfined_t:s0 | " + contained + " 11/1[]"}},
		"declared to be free":        {nsinspect.SELinux, contexts("u:r:spc_t:s0", context("u:r:spc_t:s0")), []string{"SELinuxUnconfined pod: u:r:spc_t:s0 11/1[]"}},
		"no label was given":         {nsinspect.SELinux, contexts("", context("u:r:spc_t:s0")), []string{"SELinuxUnconfined pod: u:r:spc_t:s0 11/1[]"}},
		"options that were dropped":  {nsinspect.SELinux, asks(contexts("", context("u:r:spc_t:s0")), false, inventory.RuntimeDefault), []string{"SELinuxNotInEffect pod:  | ::x_t:"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := secured(test.container)
			s.HostSecurity.Module = test.module
			if diff := cmp.Diff(test.want, only(t, s, AppArmor, SELinux)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func boxedAs(uid uint32, credentials ...snapshot.Credentials) snapshot.Container {
	return boxed(told(uid), credentials...)
}

// TestNamespacesOfTheContext has the kinds of namespaces that few containers share.
func TestNamespacesOfTheContext(t *testing.T) {
	t.Parallel()
	host := func(c snapshot.Container, moved map[nsinspect.Kind]uint64, told ...nsinspect.Kind) snapshot.Container {
		c.Processes = slices.Clone(c.Processes)
		for kind, ino := range moved {
			c.Processes[0] = in(c.Processes[0], kind, ino)
		}
		c.Security.Spec.Host = append(c.Security.Spec.Host, told...)
		return c
	}
	network := boxed(told(405), of(405))
	network.Declared = byPod(nsinspect.Net)
	ofDocker := boxed(told(405), of(405))
	ofDocker.Pod, ofDocker.Declared.By, ofDocker.Security.Request = nil, inventory.BySpec, nil
	asksUsers := func(c snapshot.Container) snapshot.Container {
		c.Security.Request.UserNamespace = true
		return c
	}
	noSpec := func(c snapshot.Container) snapshot.Container {
		c.Security = nil
		return c
	}
	unread := boxed(told(405), of(405))
	unread.Processes[0] = isolated(11)
	// Of a pause container there is no request. Containerd 1.6 tells the runtime of no user
	// namespace, though the pod has asked for one.
	pause := boxed(told(65535), of(65535))
	pause.Sandbox, pause.SandboxID, pause.Security.Request = true, "", nil
	testJudgements(t, map[string]judgement{
		"a usual pod":                               {boxed(told(405), of(405)), []string{"HostUsersShared pod"}},
		"nothing of it was read":                    {unread, nil},
		"the host's UTS, with its network":          {host(network, map[nsinspect.Kind]uint64{nsinspect.UTS: hostUTSNS}, nsinspect.UTS), []string{"HostUsersShared pod", "HostUTSShared pod"}},
		"the host's UTS":                            {host(boxed(told(405), of(405)), map[nsinspect.Kind]uint64{nsinspect.UTS: hostUTSNS}), []string{"UndeclaredHostUTS nobody", "HostUsersShared pod"}},
		"the host's UTS, by Docker":                 {host(ofDocker, map[nsinspect.Kind]uint64{nsinspect.UTS: hostUTSNS}, nsinspect.UTS), []string{"HostUsersShared spec", "HostUTSShared spec"}},
		"the host's cgroups, as told":               {host(boxed(told(405), of(405)), map[nsinspect.Kind]uint64{nsinspect.Cgroup: hostCgroupNS}, nsinspect.Cgroup), []string{"HostUsersShared pod", "HostCgroupShared pod"}},
		"the host's cgroups":                        {host(boxed(told(405), of(405)), map[nsinspect.Kind]uint64{nsinspect.Cgroup: hostCgroupNS}), []string{"UndeclaredHostCgroup nobody", "HostUsersShared pod"}},
		"the host's mounts":                         {host(boxed(told(405), of(405)), map[nsinspect.Kind]uint64{nsinspect.Mnt: hostMntNS}), []string{"UndeclaredHostMount nobody", "HostUsersShared pod"}},
		"the host's mounts, as told":                {host(boxed(told(405), of(405)), map[nsinspect.Kind]uint64{nsinspect.Mnt: hostMntNS}, nsinspect.Mnt), []string{"HostMountShared pod", "HostUsersShared pod"}},
		"the host's mounts, whatever was asked":     {noSpec(host(boxed(told(405), of(405)), map[nsinspect.Kind]uint64{nsinspect.Mnt: hostMntNS, nsinspect.UTS: hostUTSNS, nsinspect.Cgroup: hostCgroupNS})), []string{"UndeclaredHostMount unknown"}},
		"users that the runtime does not know of":   {asksUsers(boxed(told(405), of(405))), []string{"UndeclaredHostUsers nobody"}},
		"a pause container alone":                   {pause, nil},
		"a pause container, and an intruder":        {changed(host(mappedTo(65536, pause), map[nsinspect.Kind]uint64{nsinspect.User: hostUserNS}), func(c *snapshot.Container) { c.Security.Request = nil }), []string{"UndeclaredHostUsers nobody"}},
		"users of its own":                          {mappedTo(65536, boxed(told(405), of(65941))), nil},
		"an intruder among them":                    {host(mappedTo(65536, boxed(told(405), of(65941))), map[nsinspect.Kind]uint64{nsinspect.User: hostUserNS}), []string{"UndeclaredHostUsers nobody"}},
		"a spec that lists users the pod does not":  {changed(host(mappedTo(65536, boxed(told(405), of(65941))), map[nsinspect.Kind]uint64{nsinspect.User: hostUserNS}), func(c *snapshot.Container) { c.Security.Request.UserNamespace = false }), []string{"UndeclaredHostUsers nobody"}},
		"nested users of a usual pod":               {host(boxed(told(405), of(405)), map[nsinspect.Kind]uint64{nsinspect.User: nestedUsers}), nil},
		"declared and not so is nothing to tell of": {changed(network, func(c *snapshot.Container) { c.Security.Spec.Host = append(c.Security.Spec.Host, nsinspect.UTS) }), []string{"HostUsersShared pod"}},
	}, HostUsers, HostUTS, HostCgroup, HostMount)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	mounts := func(c snapshot.Container, change func(*snapshot.Mounts, *inventory.SecuritySpec)) snapshot.Container {
		change(c.Mounts, c.Security.Spec)
		return c
	}
	readOnly := func(spec, kernel bool) snapshot.Container {
		return mounts(boxedAs(405, of(405)), func(m *snapshot.Mounts, s *inventory.SecuritySpec) { s.ReadOnlyRoot, m.ReadOnlyRoot = spec, kernel })
	}
	chroots := func(source string, moved ...uint64) snapshot.Container {
		c := boxedAs(405, of(405))
		c.Mounts.ReadOnlyRoot, c.Processes[0].HostRoot = true, true
		if source != "" {
			c.Security.Spec.Mounts = []inventory.Mount{{Source: source, Point: "/host", Recursive: true}}
		}
		for _, ino := range moved {
			c.Processes[0] = in(c.Processes[0], nsinspect.Mnt, ino)
		}
		return c
	}
	// alone has threads at the host's root, of which 13 is in a mount namespace of its own.
	alone := func(ino uint64, tids ...int) snapshot.Container {
		c := chroots("")
		p := &c.Processes[0]
		p.HostRoot, p.HostRootThreads, p.HostRootTIDs = false, len(tids), tids
		p.Groups[0].TIDs = []int{11, 12}
		other := in(*p, nsinspect.Mnt, ino).Groups[0]
		other.TIDs = []int{13}
		p.Groups = append(p.Groups, other)
		return c
	}
	tight := func(change func(*snapshot.Container)) snapshot.Container {
		return changed(readOnly(true, true), change)
	}
	testJudgements(t, map[string]judgement{
		"writable, and nobody cares": {readOnly(false, false), []string{"RootFilesystemWritable pod: / (writable)"}},
		"read-only":                  {readOnly(true, true), nil},
		"remounted writable":         {readOnly(true, false), []string{"UndeclaredWritableRoot nobody: / (writable) | / (read-only)"}},
		"tighter than asked for":     {readOnly(false, true), nil},
		"asked for, and not told":    {changed(readOnly(false, false), func(c *snapshot.Container) { c.Security.Request.ReadOnlyRoot = true }), []string{"UndeclaredWritableRoot nobody: / (writable) | / (read-only)"}},
		"not read":                   {tight(func(c *snapshot.Container) { c.Mounts = nil }), nil},
		"unmasked":                   {tight(func(c *snapshot.Container) { c.Mounts.Exposed = []string{"/proc/keys"} }), []string{"UndeclaredProcUnmasked nobody: /proc/keys | /proc/keys"}},
		"nothing was masked":         {tight(func(c *snapshot.Container) { c.Security.Spec.Masked = nil }), []string{"ProcUnmasked pod: /proc"}},
		"privileged, and so not masked": {tight(func(c *snapshot.Container) {
			c.Security.Spec.Masked = nil
			c.Security.Request.Masked = []string{"/proc/keys"}
			c.Security.Request.Privileged = true
		}), []string{"ProcUnmasked pod: /proc"}},
		"asked to be masked, and not told": {tight(func(c *snapshot.Container) {
			c.Security.Spec.Masked = nil
			c.Security.Request.Masked = []string{"/proc/keys"}
		}), []string{"UndeclaredProcUnmasked nobody: /proc | /proc/keys"}},
		"the host's root, declared":          {chroots("/"), []string{"HostRootEntered pod: the host's root directory | / at /host 11/1[]"}},
		"the host's root, by another path":   {chroots("/x/.."), []string{"HostRootEntered pod: the host's root directory | / at /host 11/1[]"}},
		"the host's root, undeclared":        {chroots("/etc"), []string{"UndeclaredHostRoot nobody: the host's root directory 11/1[]"}},
		"in the host's mount namespace":      {chroots("/", hostMntNS), nil},
		"threads at the host's root":         {alone(77, 12, 13), []string{"UndeclaredHostRoot nobody: the host's root directory 11/2[12 13]"}},
		"a thread in the host's mounts too":  {alone(hostMntNS, 12, 13), []string{"UndeclaredHostRoot nobody: the host's root directory 11/1[12]"}},
		"a thread in the host's mounts":      {alone(hostMntNS, 13), nil},
		"read-only root of pause containers": {changed(readOnly(false, false), func(c *snapshot.Container) { c.Sandbox = true }), nil},
	}, WritableRoot, ProcUnmasked, HostRoot)
}

func TestHostPaths(t *testing.T) {
	t.Parallel()
	const kubelet = "/var/lib/kubelet/pods/u/"
	given := func(mounts ...inventory.Mount) snapshot.Container {
		return changed(boxedAs(405, of(405)), func(c *snapshot.Container) { c.Security.Spec.Mounts = mounts })
	}
	sees := func(c snapshot.Container, mounts ...nsinspect.Mount) snapshot.Container {
		c.Mounts.Host = mounts
		return c
	}
	data := inventory.Mount{Source: "/data", Point: "/data"}
	recursive := inventory.Mount{Source: "/data", Point: "/data", Recursive: true}
	disk := func(root, point string) nsinspect.Mount {
		return nsinspect.Mount{Major: 8, Minor: 1, Root: root, Point: point, FSType: "ext4"}
	}
	readOnly := func(m nsinspect.Mount) nsinspect.Mount {
		m.ReadOnly = true
		return m
	}
	var many []nsinspect.Mount
	for i := range 20 {
		many = append(many, disk("/", fmt.Sprintf("/mnt/%02d", i)))
	}
	const mounted = "HostPathMounted pod: /data (writable)"
	testJudgements(t, map[string]judgement{
		"the kubelet's and the runtime's own": {given(
			inventory.Mount{Source: kubelet + "volumes/kubernetes.io~empty-dir/x", Point: "/x"}, inventory.Mount{Source: kubelet + "etc-hosts", Point: "/etc/hosts"},
			inventory.Mount{Source: "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/box/hostname", Point: "/etc/hostname"},
			inventory.Mount{Source: "/dev/shm", Point: "/dev/shm"}, inventory.Mount{Point: "/proc"},
		), nil},
		"another pod's": {given(inventory.Mount{Source: "/var/lib/kubelet/pods/v/volumes/x", Point: "/x", ReadOnly: true}), []string{"HostPathMounted pod: /var/lib/kubelet/pods/v/volumes/x (sensitive)"}},
		"the sensitive first": {given(
			inventory.Mount{Source: "/etc/localtime", Point: "/a", ReadOnly: true}, data, inventory.Mount{Source: "/", Point: "/host"},
			inventory.Mount{Source: "/opt/containerd.sock", Point: "/b", ReadOnly: true}, inventory.Mount{Source: "/run", Point: "/run"},
			inventory.Mount{Source: "/proc/sys", Point: "/c"}, inventory.Mount{Source: "/etc/../etc/", Point: "/d"}, inventory.Mount{Source: "/var/lib/kubelet", Point: "/e"},
		), []string{"HostPathMounted pod: / (sensitive, writable), /etc (sensitive, writable), /opt/containerd.sock (sensitive), /proc/sys (sensitive, writable), /run (sensitive, writable), /var/lib/kubelet (sensitive, writable), /data (writable), /etc/localtime"}},
		"asked for, and not in the spec":      {changed(boxedAs(405, of(405)), func(c *snapshot.Container) { c.Security.Request.Mounts = []inventory.Mount{data} }), []string{mounted}},
		"a mount that was declared":           {sees(given(data), disk("/data", "/data")), []string{mounted}},
		"a mount that nobody declared":        {sees(boxedAs(405, of(405)), disk("/", "/mnt/a")), []string{"UndeclaredHostPath nobody: / of ext4 8:1 at /mnt/a (writable)"}},
		"one that is read-only":               {sees(boxedAs(405, of(405)), readOnly(disk("/etc", "/mnt"))), []string{"UndeclaredHostPath nobody: /etc of ext4 8:1 at /mnt"}},
		"below one that was declared":         {sees(given(data), disk("/data", "/data"), disk("/secret", "/data/b")), []string{"UndeclaredHostPath nobody: /secret of ext4 8:1 at /data/b (writable)", mounted}},
		"below one that is recursive":         {sees(given(recursive), disk("/data", "/data"), disk("/secret", "/data/b")), []string{mounted}},
		"beside one that is recursive":        {sees(given(recursive), disk("/secret", "/database")), []string{"UndeclaredHostPath nobody: /secret of ext4 8:1 at /database (writable)", mounted}},
		"a part of one that was declared":     {sees(given(data), disk("/data", "/data"), disk("/data/a", "/b")), []string{mounted}},
		"a part of it, of another device":     {sees(given(data), disk("/data", "/data"), nsinspect.Mount{Major: 8, Minor: 2, Root: "/data/a", Point: "/b", FSType: "xfs"}), []string{"UndeclaredHostPath nobody: /data/a of xfs 8:2 at /b (writable)", mounted}},
		"more than the part that was given":   {sees(given(data), disk("/data", "/data"), disk("/database", "/b")), []string{"UndeclaredHostPath nobody: /database of ext4 8:1 at /b (writable)", mounted}},
		"writable, of one that was read-only": {sees(given(inventory.Mount{Source: "/data", Point: "/data", ReadOnly: true}), readOnly(disk("/data", "/data")), disk("/data", "/b")), []string{"UndeclaredHostPath nobody: /data of ext4 8:1 at /b (writable)", "HostPathMounted pod: /data"}},
		"a mount that the image's links lead elsewhere": {sees(given(inventory.Mount{Source: kubelet + "volumes/kubernetes.io~projected/t", Point: "/var/run/secrets/sa"}),
			nsinspect.Mount{Minor: 77, Root: "/", Point: "/run/secrets/sa", FSType: "tmpfs", ReadOnly: true}), nil},
		"the node of a device": {sees(boxedAs(405, of(405)), nsinspect.Mount{Minor: 5, Root: "/null", Point: "/dev/null", FSType: "devtmpfs"}), nil},
		"all devices":          {sees(boxedAs(405, of(405)), nsinspect.Mount{Minor: 5, Root: "/", Point: "/mnt", FSType: "devtmpfs"}), []string{"UndeclaredHostPath nobody: / of devtmpfs 0:5 at /mnt (writable)"}},
		"many": {sees(boxedAs(405, of(405)), many...), []string{"UndeclaredHostPath nobody: " + strings.Join([]string{
			"/ of ext4 8:1 at /mnt/00 (writable)", "/ of ext4 8:1 at /mnt/01 (writable)", "/ of ext4 8:1 at /mnt/02 (writable)", "/ of ext4 8:1 at /mnt/03 (writable)",
			"/ of ext4 8:1 at /mnt/04 (writable)", "/ of ext4 8:1 at /mnt/05 (writable)", "/ of ext4 8:1 at /mnt/06 (writable)", "/ of ext4 8:1 at /mnt/07 (writable)",
		}, ", ") + " +12"}},
	}, HostPath)
}

func TestBySpec(t *testing.T) {
	t.Parallel()
	given := func(change func(*inventory.SecuritySpec)) snapshot.Container {
		return changed(boxed(told(405)), func(c *snapshot.Container) { change(c.Security.Spec) }) // It has ended.
	}
	sandbox := func(sysctls map[string]string) snapshot.Container {
		c := pause(byPod(), isolated(10))
		c.Security = &inventory.Security{Spec: told(65535)}
		c.Security.Spec.Sysctls, c.Security.Spec.Devices = sysctls, []string{"/dev/fuse"}
		return c
	}
	testJudgements(t, map[string]judgement{
		"nothing":     {given(func(*inventory.SecuritySpec) {}), nil},
		"devices":     {given(func(s *inventory.SecuritySpec) { s.Devices = []string{"/dev/fuse", "/dev/kvm"} }), []string{"HostDevices pod: /dev/fuse, /dev/kvm"}},
		"all devices": {given(func(s *inventory.SecuritySpec) { s.AllDevices = true }), []string{"HostDevices pod: every device"}},
		"a shared mount": {given(func(s *inventory.SecuritySpec) {
			s.Mounts = []inventory.Mount{{Source: "/a", Point: "/b", Shares: true}, {Source: "/c", Point: "/d", Receives: true}}
		}), []string{"SharedPropagation pod: /a at /b"}},
		"sysctls are the pod's":    {given(func(s *inventory.SecuritySpec) { s.Sysctls = map[string]string{"kernel.msgmax": "1"} }), nil},
		"safe sysctls of a pod":    {sandbox(map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 1"}), nil},
		"unsafe sysctls of a pod":  {sandbox(map[string]string{"net.core.somaxconn": "9", "kernel.msgmax": "1"}), []string{"box UnsafeSysctls pod: kernel.msgmax=1, net.core.somaxconn=9"}},
		"unsafe sysctls of Docker": {changed(given(func(s *inventory.SecuritySpec) { s.Sysctls = map[string]string{"kernel.msgmax": "1"} }), func(c *snapshot.Container) { c.SandboxID = "" }), []string{"UnsafeSysctls pod: kernel.msgmax=1"}},
	}, Devices, Propagation, Sysctls)
}
