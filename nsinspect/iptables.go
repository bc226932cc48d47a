package nsinspect

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// legacyFamily is a family of legacy iptables, which keeps its rules beside nf_tables.
type legacyFamily struct {
	// command shows the rules, and names lists the tables in use, below /proc/PID/net.
	command, names string
}

var legacyFamilies = [...]legacyFamily{
	{"iptables-legacy", "ip_tables_names"},
	{"ip6tables-legacy", "ip6_tables_names"},
}

// maxTableNames caps a list of tables: there are five, of up to 31 bytes each.
const maxTableNames = 4 << 10

// readLegacy says what of the host's forwards may stand in legacy iptables, of which no rules
// are read. The lists of tables are looked at first and nothing else is asked: the kernel would
// load modules and make tables.
func (fs *FS) readLegacy(host HostReference, table *ForwardTable) {
	process, err := fs.openHost(host)
	if err != nil {
		table.unread("whether legacy iptables forwards ports is not known: %v", err)
		return
	}
	defer process.Close()
	for _, family := range legacyFamilies {
		used, err := process.usesLegacyNAT(family)
		switch {
		case err != nil:
			table.unread("whether %s forwards ports is not known, which takes root or CAP_DAC_READ_SEARCH: %v", family.command, err)
		case used:
			table.unread("%s has a table nat, which is not read: look at it with %s -t nat -S, or use iptables-nft", family.command, family.command)
		}
	}
}

// openHost opens the host reference, if it is still in the host's network namespace.
func (fs *FS) openHost(host HostReference) (*Process, error) {
	want, ok := host.Namespaces.Get(Net)
	if !ok {
		return nil, errNoHost
	}
	process, err := fs.Open(host.PID)
	if err != nil {
		return nil, err
	}
	id, err := process.Namespace(Net)
	if err == nil && id != want {
		err = fmt.Errorf("look at the host's network namespace: %w", ErrVanished)
	}
	if err != nil {
		process.Close()
		return nil, err
	}
	return process, nil
}

// usesLegacyNAT says whether a family has a table nat in the process's network namespace. A
// kernel without the family has no list.
func (p *Process) usesLegacyNAT(family legacyFamily) (bool, error) {
	text, err := readAll(p.fd, "net/"+family.names, make([]byte, maxTableNames), maxTableNames)
	if errors.Is(err, unix.ENOENT) && !p.ended("") {
		return false, nil
	}
	if err != nil {
		return false, classify("read net/"+family.names, err)
	}
	for line := range bytes.Lines(text) {
		if string(bytes.TrimSpace(line)) == "nat" {
			return true, nil
		}
	}
	return false, nil
}
