// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// allNamespaces are those that a spec can list, without a user namespace.
const allNamespaces = `"namespaces":[{"type":"network"},{"type":"pid"},{"type":"ipc"},{"type":"mount"},{"type":"uts"},{"type":"cgroup"},{"type":"time"}]`

// hostUsers is what such a spec shares.
var hostUsers = []nsinspect.Kind{nsinspect.User}

func TestDecodeSecuritySpec(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		process, linux, rest string
		want                 inventory.SecuritySpec
	}{
		"nothing asked": {"", allNamespaces, "", inventory.SecuritySpec{Host: hostUsers}},
		"user": {
			`"user":{"uid":405,"gid":100,"additionalGids":[10,100]}`, allNamespaces, "",
			inventory.SecuritySpec{UID: 405, GID: 100, Groups: []uint32{10, 100}, Host: hostUsers},
		},
		"capabilities": {
			`"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_ADMIN","CAP_CAP_NET_ADMIN","CAP_NEW","NET_RAW","cap_kill"],"effective":["CAP_CHOWN"],` +
				`"permitted":["CAP_KILL"],"inheritable":["CAP_SETUID"],"ambient":["CAP_SETGID"]}`, allNamespaces, "",
			inventory.SecuritySpec{Bounding: 1 | 1<<21, Effective: 1, Permitted: 1 << 5, Inheritable: 1 << 7, Ambient: 1 << 6, Host: hostUsers},
		},
		"restrictions": {
			`"noNewPrivileges":true,"apparmorProfile":"cri-containerd.apparmor.d","selinuxLabel":"system_u:system_r:container_t:s0:c1,c2"`,
			allNamespaces + `,"maskedPaths":["/proc/keys"],"readonlyPaths":["/proc/sys"],"sysctl":{"net.a":"1"},"seccomp":{"defaultAction":"SCMP_ACT_ERRNO"}`,
			`,"root":{"path":"rootfs","readonly":true}`,
			inventory.SecuritySpec{
				NoNewPrivileges: true, AppArmor: "cri-containerd.apparmor.d", SELinux: "system_u:system_r:container_t:s0:c1,c2", Host: hostUsers,
				Masked: []string{"/proc/keys"}, ReadOnlyPaths: []string{"/proc/sys"}, Sysctls: map[string]string{"net.a": "1"},
				Seccomp: true, ReadOnlyRoot: true,
			},
		},
		"no namespaces": {"", `"namespaces":[]`, "", inventory.SecuritySpec{Host: nsinspect.Kinds()}},
		"user namespace": {
			"", strings.Replace(allNamespaces, "}]", `},{"type":"user","path":"/proc/5/ns/user"}]`, 1) +
				`,"uidMappings":[{"containerID":0,"hostID":200000,"size":65536}],"gidMappings":[{"containerID":0,"hostID":300000,"size":10},{"containerID":10,"hostID":4294967295,"size":1}]`,
			"",
			inventory.SecuritySpec{Users: nsinspect.IDMaps{
				UIDs: nsinspect.IDMap{{Inside: 0, Outside: 200000, Count: 65536}},
				GIDs: nsinspect.IDMap{{Inside: 0, Outside: 300000, Count: 10}, {Inside: 10, Outside: 4294967295, Count: 1}},
			}},
		},
		"user namespace of another": {"", strings.Replace(allNamespaces, "}]", `},{"type":"user","path":"/proc/5/ns/user"}]`, 1), "", inventory.SecuritySpec{}},
		"mappings without a user namespace": {
			"", allNamespaces + `,"uidMappings":[{"containerID":0,"hostID":200000,"size":65536}]`, "", inventory.SecuritySpec{Host: hostUsers},
		},
		"devices": {
			"", allNamespaces + `,"devices":[{"path":"/dev/fuse","type":"c","major":10,"minor":229}]`, "",
			inventory.SecuritySpec{Devices: []string{"/dev/fuse"}, Host: hostUsers},
		},
		"all devices are not listed": {
			"", allNamespaces + `,"devices":[{"path":"/dev/sda"}],"resources":{"devices":[{"allow":true,"access":"rwm"}]}`, "",
			inventory.SecuritySpec{AllDevices: true, Host: hostUsers},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeSecuritySpec([]byte(`{"process":{` + test.process + `},"linux":{` + test.linux + `}` + test.rest + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSpecMounts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mount, root string
		want        inventory.Mount
	}{
		"a file system of the kernel's":  {`{"destination":"/proc","type":"proc","source":"proc","options":["nosuid"]}`, "", inventory.Mount{Point: "/proc"}},
		"bind":                           {`{"destination":"/a","type":"bind","source":"/b","options":["bind"]}`, "", inventory.Mount{Point: "/a", Source: "/b"}},
		"bind of another type":           {`{"destination":"/a","type":"none","source":"b","options":["rbind","ro"]}`, "", inventory.Mount{Point: "/a", Source: "b", Recursive: true, ReadOnly: true}},
		"bind by its type":               {`{"destination":"/a","type":"bind","source":"/b"}`, "", inventory.Mount{Point: "/a", Source: "/b"}},
		"a device of the host":           {`{"destination":"/a","type":"ext4","source":"/dev/sda1"}`, "", inventory.Mount{Point: "/a", Source: "/dev/sda1"}},
		"the last of ro and rw counts":   {`{"destination":"/a","type":"bind","options":["ro","rw"]}`, "", inventory.Mount{Point: "/a"}},
		"read-only with all below":       {`{"destination":"/a","type":"bind","options":["rbind","rro"]}`, "", inventory.Mount{Point: "/a", Recursive: true, ReadOnly: true}},
		"slave":                          {`{"destination":"/a","type":"bind","options":["rslave"]}`, "", inventory.Mount{Point: "/a", Receives: true}},
		"slave, not recursive":           {`{"destination":"/a","type":"bind","options":["slave"]}`, "rprivate", inventory.Mount{Point: "/a", Receives: true}},
		"shared":                         {`{"destination":"/a","type":"bind","options":["rshared"]}`, "", inventory.Mount{Point: "/a", Receives: true, Shares: true}},
		"shared, not recursive":          {`{"destination":"/a","type":"bind","options":["shared"]}`, "", inventory.Mount{Point: "/a", Receives: true, Shares: true}},
		"private below a shared root":    {`{"destination":"/a","type":"bind","options":["rprivate"]}`, "rshared", inventory.Mount{Point: "/a"}},
		"as the root, which is shared":   {`{"destination":"/a","type":"bind"}`, "shared", inventory.Mount{Point: "/a", Receives: true, Shares: true}},
		"as the root, which is a slave":  {`{"destination":"/a","type":"bind"}`, "rslave", inventory.Mount{Point: "/a", Receives: true}},
		"the root's has another meaning": {`{"destination":"/a","type":"bind"}`, "ro", inventory.Mount{Point: "/a"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeSecuritySpec(fmt.Appendf(nil, `{"process":{},"mounts":[%s],"linux":{"rootfsPropagation":%q}}`, test.mount, test.root))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]inventory.Mount{test.want}, got.Mounts); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSpecSeccomp(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		profile            string
		restricts, permits bool
	}{
		"none":                       {`null`, false, false},
		"empty":                      {`{}`, false, false},
		"empty but for what is left": {`{"architectures":["SCMP_ARCH_X86_64"],"syscalls":[]}`, false, false},
		"refuses":                    {`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`, true, false},
		"kills one":                  {`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_LOG"},{"action":"SCMP_ACT_KILL"}]}`, true, false},
		"asks a supervisor":          {`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_NOTIFY"}]}`, true, false},
		"no default":                 {`{"syscalls":[{"action":"SCMP_ACT_ALLOW"}]}`, true, false},
		"allows everything":          {`{"defaultAction":"SCMP_ACT_ALLOW"}`, false, true},
		"logs everything":            {`{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"action":"SCMP_ACT_ALLOW"}]}`, false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeSecuritySpec([]byte(`{"process":{},"linux":{"seccomp":` + test.profile + `}}`))
			if err != nil {
				t.Fatal(err)
			}
			if got.Seccomp != test.restricts || got.SeccompAllowsAll != test.permits {
				t.Errorf("restricts %t, allows all %t", got.Seccomp, got.SeccompAllowsAll)
			}
		})
	}
}

func TestSpecDeviceRules(t *testing.T) {
	t.Parallel()
	const all = `{"allow":true,"access":"rwm"}`
	tests := map[string]struct {
		rules string
		want  bool
	}{
		"none":                    {``, false},
		"none is allowed":         {`{"allow":false,"access":"rwm"}`, false},
		"all, as Docker spells":   {`{"allow":false,"access":"rwm"},` + all, true},
		"all, as CRI spells":      {`{"allow":true,"type":"a","access":"rwm"}`, true},
		"all by numbers":          {`{"allow":true,"type":"a","major":-1,"minor":-1,"access":"rwm"}`, true},
		"all, whatever they do":   {`{"allow":true,"type":"a"}`, true},
		"to make them only":       {`{"allow":true,"type":"c","access":"m"},{"allow":true,"type":"b","access":"m"}`, false},
		"to read them only":       {`{"allow":true,"access":"r"}`, false},
		"both types":              {`{"allow":true,"type":"c","access":"rw"},{"allow":true,"type":"b","access":"rw"}`, true},
		"one type":                {`{"allow":true,"type":"c","access":"rwm"}`, false},
		"some numbers":            {`{"allow":true,"type":"a","major":1,"access":"rwm"}`, false},
		"refused afterwards":      {all + `,{"allow":false,"access":"rwm"}`, false},
		"one type refused":        {all + `,{"allow":false,"type":"b","access":"w"}`, false},
		"one device refused":      {all + `,{"allow":false,"type":"b","major":8,"minor":0,"access":"rwm"}`, true},
		"a type never seen":       {`{"allow":true,"type":"x","access":"rwm"}`, false},
		"to make refused, no use": {all + `,{"allow":false,"access":"m"}`, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeSecuritySpec([]byte(`{"process":{},"linux":{"resources":{"devices":[` + test.rules + `]}}}`))
			if err != nil {
				t.Fatal(err)
			}
			if got.AllDevices != test.want {
				t.Errorf("all devices: %t, want %t", got.AllDevices, test.want)
			}
		})
	}
}

// many returns a JSON list of as many entries.
func many(count int, entry string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(entry+",", count), ",") + "]"
}

// TestUndecodableSpecs has what makes the whole of a spec unknown, rather than a part of it.
func TestUndecodableSpecs(t *testing.T) {
	t.Parallel()
	linux := func(text string) string { return `{"process":{},"linux":{` + text + `}}` }
	process := func(text string) string { return `{"process":{` + text + `},"linux":{}}` }
	tests := map[string]struct {
		spec string
		want error
	}{
		"too large":                  {`{"a":"` + strings.Repeat("x", maxDocument) + `"}`, errTooLarge},
		"no process":                 {`{"linux":{}}`, errNoProcess},
		"no Linux section":           {`{"process":{}}`, errNoLinux},
		"many groups":                {process(`"user":{"additionalGids":` + many(maxEntries+1, "1") + `}`), errManyEntries},
		"many capabilities":          {process(`"capabilities":{"ambient":` + many(maxEntries+1, `""`) + `}`), errManyEntries},
		"a long profile":             {process(`"apparmorProfile":"` + strings.Repeat("x", maxTexts+1) + `"`), errLongTexts},
		"many namespaces":            {linux(`"namespaces":` + many(maxEntries+1, "{}")), errManyEntries},
		"many masked paths":          {linux(`"maskedPaths":` + many(maxEntries+1, `""`)), errManyEntries},
		"long masked paths":          {linux(`"maskedPaths":` + many(maxTexts/64, `"`+strings.Repeat("x", 65)+`"`)), errLongTexts},
		"many rules of seccomp":      {linux(`"seccomp":{"syscalls":` + many(maxEntries+1, "{}") + "}"), errManyEntries},
		"many rules for devices":     {linux(`"resources":{"devices":` + many(maxEntries+1, "{}") + "}"), errManyEntries},
		"many devices":               {linux(`"devices":` + many(maxEntries+1, "{}")), errManyEntries},
		"long sysctls":               {linux(`"sysctl":{"a":"` + strings.Repeat("x", maxTexts) + `"}`), errLongTexts},
		"many mounts":                {`{"process":{},"linux":{},"mounts":` + many(maxEntries+1, "{}") + `}`, errManyEntries},
		"many options of a mount":    {`{"process":{},"linux":{},"mounts":[{"options":` + many(maxEntries+1, `""`) + `}]}`, errManyEntries},
		"ids beyond the last one":    {linux(`"namespaces":[{"type":"user"}],"uidMappings":[{"hostID":4294967295,"size":2}],"gidMappings":[{"size":1}]`), errIDRange},
		"ids beyond the last inside": {linux(`"namespaces":[{"type":"user"}],"uidMappings":[{"containerID":4294967295,"size":2}],"gidMappings":[{"size":1}]`), errIDRange},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := decodeSecuritySpec([]byte(test.spec)); got != nil || !errors.Is(err, test.want) {
				t.Errorf("%+v, %v, want %v", got, err, test.want)
			}
		})
	}
}

// TestManyDevicesOfPrivileged has a machine with more devices than are kept.
func TestManyDevicesOfPrivileged(t *testing.T) {
	t.Parallel()
	spec := `{"process":{},"linux":{"devices":` + many(2*maxEntries, `{"path":"/dev/loop"}`) + `,"resources":{"devices":[{"allow":true,"access":"rwm"}]}}}`
	got, err := decodeSecuritySpec([]byte(spec))
	if err != nil || !got.AllDevices || got.Devices != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzDecodeSecuritySpec(f *testing.F) {
	f.Add([]byte(`{"process":{"user":{"uid":1},"capabilities":{"bounding":["CAP_KILL"]}},"linux":{` + allNamespaces + `}}`))
	f.Add([]byte(`{"process":{},"mounts":[{"options":["rbind"]}],"linux":{"seccomp":{"syscalls":[{}]},"devices":[null],"namespaces":null}}`))
	addRecords(f, func(record *storedRecord) []byte { return record.Spec })
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeSecuritySpec(data)
		if (got == nil) != (err != nil) {
			t.Fatalf("%+v, %v", got, err)
		}
		if n := len(detail(err)); n > 2*maxText {
			t.Errorf("the error has %d bytes", n)
		}
		if got == nil {
			return
		}
		texts := [][]string{got.Masked, got.ReadOnlyPaths, got.Devices, {got.AppArmor, got.SELinux}}
		for name, value := range got.Sysctls {
			texts = append(texts, []string{name, value})
		}
		checkLayer(t, texts, got.Mounts, got.Groups)
	})
}

// checkLayer checks that a layer is within its caps.
func checkLayer(t *testing.T, lists [][]string, mounts []inventory.Mount, groups []uint32) {
	t.Helper()
	size := 0
	for _, texts := range lists {
		if len(texts) > maxEntries {
			t.Errorf("a list of %d texts", len(texts))
		}
		for _, text := range texts {
			size += len(text)
		}
	}
	for _, mount := range mounts {
		size += len(mount.Source) + len(mount.Point)
	}
	if size > maxTexts || len(mounts) > maxEntries || len(groups) > maxEntries {
		t.Errorf("%d bytes of texts, %d mounts, %d groups", size, len(mounts), len(groups))
	}
}
