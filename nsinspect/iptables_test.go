package nsinspect

import (
	"slices"
	"strings"
	"testing"
)

// Of legacy iptables it is known from lists of tables whether there may be rules.
func TestReadLegacy(t *testing.T) {
	const v4, v6 = "proc/5/net/ip_tables_names", "proc/5/net/ip6_tables_names"
	tests := map[string]struct {
		files  map[string]string
		hidden bool
		pid    int
		want   [][]string
	}{
		"a kernel without it":  {pid: 5},
		"unused":               {pid: 5, files: map[string]string{v4: "", v6: ""}},
		"other tables":         {pid: 5, files: map[string]string{v4: "filter\nmangle\n", v6: "raw\n"}},
		"rules for NAT":        {pid: 5, files: map[string]string{v4: "filter\nnat\n", v6: "filter\n"}, want: [][]string{{"iptables-legacy has a table nat", "iptables-legacy -t nat -S"}}},
		"for both":             {pid: 5, files: map[string]string{v4: "nat\n", v6: "nat"}, want: [][]string{{"iptables-legacy has"}, {"ip6tables-legacy has"}}},
		"a name that holds it": {pid: 5, files: map[string]string{v4: "nat2\nmynat\n"}},
		"a list of any length": {pid: 5, files: map[string]string{v4: strings.Repeat("x\n", maxTableNames)}, want: [][]string{{"iptables-legacy", "not known", "larger than its cap"}}},
		"denied":               {pid: 5, files: map[string]string{v6: ""}, hidden: true, want: [][]string{{"iptables-legacy", "not known", "CAP_DAC_READ_SEARCH", "denied"}}},
		"a host that ended":    {pid: 6, want: [][]string{{"not known", "vanished"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := newFakeProc(t)
			fake.add(fakeProcess{pid: 5, ns: allKinds("host")})
			for file, text := range test.files {
				fake.write(file, text)
			}
			if test.hidden {
				fake.write("forbidden/names", "nat\n")
				fake.link("../../../forbidden/names", v4)
			}
			namespaces, err := fake.openProcess(5).Namespaces()
			if err != nil {
				t.Fatal(err)
			}
			fs := fake.open()
			var table ForwardTable
			look := func() { fs.readLegacy(HostReference{PID: test.pid, Namespaces: namespaces}, &table) }
			if test.hidden {
				fake.withoutRights(look)
			} else {
				look()
			}
			if !slices.EqualFunc(table.Unread, test.want, containsAll) {
				t.Errorf("unread %q, want sentences with %q", table.Unread, test.want)
			}
		})
	}
}

// A pid that another process has by now is not the host.
func TestReadLegacyOfAnother(t *testing.T) {
	fake := newFakeProc(t)
	fake.add(fakeProcess{pid: 5, ns: allKinds("host")})
	fake.add(fakeProcess{pid: 6, ns: allKinds("pod")})
	namespaces, err := fake.openProcess(5).Namespaces()
	if err != nil {
		t.Fatal(err)
	}
	var table ForwardTable
	fake.open().readLegacy(HostReference{PID: 6, Namespaces: namespaces}, &table)
	if want := [][]string{{"not known", "vanished"}}; !slices.EqualFunc(table.Unread, want, containsAll) {
		t.Errorf("unread %q, want sentences with %q", table.Unread, want)
	}
}

func containsAll(text string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}
