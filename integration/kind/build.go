package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Where the versions of all Go modules are pinned.
const (
	kindModule       = "integration/tools/kind"
	containerdModule = "integration/tools/containerd"
)

// buildLimit is for a machine that has other things to do, too. Kubernetes takes
// twenty minutes of one processor.
const buildLimit = 90 * time.Minute

// toolPackages is what runs on this machine.
func toolPackages() []string {
	return []string{"sigs.k8s.io/kind", "k8s.io/kubernetes/cmd/kubectl"}
}

// nodePackages is what runs in the nodes.
func nodePackages() []string {
	return []string{
		"k8s.io/kubernetes/cmd/kubeadm",
		"k8s.io/kubernetes/cmd/kubectl",
		"k8s.io/kubernetes/cmd/kubelet",
		"k8s.io/kubernetes/cmd/kube-apiserver",
		"k8s.io/kubernetes/cmd/kube-controller-manager",
		"k8s.io/kubernetes/cmd/kube-proxy",
		"k8s.io/kubernetes/cmd/kube-scheduler",
		"go.etcd.io/etcd/server/v3",
	}
}

// buildTools returns the directory of kind and kubectl.
func buildTools(ctx context.Context, store cache) (string, error) {
	return buildOnce(ctx, store, "tools", "building kind and kubectl", toolPackages())
}

// buildKubernetes returns the directory of Kubernetes' programs.
func buildKubernetes(ctx context.Context, store cache) (string, error) {
	return buildOnce(ctx, store, "kubernetes", "building Kubernetes (10 minutes on 2 idle cores, once)", nodePackages())
}

func buildOnce(ctx context.Context, store cache, name, what string, packages []string) (string, error) {
	flags, err := linkerFlags(ctx)
	if err != nil {
		return "", err
	}
	recipe, err := goRecipe(ctx, kindModule)
	if err != nil {
		return "", err
	}
	recipe = append(append(recipe, flags), packages...)
	return store.once(ctx, thing{
		name: name, what: what, recipe: recipe, limit: buildLimit,
		fill: func(ctx context.Context, dir string) error {
			args := []string{
				"build", "-C", kindModule, "-mod=readonly", "-trimpath", "-buildvcs=false",
				"-ldflags", flags, "-o", dir + "/",
			}
			_, err := execute(ctx, []string{"CGO_ENABLED=0"}, "go", append(args, packages...)...)
			return err
		},
	})
}

// buildPause returns the directory of the program that keeps pods open.
func buildPause(ctx context.Context, dir string) error {
	_, err := execute(ctx, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w",
		"-o", dir+"/", "./integration/kind/pause")
	return err
}

// buildContainerd returns the directory of containerd, its shim, ctr and CNI
// plugins: the one of the tests against a containerd alone.
func buildContainerd(ctx context.Context, store cache) (string, error) {
	version, err := pinned(ctx, containerdModule, "github.com/containerd/containerd/v2")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(store.dir), "containerd-"+strings.TrimPrefix(version, "v"))
	return dir, store.progress.step(ctx, "containerd "+version, buildLimit, func(ctx context.Context) error {
		_, err := execute(ctx, nil, "integration/setup/containerd-2.4", dir)
		return err
	})
}

// goRecipe is what every build of a module's packages depends on.
func goRecipe(ctx context.Context, module string) ([]string, error) {
	recipe := make([]string, 0, 3)
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return nil, fmt.Errorf("read pinned versions (run this from the root of the repository): %w", err)
		}
		recipe = append(recipe, string(content))
	}
	compiler, err := execute(ctx, nil, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return nil, err
	}
	return append(recipe, compiler), nil
}

// linkerFlags gives Kubernetes' programs their version, which kubeadm asks for.
func linkerFlags(ctx context.Context) (string, error) {
	version, err := kubernetesVersion(ctx)
	if err != nil {
		return "", err
	}
	numbers := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(numbers) != 3 {
		return "", fmt.Errorf("Kubernetes' version is %q; want vMAJOR.MINOR.PATCH", version)
	}
	const variables = "k8s.io/component-base/version."
	return fmt.Sprintf("-s -w -X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s -X %[1]sgitTreeState=clean",
		variables, version, numbers[0], numbers[1]), nil
}

func kubernetesVersion(ctx context.Context) (string, error) {
	return pinned(ctx, kindModule, "k8s.io/kubernetes")
}

// pinned returns the version of a dependency.
func pinned(ctx context.Context, module, dependency string) (string, error) {
	version, err := execute(ctx, nil, "go", "list", "-C", module, "-mod=readonly", "-m", "-f", "{{.Version}}", dependency)
	if err != nil {
		return "", fmt.Errorf("find version of %s: %w", dependency, err)
	}
	return strings.TrimSpace(version), nil
}

// moduleDir returns the directory of a dependency's source, downloaded if need be.
func moduleDir(ctx context.Context, module, dependency string) (string, error) {
	dir, err := execute(ctx, nil, "go", "list", "-C", module, "-mod=readonly", "-m", "-f", "{{.Dir}}", dependency)
	if err != nil {
		return "", fmt.Errorf("find source of %s: %w", dependency, err)
	}
	return strings.TrimSpace(dir), nil
}
