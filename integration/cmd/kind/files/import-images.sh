#!/bin/bash
# Imports the images that the node comes with, the first time that containerd starts. A worker has no use for the
# control plane's, which are most of them.
set -o errexit -o nounset -o pipefail

[[ ! -e /var/lib/kind-images-imported ]] || exit 0
archives=(/kind/images/every/*.tar)
[[ $HOSTNAME != *control-plane* ]] || archives+=(/kind/images/control-plane/*.tar)
for archive in "${archives[@]}"; do
	ctr --namespace k8s.io images import --local "$archive"
done
touch /var/lib/kind-images-imported
