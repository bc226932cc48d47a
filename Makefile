# nsaudit: what to run, and what it needs.
#
# The recipes say what happens; how a tool or a containerd gets onto the machine is in integration/setup.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The order of prerequisites is a promise (fast tests first), and the tests measure time: no -j.
.NOTPARALLEL:

# Built and unpacked tools that cost minutes are kept here, outside the tree, so that every clone shares them.
NSAUDIT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nsaudit
cache := $(abspath $(NSAUDIT_CACHE))

setup := integration/setup
pinned = $(shell awk '$$1 == "$(2)" { print substr($$2, 2); exit }' integration/tools/$(1)/go.mod)
containerd_2_4 := $(cache)/containerd-$(call pinned,containerd,github.com/containerd/containerd/v2)
containerd_1_6 := $(cache)/containerd-1.6
programs := $(cache)/programs-bookworm
portmap := $(cache)/portmap-$(call pinned,containerd,github.com/containernetworking/plugins)
exporters := $(cache)/exporters
golangci_lint := $(cache)/golangci-lint-$(call pinned,lint,github.com/golangci/golangci-lint/v2)

# GOFLAGS of some machines turn VCS stamping off; the version that nsaudit prints comes from it.
go_build = CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags '-s -w'

FUZZTIME ?= 20s
VM_KERNELS ?= bookworm
IMAGE ?= nsaudit:dev
IMAGE_ARCH ?= $(shell go env GOARCH)
# What `make run` and the go test targets are given on top, for example: make run ARGS='-o json', make unit ARGS=-v
ARGS ?=

# One package after another: each starts a containerd of its own.
containerd_test = NSAUDIT_PROGRAMS_DIR=$(programs) CGO_ENABLED=0 go test -tags integration -count=1 -p 1 -timeout 15m $(ARGS) \
	./integration/internal/runtimetest ./integration/containerd ./integration/security

# Tests in the cluster that make cluster brings up.
cluster_test = NSAUDIT_KUBECONFIG=$(cache)/kind/cluster-nsaudit/kubeconfig NSAUDIT_KUBECTL=$(cache)/kind/cluster-nsaudit/kubectl \
	go test -tags integration -count=1 -v

# What each scenario was to give, and what it gave, is shown.
attacks_test = CGO_ENABLED=0 go test -tags integration -count=1 -v -timeout 15m ./integration/attacks $(ARGS)

say = @printf '\n==> %s\n' "$(1)"

##@ Build

.PHONY: build
build: ## Build bin/nsaudit, static, for this machine
	$(go_build) -o bin/nsaudit ./cmd/nsaudit

.PHONY: build-all
build-all: ## Build dist/nsaudit-linux-ARCH for amd64 and arm64
	GOOS=linux GOARCH=amd64 $(go_build) -o dist/nsaudit-linux-amd64 ./cmd/nsaudit
	GOOS=linux GOARCH=arm64 $(go_build) -o dist/nsaudit-linux-arm64 ./cmd/nsaudit

.PHONY: image
image: build-all ## Build the container image IMAGE with docker, podman or buildah
	$(setup)/image $(IMAGE) $(IMAGE_ARCH)

.PHONY: manifests
manifests: ## Render deploy/kustomize/base as one file, dist/nsaudit.yaml
	@mkdir -p dist
	go -C integration/tools/kustomize tool kustomize build -o $(CURDIR)/dist/nsaudit.yaml $(CURDIR)/deploy/kustomize/base

.PHONY: run
run: build ## Build, then look at this machine once: nsaudit scan ARGS
	@bin/nsaudit scan $(ARGS)

.PHONY: demo
demo: cluster build ## Show the agent and the pods of chapter 13 in a real cluster (root)
	@integration/demo/run $(cache)

##@ Test

.PHONY: test
test: unit race lint integration attacks vmtest e2e ## Every test there is, the fast ones first

.PHONY: unit
unit: ## Vet and unit tests
	$(call say,unit tests)
	go vet ./...
	go test $(ARGS) ./...

.PHONY: race
race: deps-race ## Unit tests with the race detector
	$(call say,unit tests with the race detector)
	CGO_ENABLED=1 go test -race $(ARGS) ./...

.PHONY: lint
lint: $(golangci_lint) ## Every lint rule, over the integration tests too, and the queries of docs/metrics.md
	$(call say,lint)
	go vet -tags integration ./...
	$(golangci_lint)/golangci-lint run
	go -C integration/tools/promql test -count=1 ./...

.PHONY: integration
integration: integration-namespaces integration-hostports integration-containerd-2.4 integration-containerd-1.6 ## All integration tests (root)

.PHONY: integration-namespaces
integration-namespaces: need-root deps-integration ## Against real namespaces (root)
	$(call say,integration tests against real namespaces)
	go test -tags integration -count=1 $(ARGS) ./integration/namespaces

.PHONY: integration-hostports
integration-hostports: need-root deps-hostports $(portmap) ## Against real rules that forward host ports (root)
	$(call say,integration tests against real rules that forward host ports)
	NSAUDIT_PORTMAP=$(portmap)/portmap go test -tags integration -count=1 $(ARGS) ./integration/hostports

.PHONY: integration-containerd-2.4
integration-containerd-2.4: need-root deps-integration $(containerd_2_4) $(programs) ## Against a real containerd 2.4 with CRI pods (root)
	$(call say,integration tests against $(notdir $(containerd_2_4)))
	NSAUDIT_CONTAINERD_DIR=$(containerd_2_4) $(containerd_test)

.PHONY: integration-containerd-1.6
integration-containerd-1.6: need-root deps-integration $(containerd_1_6) $(programs) ## Against Debian 12's containerd 1.6 with CRI pods (root)
	$(call say,integration tests against $(notdir $(containerd_1_6)))
	NSAUDIT_CONTAINERD_DIR=$(containerd_1_6) $(containerd_test)

.PHONY: attacks
attacks: need-root deps-integration $(containerd_2_4) $(containerd_1_6) ## Attackers and innocents in real containers, with both containerds (root)
	$(call say,attacks with $(notdir $(containerd_2_4)))
	NSAUDIT_CONTAINERD_DIR=$(containerd_2_4) $(attacks_test)
	$(call say,attacks with $(notdir $(containerd_1_6)))
	NSAUDIT_CONTAINERD_DIR=$(containerd_1_6) $(attacks_test)

.PHONY: vmtest
vmtest: need-root deps-vmtest $(containerd_2_4) ## In a VM of each of VM_KERNELS, with cgroup v2 and AppArmor
	$(call say,tests in virtual machines: $(VM_KERNELS))
	go run ./integration/cmd/vm -cache $(cache) -containerd-dir $(containerd_2_4) $(VM_KERNELS)

.PHONY: vmtest-full
vmtest-full: ## In a VM of every supported kernel
	$(MAKE) vmtest VM_KERNELS='bullseye bookworm trixie'

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME
	@{ grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . || true; } | sort | while IFS=: read -r file func; do \
		printf '\n==> %s in %s for %s\n' "$${func#func }" "$$(dirname "$$file")" "$(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
	done

.PHONY: bench
bench: need-root ## What a scan of 100, 1,000 and 10,000 processes costs, and of host ports, in 5 minutes (root)
	@$(setup)/packages strace:strace lsns:util-linux setpriv:util-linux ps:procps ss:iproute2 nft:nftables iptables:iptables
	go test -tags integration -timeout 30m -run '^$$' -bench 'Contexts|Forwards|Listeners|Scan|Threads' $(ARGS) ./integration/bench

.PHONY: bench-floods
bench-floods: need-root ## What 20 containers that flood a node cost a scan, and 200 others, in 5 minutes (root)
	$(call say,floods)
	go test -tags integration -timeout 30m -run '^$$' -bench=Floods -benchtime 1x $(ARGS) ./integration/bench

.PHONY: bench-agent
bench-agent: cluster-image $(exporters) ## What the agent costs a node with 90 pods, beside two exporters, in 5 minutes (root)
	$(call say,the cost of the agent)
	NSAUDIT_EXPORTERS_DIR=$(exporters) $(cluster_test) -timeout 15m $(ARGS) ./integration/benchagent

.PHONY: coverage
coverage: ## What the unit tests cover, by function; the profile is bin/coverage.out
	@mkdir -p bin
	go test -coverpkg=./cmd/...,./nsinspect/...,./agent/... -coverprofile=bin/coverage.out ./...
	go tool cover -func=bin/coverage.out

##@ Cluster

.PHONY: cluster
cluster: need-root deps-cluster ## Bring up a Kubernetes cluster of two nodes in containers, or find it up (root)
	$(call say,cluster)
	go run ./integration/cmd/kind -cache $(cache) up

.PHONY: cluster-image
cluster-image: cluster build
	go run ./integration/cmd/kind image localhost/nsaudit:dev bin/nsaudit $(cache)/kind/nsaudit.tar
	go run ./integration/cmd/kind -cache $(cache) load $(cache)/kind/nsaudit.tar

.PHONY: e2e
e2e: cluster-image ## The DaemonSet in a real cluster: Events, metrics, and what may go wrong (root)
	$(call say,tests of the agent in a cluster)
	$(cluster_test) -timeout 25m -parallel 8 $(ARGS) ./integration/e2e
	$(call say,tests of its Events behind faults)
	$(cluster_test) -parallel 16 -timeout 10m $(ARGS) ./integration/events

.PHONY: clean-cluster
clean-cluster: ## Remove the cluster; what it was made of stays cached
	@test ! -e $(cache)/kind || go run ./integration/cmd/kind -cache $(cache) down

##@ Maintain

.PHONY: fmt
fmt: $(golangci_lint) ## Format all Go files
	$(golangci_lint)/golangci-lint fmt

.PHONY: clean
clean: ## Remove what was built in the tree
	rm -rf bin dist

.PHONY: clean-cache
# Named one by one: NSAUDIT_CACHE may be a directory that others keep things in.
clean-cache: ## Remove the cluster and the cached tools, containerds and VMs from NSAUDIT_CACHE
	@test ! -e $(cache)/kind || go run ./integration/cmd/kind -cache $(cache) purge
	rm -rf $(cache)/containerd-* $(cache)/programs-* $(cache)/portmap-* $(cache)/exporters $(cache)/golangci-lint-* $(cache)/vm

##@ Prepare

.PHONY: need-root
need-root:
	@test "$$(id -u)" = 0 || { \
		echo 'nsaudit: this makes namespaces and starts containers or VMs, which takes root. Run:' >&2; \
		echo '  sudo env "PATH=$$PATH" make $(MAKECMDGOALS)' >&2; exit 1; }

# The scripts know by themselves whether a cached directory is still what the pins ask for.
.PHONY: $(containerd_2_4) $(containerd_1_6) $(programs) $(portmap) $(exporters) $(golangci_lint)

$(containerd_2_4): deps-integration deps-runc
	@$(setup)/containerd-2.4 $@

$(containerd_1_6): deps-integration
	@$(setup)/containerd-1.6 $@

$(programs): deps-programs
	@$(setup)/programs $@

$(portmap):
	@$(setup)/portmap $@

$(exporters):
	@$(setup)/exporters $@

$(golangci_lint):
	@$(setup)/golangci-lint $@

.PHONY: containerds
containerds: $(containerd_2_4) $(containerd_1_6) ## Build and unpack the containerds of the integration tests

.PHONY: deps-race
deps-race: ## Install what the race detector needs
	@$(setup)/packages gcc:gcc :libc6-dev

.PHONY: deps-integration
deps-integration: ## Install what the integration tests need
	@$(setup)/packages libseccomp.so.2:libseccomp2 ip:iproute2 iptables:iptables nft:nftables mount:mount

.PHONY: deps-runc
deps-runc: ## Install what runc is built with
	@$(setup)/packages gcc:gcc pkg-config:pkgconf :libc6-dev :libseccomp-dev

.PHONY: deps-programs
deps-programs: ## Install what makes the root file system of real programs
	@$(setup)/packages mmdebstrap:mmdebstrap

.PHONY: deps-hostports
deps-hostports: deps-integration ## Install what the tests of host ports need
	@$(setup)/packages iptables-legacy:iptables :containernetworking-plugins

.PHONY: deps-vmtest
deps-vmtest: deps-integration ## Install what the tests in virtual machines need
	@$(setup)/packages qemu-system-x86_64:qemu-system-x86 mmdebstrap:mmdebstrap mkfs.ext4:e2fsprogs depmod:kmod

.PHONY: deps-cluster
deps-cluster: deps-integration deps-runc ## Install what the cluster needs, podman too unless docker runs
	@$(setup)/packages mmdebstrap:mmdebstrap
	@docker info >/dev/null 2>&1 || $(setup)/packages podman:podman runc:runc

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9.-]+:.*## / { printf "  %-28s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nVariables\n'
	@printf '  %-28s %s\n' NSAUDIT_CACHE '$(cache)' FUZZTIME '$(FUZZTIME)' VM_KERNELS '$(VM_KERNELS)' \
		IMAGE '$(IMAGE)' IMAGE_ARCH '$(IMAGE_ARCH)' ARGS 'more arguments for run, bench and the go test targets'
