// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOptions(t *testing.T) {
	tests := map[string]struct {
		args    []string
		want    options
		wantErr string
	}{
		"up": {
			args: []string{"-cache", "/c", "up"},
			want: options{cache: "/c", name: "nsaudit", node: "auto", command: "up", args: []string{}},
		},
		"all flags": {
			args: []string{"-cache", "/c", "-name", "n", "-node", "built", "-engine", "podman", "load", "a.tar", "b.tar"},
			want: options{
				cache: "/c", name: "n", node: "built", engine: "podman",
				command: "load", args: []string{"a.tar", "b.tar"},
			},
		},
		"an image needs no cache": {
			args: []string{"image", "nsaudit:dev", "bin/nsaudit", "nsaudit.tar"},
			want: options{
				name: "nsaudit", node: "auto",
				command: "image", args: []string{"nsaudit:dev", "bin/nsaudit", "nsaudit.tar"},
			},
		},
		"no cache": {args: []string{"up"}, wantErr: "-cache is needed"},
		"unknown node": {
			args:    []string{"-cache", "/c", "-node", "new", "up"},
			wantErr: `-node is "new"; want auto, stock or built`,
		},
		"unknown engine": {
			args:    []string{"-cache", "/c", "-engine", "x", "up"},
			wantErr: `-engine is "x"; want docker or podman`,
		},
		"no command": {
			args:    []string{"-cache", "/c"},
			wantErr: "no command; want up, status, load FILE..., down, purge or image NAME PROGRAM FILE",
		},
		"too much":   {args: []string{"-cache", "/c", "down", "now"}, wantErr: "down takes no arguments"},
		"no archive": {args: []string{"-cache", "/c", "load"}, wantErr: "load takes at least one image archive"},
		"half an image": {
			args:    []string{"image", "nsaudit:dev"},
			wantErr: "image takes three arguments: the image's name, nsaudit's binary, and the archive to write",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseOptions(test.args)
			if message := text(err); message != test.wantErr {
				t.Fatalf("error = %q, want %q", message, test.wantErr)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(options{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// text is an error's message, or nothing.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
