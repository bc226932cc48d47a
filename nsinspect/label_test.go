// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// TestParseLabel has labels as the modules of Linux 6.1 write them.
func TestParseLabel(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want Label
		bad  bool
	}{
		"AppArmor, enforced":            {text: "cri-containerd.apparmor.d (enforce)\n", want: Label{AppArmor, "cri-containerd.apparmor.d", "enforce"}},
		"AppArmor, unconfined":          {text: "unconfined\n", want: Label{AppArmor, "unconfined", ""}},
		"AppArmor, a stack":             {text: "a//&:ns://b (mixed)\n", want: Label{AppArmor, "a//&:ns://b", "mixed"}},
		"a profile named like a mode":   {text: "x (enforce) (complain)\n", want: Label{AppArmor, "x (enforce)", "complain"}},
		"a profile with a line break":   {text: "x\ny (complain)\n", want: Label{AppArmor, "x\ny", "complain"}},
		"a profile that says otherwise": {text: "unconfined (enforce)\n", want: Label{AppArmor, "unconfined", "enforce"}},
		"SELinux":                       {text: "system_u:system_r:container_t:s0:c1,c2\x00", want: Label{SELinux, "system_u:system_r:container_t:s0:c1,c2", ""}},
		"SELinux without a level":       {text: "system_u:system_r:spc_t\x00", want: Label{SELinux, "system_u:system_r:spc_t", ""}},
		"no text":                       {text: "", bad: true},
		"cut off":                       {text: "cri-containerd.apparmor.d (enf", bad: true},
		"no mode":                       {text: "x\n", bad: true},
		"an empty mode":                 {text: "x ()\n", bad: true},
		"no name":                       {text: " (enforce)\n", bad: true},
		"a context of two parts":        {text: "a:b\x00", bad: true},
		"a context with a 0 byte":       {text: "a:b:c\x00:d\x00", bad: true},
		"a profile with a 0 byte":       {text: "a\x00 (enforce)\n", bad: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := parseLabel([]byte(test.text))
			if ok == test.bad {
				t.Fatalf("parseLabel = %+v, %t", got, ok)
			}
			if diff := cmp.Diff(test.want, got); diff != "" && !test.bad {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// No name of a profile passes for another mode, or for none.
func FuzzParseLabel(f *testing.F) {
	f.Add([]byte("unconfined\n"), "x (enforce)")
	f.Add([]byte("a:b:c:d\x00"), "unconfined")
	f.Fuzz(func(t *testing.T, text []byte, profile string) {
		if label, ok := parseLabel(text); ok && label.Name == "" {
			t.Errorf("%q is a label without a name", text)
		}
		if profile == "" || strings.ContainsRune(profile, 0) {
			return
		}
		got, ok := parseLabel([]byte(profile + " (complain)\n"))
		if want := (Label{AppArmor, profile, "complain"}); !ok || got != want {
			t.Errorf("%q: %+v, %t", profile, got, ok)
		}
	})
}

func TestLabelOutcomes(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		stat  string
		want  Label
		err   error
	}{
		"AppArmor of a young kernel":  {files: map[string]string{"attr/apparmor/current": "a (enforce)\n", "attr/current": "other (enforce)\n"}, want: Label{AppArmor, "a", "enforce"}},
		"AppArmor of an older kernel": {files: map[string]string{"attr/current": "a (enforce)\n"}, want: Label{AppArmor, "a", "enforce"}},
		"SELinux":                     {files: map[string]string{"attr/current": "u:r:t:s0\x00"}, want: Label{SELinux, "u:r:t:s0", ""}},
		"no module":                   {err: ErrAbsent},
		"a zombie":                    {stat: fakeproc.ZombieStat, err: ErrVanished},
		"another form":                {files: map[string]string{"attr/current": "?"}, err: ErrMalformed},
		"denied":                      {files: map[string]string{"attr/current": "forbidden"}, err: ErrDenied},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 5, Stat: test.stat})
			for file, text := range test.files {
				if text == "forbidden" {
					fake.Mkdir("proc/5/attr")
					fake.Write("forbidden/current", "x")
					fake.Link("../../../forbidden/current", "proc/5/"+file)
					continue
				}
				fake.Write("proc/5/"+file, text)
			}
			process := openProcess(t, fake, 5)
			fake.WithoutRights(func() {
				got, err := process.Label()
				if !errors.Is(err, test.err) || got != test.want {
					t.Errorf("Label = %+v, %v, want %+v, %v", got, err, test.want, test.err)
				}
			})
		})
	}
}
