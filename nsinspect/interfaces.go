package nsinspect

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/prometheus/procfs"
)

// Interfaces returns the names of the host's network interfaces, sorted, from
// /proc/PID/net/dev of the host reference (proc_pid_net(5)), which takes no right.
func (fs *FS) Interfaces(host HostReference) ([]string, error) {
	if host.PID <= 0 {
		return nil, errNoHost
	}
	pid, err := procfs.NewFS(fs.path(strconv.Itoa(host.PID)))
	if err != nil {
		return nil, fmt.Errorf("list the host's network interfaces: %w", err)
	}
	devices, err := pid.NetDev()
	if err != nil {
		return nil, classify("list the host's network interfaces", err)
	}
	return slices.Sorted(maps.Keys(devices)), nil
}
