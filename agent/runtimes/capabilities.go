// SPDX-License-Identifier: Apache-2.0

package runtimes

import "github.com/nsaudit/nsaudit/nsinspect"

// DefaultCapabilities are the 14 that containerd (oci.DefaultUnixCaps) and Docker give a container of
// which nothing else was asked: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP,
// NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE and SETFCAP.
const DefaultCapabilities nsinspect.Capabilities = 0xa80425fb
