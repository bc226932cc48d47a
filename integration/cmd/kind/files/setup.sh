#!/bin/bash
# setup.sh TREE does to a root file system what kind's Dockerfile does to its own: only what a node needs is started.
set -o errexit -o nounset -o pipefail
cd "$1"

find lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete
rm -f lib/systemd/system/multi-user.target.wants/* etc/systemd/system/*.wants/* \
	lib/systemd/system/local-fs.target.wants/* lib/systemd/system/basic.target.wants/* \
	lib/systemd/system/sockets.target.wants/*udev* lib/systemd/system/sockets.target.wants/*initctl*
echo ReadKMsg=no >>etc/systemd/journald.conf
mkdir -p etc/systemd/system/multi-user.target.wants etc/kubernetes/manifests etc/cni/net.d opt/cni/bin kind/manifests
for unit in kubelet containerd undo-mount-hacks; do
	ln -s "/etc/systemd/system/$unit.service" etc/systemd/system/multi-user.target.wants/
done
# It would register formats with the kernel of the whole machine.
ln -s /dev/null etc/systemd/system/systemd-binfmt.service
chmod 755 usr/local/bin/entrypoint kind/bin/*
