// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
)

const modulesDep = `kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/char/hw_random/virtio-rng.ko.xz: kernel/drivers/virtio/virtio.ko
`

func TestLoadOrder(t *testing.T) {
	got, err := loadOrder(parseModulesDep(modulesDep), builtinNames("kernel/fs/ext4/ext4.ko\n"),
		[]string{"virtio_blk", "ext4", "virtio_rng"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"kernel/drivers/virtio/virtio_ring.ko",
		"kernel/drivers/virtio/virtio.ko",
		"kernel/drivers/block/virtio_blk.ko",
		"kernel/drivers/char/hw_random/virtio-rng.ko.xz",
	}
	if !slices.Equal(got, want) {
		t.Errorf("loadOrder() = %q, want %q", got, want)
	}
}

func TestLoadOrderOfMissingModule(t *testing.T) {
	_, err := loadOrder(parseModulesDep(modulesDep), nil, []string{"btrfs"})
	if err == nil || !strings.Contains(err.Error(), "btrfs") {
		t.Errorf("error = %v, want one that names btrfs", err)
	}
}
