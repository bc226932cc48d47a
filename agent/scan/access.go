package scan

import (
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// explainAccess says what this process may not look at, and what would help. Denied says
// that something was refused to it.
func explainAccess(fs *nsinspect.FS, coverage *snapshot.Coverage, denied bool) {
	addGap := func(cause snapshot.Cause, reason string) {
		coverage.Gaps = append(coverage.Gaps, snapshot.Gap{Cause: cause, Detail: reason})
	}
	ptrace, err := nsinspect.CanPtrace()
	if err != nil {
		addGap(snapshot.CauseRead, err.Error())
		return
	}
	hidepid, err := fs.HidesProcesses()
	switch {
	case err != nil:
		addGap(snapshot.CauseRead, err.Error())
	case hidepid != "" && !ptrace:
		addGap(snapshot.CauseDenied, "processes are hidden: "+fs.Root()+" is mounted with hidepid="+hidepid+", which only CAP_SYS_PTRACE overcomes")
	}
	if !denied {
		return
	}
	if !ptrace {
		addGap(snapshot.CauseDenied, "CAP_SYS_PTRACE is missing, without which the namespaces of other users' processes can't be read: run as root, or add the capability")
		return
	}
	addGap(snapshot.CauseDenied, "reads were denied in spite of CAP_SYS_PTRACE: a security module confines this process (run it without an AppArmor profile, and as spc_t under SELinux), or it is in a user namespace")
}
