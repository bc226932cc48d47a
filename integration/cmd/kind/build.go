// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// Where the versions of all Go modules are pinned.
const (
	containerdModule = "integration/tools/containerd"
	kindModule       = "integration/tools/kind"
	runcModule       = "integration/tools/runc"
)

// buildLimit is for a machine that has other things to do, too. Kubernetes takes twenty minutes of one processor.
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
func buildTools(ctx context.Context, store buildcache.Cache) (string, error) {
	return buildKubernetesPackages(ctx, store, "tools", "building kind and kubectl", toolPackages())
}

// buildKubernetes returns the directory of Kubernetes' programs.
func buildKubernetes(ctx context.Context, store buildcache.Cache) (string, error) {
	const what = "building Kubernetes (10 minutes on 2 idle cores, once)"
	return buildKubernetesPackages(ctx, store, "kubernetes", what, nodePackages())
}

func buildKubernetesPackages(
	ctx context.Context, store buildcache.Cache, name, what string, packages []string,
) (string, error) {
	version, err := kubernetesVersion(ctx)
	if err != nil {
		return "", err
	}
	flags, err := linkerFlags(version)
	if err != nil {
		return "", err
	}
	recipe, err := goRecipe(ctx, kindModule)
	if err != nil {
		return "", err
	}
	return store.Get(ctx, buildcache.Artifact{
		Name: name, What: what, Recipe: append(append(recipe, flags), packages...), Limit: buildLimit,
		Build: func(ctx context.Context, dir string) error {
			static := command.Setting{Env: []string{"CGO_ENABLED=0"}}
			args := []string{
				"build", "-C", kindModule, "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", dir + "/",
			}
			_, err := static.Run(ctx, "go", append(args, packages...)...)
			return err
		},
	})
}

// linkerFlags gives Kubernetes' programs their version, which kubeadm asks for.
func linkerFlags(version string) (string, error) {
	numbers := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(numbers) != 3 {
		return "", fmt.Errorf("version of Kubernetes is %q; want vMAJOR.MINOR.PATCH", version)
	}
	const variables = "k8s.io/component-base/version."
	const shape = "-s -w -X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s -X %[1]sgitTreeState=clean"
	return fmt.Sprintf(shape, variables, version, numbers[0], numbers[1]), nil
}

// buildRunc returns the directory of runc. Debian's is too old for pods with user namespaces. It is static, with C code
// and libseccomp in it, to run on whatever the node is made of.
func buildRunc(ctx context.Context, store buildcache.Cache) (string, error) {
	if err := command.Need(
		command.Program{Name: "gcc", Package: "gcc libc6-dev libseccomp-dev"}, command.Program{Name: "pkg-config", Package: "pkgconf"},
	); err != nil {
		return "", err
	}
	recipe, err := goRecipe(ctx, runcModule)
	if err != nil {
		return "", err
	}
	return store.Get(ctx, buildcache.Artifact{
		Name: "runc", What: "building runc", Recipe: append(recipe, runcFlags()...), Limit: buildLimit,
		Build: func(ctx context.Context, dir string) error {
			args := append([]string{"build", "-C", runcModule, "-mod=readonly", "-trimpath", "-buildvcs=false"}, runcFlags()...)
			withC := command.Setting{Env: []string{"CGO_ENABLED=1"}}
			_, err := withC.Run(ctx, "go", append(args, "-o", dir+"/", "github.com/opencontainers/runc")...)
			return err
		},
	})
}

func runcFlags() []string {
	return []string{"-tags", "seccomp,netgo,osusergo", "-ldflags", "-s -w -extldflags -static"}
}

// buildContainerd returns the directory of containerd, its shim, ctr and CNI plugins: the one of the tests against a
// containerd alone.
func buildContainerd(ctx context.Context, store buildcache.Cache) (string, error) {
	version, err := pinned(ctx, containerdModule, "github.com/containerd/containerd/v2")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(store.Dir), "containerd-"+strings.TrimPrefix(version, "v"))
	return dir, store.Progress.Step(ctx, "containerd "+version, buildLimit, func(ctx context.Context) error {
		_, err := command.Run(ctx, "integration/setup/containerd-2.4", dir)
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
	compiler, err := goVersion(ctx)
	return append(recipe, compiler), err
}

func goVersion(ctx context.Context) (string, error) {
	return command.Run(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
}

func kubernetesVersion(ctx context.Context) (string, error) {
	return pinned(ctx, kindModule, "k8s.io/kubernetes")
}

// pinned returns the version of a dependency.
func pinned(ctx context.Context, module, dependency string) (string, error) {
	return listModule(ctx, module, dependency, "{{.Version}}")
}

// moduleDir returns the directory of a dependency's source, downloaded if need be.
func moduleDir(ctx context.Context, module, dependency string) (string, error) {
	if _, err := command.Run(ctx, "go", "mod", "download", "-C", module, dependency); err != nil {
		return "", err
	}
	return listModule(ctx, module, dependency, "{{.Dir}}")
}

func listModule(ctx context.Context, module, dependency, format string) (string, error) {
	found, err := command.Run(ctx, "go", "list", "-C", module, "-mod=readonly", "-m", "-f", format, dependency)
	if err != nil {
		return "", fmt.Errorf("look for module %s: %w", dependency, err)
	}
	return strings.TrimSpace(found), nil
}
