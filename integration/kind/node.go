package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// What is in the node beside programs and Debian's packages.
//
//go:embed node pause
var nodeFiles embed.FS

const (
	// nodeSuite is the last Debian release whose systemd runs where cgroup v1 is.
	nodeSuite      = "bookworm"
	nodeRepository = "localhost/nsaudit-kind-node"
	debianLimit    = 15 * time.Minute
	assembleLimit  = 10 * time.Minute
)

// nodeDebs is what kind's own image has of Debian's packages, less what only
// volumes need.
func nodeDebs() []string {
	return []string{
		"bash", "ca-certificates", "conntrack", "ethtool", "iproute2", "iptables", "kmod", "libseccomp2", "mount",
		"nftables", "procps", "runc", "socat", "systemd", "systemd-sysv", "util-linux",
	}
}

// proxyDebs is what kube-proxy runs; its image has nothing else of Debian.
func proxyDebs() []string { return []string{"nftables"} }

// builtImage is the name of the node image that would be made now. The tag tells
// what it is made of.
func builtImage(ctx context.Context) (string, error) {
	recipe := append(append([]string{nodeSuite}, nodeDebs()...), proxyDebs()...)
	recipe = append(append(recipe, nodePackages()...), sourceOf()...)
	for _, module := range []string{kindModule, containerdModule} {
		of, err := goRecipe(ctx, module)
		if err != nil {
			return "", err
		}
		recipe = append(recipe, of...)
	}
	return nodeRepository + ":" + thing{recipe: recipe}.key(), nil
}

// sourceOf returns the content of every embedded file.
func sourceOf() []string {
	var all []string
	_ = fs.WalkDir(nodeFiles, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			content, _ := nodeFiles.ReadFile(name) // what is embedded can be read
			all = append(all, name, string(content))
		}
		return nil
	})
	return all
}

// buildNode makes the node image and gives it to the engine.
func buildNode(ctx context.Context, store cache, e engine, name string) error {
	containerd, err := buildContainerd(ctx, store)
	if err != nil {
		return err
	}
	debian, err := buildDebian(ctx, store)
	if err != nil {
		return err
	}
	kubernetes, err := buildKubernetes(ctx, store)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(store.dir, makingPrefix)
	if err != nil {
		return fmt.Errorf("make temporary directory: %w", err)
	}
	defer os.RemoveAll(work)
	n := node{tree: filepath.Join(work, "tree"), work: work, containerd: containerd, debian: debian, kubernetes: kubernetes}
	if err := store.progress.step(ctx, "assembling the node image", assembleLimit, n.assemble); err != nil {
		return err
	}
	return store.progress.step(ctx, "giving the node image to "+e.name, importLimit, func(ctx context.Context) error {
		tarball := filepath.Join(work, "node.tar")
		// What was mounted or made by the packages at run time is made anew in the container.
		if _, err := execute(ctx, nil, "tar", "-C", n.tree, "--numeric-owner", "--exclude=./dev/*", "-cf", tarball, "."); err != nil {
			return err
		}
		_, err := e.run(ctx, "import",
			"--change", "ENV container=docker", // which systemd knows for a container; podman tells it by itself
			"--change", "STOPSIGNAL SIGRTMIN+3",
			"--change", `ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]`,
			tarball, name)
		return err
	})
}

const (
	rootTar  = "root.tar"
	proxyTar = "kube-proxy.tar"
)

// buildDebian returns the directory of what comes from Debian's packages.
func buildDebian(ctx context.Context, store cache) (string, error) {
	if err := need("mmdebstrap", "mmdebstrap"); err != nil {
		return "", err
	}
	return store.once(ctx, thing{
		name: "debian", what: "making the node's root file system from Debian's packages",
		recipe: append(append([]string{nodeSuite}, nodeDebs()...), proxyDebs()...),
		limit:  debianLimit,
		fill: func(ctx context.Context, dir string) error {
			mirrors, err := machineMirrors(ctx)
			if err != nil {
				return err
			}
			// extract neither configures the packages nor adds essential ones: there is no shell in it.
			if err := debootstrap(ctx, mirrors, "extract", proxyDebs(), filepath.Join(dir, proxyTar)); err != nil {
				return err
			}
			return debootstrap(ctx, mirrors, "minbase", nodeDebs(), filepath.Join(dir, rootTar))
		},
	})
}

// debootstrap makes a root file system with the first mirror that serves the suite.
func debootstrap(ctx context.Context, mirrors []string, variant string, packages []string, tarball string) error {
	var failures []error
	for _, mirror := range mirrors {
		_, err := execute(ctx, nil, "mmdebstrap",
			"--mode=root", "--variant="+variant, "--include="+strings.Join(packages, ","),
			"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
			"--dpkgopt=path-exclude=/usr/share/locale/*",
			nodeSuite, tarball, "deb "+mirror+" "+nodeSuite+" main")
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	return fmt.Errorf("no mirror of this machine's apt serves %s: %w", nodeSuite, errors.Join(failures...))
}

// machineMirrors lists the archives that this machine's apt is configured to use,
// in the order of its configuration.
func machineMirrors(ctx context.Context) ([]string, error) {
	if err := need("apt-get", "apt"); err != nil {
		return nil, err
	}
	// With no lists at hand, apt names the URIs that it would start from.
	output, err := execute(ctx, nil, "apt-get", "update", "--print-uris", "-o", "Dir::State::lists=/nonexistent")
	if err != nil {
		return nil, err
	}
	var mirrors []string
	for line := range strings.Lines(output) {
		uri, quoted := strings.CutPrefix(line, "'")
		mirror, _, isRelease := strings.Cut(uri, "/dists/")
		if quoted && isRelease && !slices.Contains(mirrors, mirror) {
			mirrors = append(mirrors, mirror)
		}
	}
	if len(mirrors) == 0 {
		return nil, errors.New("this machine's apt has no package archive configured")
	}
	return mirrors, nil
}

// node is a node image in the making.
type node struct {
	tree, work                     string
	containerd, debian, kubernetes string
}

func (n node) assemble(ctx context.Context) error {
	if err := os.Mkdir(n.tree, 0o755); err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	if _, err := execute(ctx, nil, "tar", "-C", n.tree, "--numeric-owner", "-xf", filepath.Join(n.debian, rootTar)); err != nil {
		return err
	}
	source, err := moduleDir(ctx, kindModule, "sigs.k8s.io/kind")
	if err != nil {
		return err
	}
	// The entrypoint, the units and the helpers are kind's own.
	if _, err := execute(ctx, nil, "cp", "-r", "--no-preserve=ownership", filepath.Join(source, "images/base/files")+"/.", n.tree); err != nil {
		return err
	}
	if err := n.writeFile("node/setup.sh", filepath.Join(n.work, "setup.sh"), nil, 0o755); err != nil {
		return err
	}
	if err := n.configure(ctx); err != nil {
		return err
	}
	if _, err := execute(ctx, nil, filepath.Join(n.work, "setup.sh"), n.tree); err != nil {
		return err
	}
	if err := n.addPrograms(ctx); err != nil {
		return err
	}
	return n.addImages(ctx)
}

// configure writes the settings that differ from kind's.
func (n node) configure(ctx context.Context) error {
	version, err := kubernetesVersion(ctx)
	if err != nil {
		return err
	}
	pause, err := n.imageNamed(ctx, "pause")
	if err != nil {
		return err
	}
	for _, f := range []struct {
		source, target string
		mode           fs.FileMode
	}{
		{"node/containerd.toml", "etc/containerd/config.toml", 0o644},
		{"node/cni.conflist.template", "etc/containerd/cni.conflist.template", 0o644},
		{"node/images.conf", "etc/systemd/system/containerd.service.d/images.conf", 0o644},
		{"node/import-images.sh", "kind/bin/import-images.sh", 0o755},
	} {
		if err := n.writeFile(f.source, filepath.Join(n.tree, f.target), strings.NewReplacer("@PAUSE@", pause), f.mode); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(n.tree, "kind/version"), []byte(version), 0o644); err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	return nil
}

func (n node) writeFile(source, target string, replacer *strings.Replacer, mode fs.FileMode) error {
	content, err := nodeFiles.ReadFile(source)
	if err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	if replacer != nil {
		content = []byte(replacer.Replace(string(content)))
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	// What was copied from the module cache is read-only.
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make node: %w", err)
	}
	if err := os.WriteFile(target, content, mode); err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	return nil
}

// addPrograms copies what runs on the node itself to where kind's units expect it.
func (n node) addPrograms(ctx context.Context) error {
	for _, c := range []struct{ from, to string }{
		{filepath.Join(n.kubernetes, "kubeadm"), "usr/bin/"},
		{filepath.Join(n.kubernetes, "kubelet"), "usr/bin/"},
		{filepath.Join(n.kubernetes, "kubectl"), "usr/bin/"},
		{filepath.Join(n.containerd, "containerd"), "usr/local/bin/"},
		{filepath.Join(n.containerd, "containerd-shim-runc-v2"), "usr/local/bin/"},
		{filepath.Join(n.containerd, "ctr"), "usr/local/bin/"},
		{filepath.Join(n.containerd, "cni") + "/.", "opt/cni/bin/"},
	} {
		if _, err := execute(ctx, nil, "cp", "-r", c.from, filepath.Join(n.tree, c.to)); err != nil {
			return err
		}
	}
	return nil
}

// addImages adds the images of the pods that kubeadm starts, under the names that
// it looks for.
func (n node) addImages(ctx context.Context) error {
	if err := buildPause(ctx, n.work); err != nil {
		return err
	}
	for _, i := range []struct {
		name, program, folder, base string
	}{
		{"pause", filepath.Join(n.work, "pause"), "every", ""},
		{"kube-proxy", filepath.Join(n.kubernetes, "kube-proxy"), "every", filepath.Join(n.debian, proxyTar)},
		{"etcd", filepath.Join(n.kubernetes, "server"), "control-plane", ""},
		{"kube-apiserver", filepath.Join(n.kubernetes, "kube-apiserver"), "control-plane", ""},
		{"kube-controller-manager", filepath.Join(n.kubernetes, "kube-controller-manager"), "control-plane", ""},
		{"kube-scheduler", filepath.Join(n.kubernetes, "kube-scheduler"), "control-plane", ""},
	} {
		name, err := n.imageNamed(ctx, i.name)
		if err != nil {
			return err
		}
		folder := filepath.Join(n.tree, "kind/images", i.folder)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("make node: %w", err)
		}
		made := image{name: name, program: i.program, path: "/usr/local/bin/" + i.name, base: i.base}
		if err := made.write(filepath.Join(folder, i.name+".tar")); err != nil {
			return err
		}
	}
	return nil
}

// imageNamed returns the full name under which kubeadm looks for an image.
func (n node) imageNamed(ctx context.Context, short string) (string, error) {
	version, err := kubernetesVersion(ctx)
	if err != nil {
		return "", err
	}
	output, err := execute(ctx, nil, filepath.Join(n.kubernetes, "kubeadm"), "config", "images", "list", "--kubernetes-version", version)
	if err != nil {
		return "", err
	}
	for _, name := range strings.Fields(output) {
		if repository, _, _ := strings.Cut(path.Base(name), ":"); repository == short {
			return name, nil
		}
	}
	return "", fmt.Errorf("kubeadm names no image %s, but:\n%s", short, output)
}
