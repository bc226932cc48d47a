// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// explainAccess notes what this process may not look at, and what would help. Denied says
// that something was refused to it.
func explainAccess(fs *nsinspect.FS, b *builder, denied bool) {
	ptrace, err := nsinspect.CanPtrace()
	if err != nil {
		b.explain(snapshot.CauseRead, err.Error())
		return
	}
	if !ptrace { // Which overcomes hidepid.
		explainHidden(fs, b)
	}
	if !denied {
		return
	}
	if !ptrace {
		b.explain(snapshot.CauseDenied, "CAP_SYS_PTRACE is missing, without which the namespaces of other users' processes can't be read: run as root, or add the capability")
		return
	}
	b.explain(snapshot.CauseDenied, "reads were denied in spite of CAP_SYS_PTRACE: a security module confines this process (run it without an AppArmor profile, and as spc_t under SELinux), or it is in a user namespace")
}

// explainHidden notes that the procfs may not list all processes.
func explainHidden(fs *nsinspect.FS, b *builder) {
	switch hidepid, err := fs.HidesProcesses(); {
	case err != nil:
		b.explain(snapshot.CauseRead, err.Error())
	case hidepid != "":
		b.explain(snapshot.CauseDenied, "processes are hidden: "+fs.Root()+" is mounted with hidepid="+hidepid+", which only CAP_SYS_PTRACE overcomes")
	}
}
