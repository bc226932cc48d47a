// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

func TestHostContainers(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"a machine":   {text: "0::/init.scope\n"},
		"a kind node": {"2:pids:/docker/" + idA + "/docker/" + idB + "/init.scope\n1:cpu:/docker/" + idA + "\n0::/../../docker/" + idA + "\n", []string{idA, idB}},
	} {
		entries, err := cgroup.Parse([]byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, HostContainers(entries)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}
