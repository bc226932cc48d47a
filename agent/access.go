package agent

import (
	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// explainAccess says what this process may not look at, and what would help. Denied says
// that something was refused to it.
func explainAccess(fs *nsinspect.FS, coverage *audit.Coverage, denied bool) {
	ptrace, err := nsinspect.CanPtrace()
	if err != nil {
		coverage.Gaps = append(coverage.Gaps, err.Error())
		return
	}
	hidepid, err := fs.HidesProcesses()
	switch {
	case err != nil:
		coverage.Gaps = append(coverage.Gaps, err.Error())
	case hidepid != "" && !ptrace:
		coverage.Gaps = append(coverage.Gaps, "processes are hidden: "+fs.Root()+" is mounted with hidepid="+hidepid+", which only CAP_SYS_PTRACE overcomes")
	}
	if !denied {
		return
	}
	if !ptrace {
		coverage.Gaps = append(coverage.Gaps, "CAP_SYS_PTRACE is missing, without which the namespaces of other users' processes can't be read: run as root, or add the capability")
		return
	}
	coverage.Gaps = append(coverage.Gaps, "reads were denied in spite of CAP_SYS_PTRACE: a security module confines this process (run it without an AppArmor profile, and as spc_t under SELinux), or it is in a user namespace")
}
