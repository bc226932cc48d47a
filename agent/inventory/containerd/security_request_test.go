// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// criRecord is the CRI plugin's record with these fields of a configuration.
func criRecord(config string) string {
	return `{"Version":"v1","Metadata":{"Config":{` + config + `}}}`
}

// inContext is the record of a container with these fields of its security context.
func inContext(fields string) string {
	return criRecord(`"linux":{"security_context":{` + fields + `}}`)
}

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	profile := func(kind inventory.ProfileType, name string) *inventory.Profile {
		return &inventory.Profile{Type: kind, Name: name}
	}
	tests := map[string]struct {
		record string
		want   inventory.SecurityRequest
	}{
		"no Linux section":    {criRecord(`"metadata":{"name":"main"}`), inventory.SecurityRequest{}},
		"no security context": {criRecord(`"linux":{"resources":{}}`), inventory.SecurityRequest{}},
		"empty context":       {inContext(``), inventory.SecurityRequest{}},

		"user 0 is left out":    {inContext(`"run_as_user":{},"run_as_group":{}`), inventory.SecurityRequest{User: new(uint32(0)), Group: new(uint32(0))}},
		"user null is not set":  {inContext(`"run_as_user":null`), inventory.SecurityRequest{}},
		"user":                  {inContext(`"run_as_user":{"value":405},"run_as_group":{"value":3000}`), inventory.SecurityRequest{User: new(uint32(405)), Group: new(uint32(3000))}},
		"the last user":         {inContext(`"run_as_user":{"value":4294967295}`), inventory.SecurityRequest{User: new(uint32(4294967295))}},
		"user by name":          {inContext(`"run_as_username":"guest"`), inventory.SecurityRequest{Username: "guest"}},
		"groups in their order": {inContext(`"supplemental_groups":[2000,0,1000],"supplemental_groups_policy":1`), inventory.SecurityRequest{Groups: []uint32{2000, 0, 1000}, StrictGroups: true}},

		"capabilities as spelled": {
			inContext(`"capabilities":{"add_capabilities":["CAP_NET_ADMIN","net_raw","SYS_TIME"],"drop_capabilities":["all"]}`),
			inventory.SecurityRequest{Add: []string{"CAP_NET_ADMIN", "net_raw", "SYS_TIME"}, Drop: []string{"all"}},
		},
		"no capabilities": {inContext(`"capabilities":{}`), inventory.SecurityRequest{}},
		"flags":           {inContext(`"no_new_privs":true,"privileged":true,"readonly_rootfs":true`), inventory.SecurityRequest{NoNewPrivileges: true, Privileged: true, ReadOnlyRoot: true}},
		"paths":           {inContext(`"masked_paths":["/proc/keys"],"readonly_paths":["/proc/sys"]`), inventory.SecurityRequest{Masked: []string{"/proc/keys"}, ReadOnlyPaths: []string{"/proc/sys"}}},

		"seccomp and AppArmor, the default":  {inContext(`"seccomp":{},"apparmor":{}`), inventory.SecurityRequest{Seccomp: profile(inventory.RuntimeDefault, ""), AppArmor: profile(inventory.RuntimeDefault, "")}},
		"seccomp and AppArmor, unconfined":   {inContext(`"seccomp":{"profile_type":1},"apparmor":{"profile_type":1}`), inventory.SecurityRequest{Seccomp: profile(inventory.Unconfined, ""), AppArmor: profile(inventory.Unconfined, "")}},
		"seccomp and AppArmor, localhost":    {inContext(`"seccomp":{"profile_type":2,"localhost_ref":"/p.json"},"apparmor":{"profile_type":2,"localhost_ref":"localhost/mine"}`), inventory.SecurityRequest{Seccomp: profile(inventory.Localhost, "/p.json"), AppArmor: profile(inventory.Localhost, "mine")}},
		"seccomp and AppArmor, null":         {inContext(`"seccomp":null,"apparmor":null`), inventory.SecurityRequest{}},
		"the old fields, the default":        {inContext(`"seccomp_profile_path":"runtime/default","apparmor_profile":"runtime/default"`), inventory.SecurityRequest{Seccomp: profile(inventory.RuntimeDefault, ""), AppArmor: profile(inventory.RuntimeDefault, "")}},
		"the old fields, Docker's default":   {inContext(`"seccomp_profile_path":"docker/default"`), inventory.SecurityRequest{Seccomp: profile(inventory.RuntimeDefault, "")}},
		"the old fields, unconfined":         {inContext(`"seccomp_profile_path":"unconfined","apparmor_profile":"unconfined"`), inventory.SecurityRequest{Seccomp: profile(inventory.Unconfined, ""), AppArmor: profile(inventory.Unconfined, "")}},
		"the old fields, localhost":          {inContext(`"seccomp_profile_path":"localhost//p.json","apparmor_profile":"localhost/mine"`), inventory.SecurityRequest{Seccomp: profile(inventory.Localhost, "/p.json"), AppArmor: profile(inventory.Localhost, "mine")}},
		"the new fields count, as with CRI":  {inContext(`"seccomp":{},"seccomp_profile_path":"unconfined"`), inventory.SecurityRequest{Seccomp: profile(inventory.RuntimeDefault, "")}},
		"a profile that may not have a name": {inContext(`"seccomp":{"localhost_ref":"/p.json"}`), inventory.SecurityRequest{Seccomp: profile(inventory.RuntimeDefault, "")}},

		"SELinux":         {inContext(`"selinux_options":{"user":"u","role":"r","type":"t","level":"s0"}`), inventory.SecurityRequest{SELinux: &inventory.SELinuxOptions{User: "u", Role: "r", Type: "t", Level: "s0"}}},
		"SELinux, a part": {inContext(`"selinux_options":{"type":"spc_t"}`), inventory.SecurityRequest{SELinux: &inventory.SELinuxOptions{Type: "spc_t"}}},
		"SELinux, empty":  {inContext(`"selinux_options":{}`), inventory.SecurityRequest{}},

		"the host's users, by default": {inContext(`"namespace_options":{"pid":1}`), inventory.SecurityRequest{}},
		"the host's users":             {inContext(`"namespace_options":{"userns_options":{"mode":2}}`), inventory.SecurityRequest{}},
		"its own users":                {inContext(`"namespace_options":{"userns_options":{"uids":[{"host_id":200000,"length":65536}]}}`), inventory.SecurityRequest{UserNamespace: true}},
		"its own users, empty":         {inContext(`"namespace_options":{"userns_options":{}}`), inventory.SecurityRequest{UserNamespace: true}},

		"mounts": {
			criRecord(`"mounts":[{"container_path":"/a","host_path":"/b"},{"container_path":"/c","host_path":"/d","readonly":true,"propagation":1},` +
				`{"container_path":"/e","host_path":"/f","propagation":2},{"container_path":"/i","image":{"image":"x"}}]`),
			inventory.SecurityRequest{Mounts: []inventory.Mount{
				{Point: "/a", Source: "/b", Recursive: true},
				{Point: "/c", Source: "/d", Recursive: true, ReadOnly: true, Receives: true},
				{Point: "/e", Source: "/f", Recursive: true, Receives: true, Shares: true},
				{Point: "/i", Recursive: true},
			}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeRequest([]byte(test.record))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestUndecodableRequests(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		record string
		want   error
	}{
		"too large":                  {criRecord(`"x":"` + strings.Repeat("x", maxDocument) + `"`), errTooLarge},
		"a user below 0":             {inContext(`"run_as_user":{"value":-1}`), errNoID},
		"a group beyond the last":    {inContext(`"run_as_group":{"value":4294967296}`), errNoID},
		"groups beyond the last":     {inContext(`"supplemental_groups":[4294967296]`), errNoID},
		"many groups":                {inContext(`"supplemental_groups":` + many(maxEntries+1, "1")), errManyEntries},
		"many capabilities":          {inContext(`"capabilities":{"add_capabilities":` + many(maxEntries+1, `"X"`) + "}"), errManyEntries},
		"a long capability":          {inContext(`"capabilities":{"drop_capabilities":["` + strings.Repeat("x", maxTexts+1) + `"]}`), errLongTexts},
		"a long SELinux type":        {inContext(`"selinux_options":{"type":"` + strings.Repeat("x", maxTexts+1) + `"}`), errLongTexts},
		"many mounts":                {criRecord(`"mounts":` + many(maxEntries+1, "{}")), errManyEntries},
		"a profile of another type":  {inContext(`"seccomp":{"profile_type":7}`), errNoProfile},
		"an old profile, misspelt":   {inContext(`"apparmor_profile":"mine"`), errNoProfile},
		"an old profile, upper case": {inContext(`"seccomp_profile_path":"Unconfined"`), errNoProfile},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := decodeRequest([]byte(test.record)); got != nil || !errors.Is(err, test.want) {
				t.Errorf("%+v, %v, want %v", got, err, test.want)
			}
		})
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(inContext(`"run_as_user":{},"seccomp":{"profile_type":2,"localhost_ref":"x"},"apparmor_profile":"localhost/x"`)))
	f.Add([]byte(criRecord(`"mounts":[{},null],"linux":{"security_context":{"supplemental_groups":[1],"selinux_options":{"type":"t"}},"sysctls":{"a":"b"}}`)))
	addRecords(f, func(record *storedRecord) []byte { return record.Extensions[extensionCtr] })
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeRequest(data)
		if (got == nil) != (err != nil) {
			t.Fatalf("%+v, %v", got, err)
		}
		if n := len(detail(err)); n > 2*maxText {
			t.Errorf("the error has %d bytes", n)
		}
		asked := decodeSandboxRequest(data)
		if asked.err == nil && len(asked.sysctls) > maxEntries {
			t.Errorf("%d sysctls", len(asked.sysctls))
		}
		if got != nil {
			checkLayer(t, [][]string{got.Add, got.Drop, got.Masked, got.ReadOnlyPaths, {got.Username}}, got.Mounts, got.Groups)
		}
	})
}
