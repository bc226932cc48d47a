package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	createLimit = 15 * time.Minute // of which kind itself takes one
	readyLimit  = 5 * time.Minute
	loadLimit   = 10 * time.Minute
	removeLimit = 5 * time.Minute
)

// Labels that kind gives to what it makes.
const clusterLabel = "io.x-k8s.kind.cluster"

// modulesDir is mounted into every node; machines with a kernel that has no
// modules may lack it.
const modulesDir = "/lib/modules"

// cluster is the cluster of a name, whether it runs or not.
type cluster struct {
	name   string
	store  cache
	state  string // directory of what belongs to the running cluster
	engine engine
	tools  string // directory of kind and kubectl, once they are needed
}

func openCluster(ctx context.Context, store cache, opts options) (*cluster, error) {
	c := &cluster{name: opts.name, store: store, state: filepath.Join(store.dir, "cluster-"+opts.name)}
	var err error
	c.engine, err = findEngine(ctx, opts.engine, c.state)
	if err != nil {
		return nil, err
	}
	// A network of its own goes when the cluster goes.
	c.engine.env = append(c.engine.env,
		"KIND_EXPERIMENTAL_"+strings.ToUpper(c.engine.name)+"_NETWORK="+c.name, "KUBECONFIG="+c.kubeconfig())
	return c, nil
}

func (c *cluster) kubeconfig() string { return filepath.Join(c.state, "kubeconfig") }

// kind and kubectl run the two tools. Neither finds a kubeconfig of the user's.
func (c *cluster) kind(ctx context.Context, args ...string) (string, error) {
	return execute(ctx, c.engine.env, filepath.Join(c.tools, "kind"), args...)
}

func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return execute(ctx, c.engine.env, filepath.Join(c.tools, "kubectl"), args...)
}

func (c *cluster) needTools(ctx context.Context) error {
	var err error
	c.tools, err = buildTools(ctx, c.store)
	return err
}

// up brings the cluster up, unless it is up.
func (c *cluster) up(ctx context.Context, source string) error {
	start := time.Now()
	if err := c.needTools(ctx); err != nil {
		return err
	}
	stock, err := stockImage(ctx)
	if err != nil {
		return err
	}
	built, err := builtImage(ctx)
	if err != nil {
		return err
	}
	if image := c.runningImage(); (image == stock && source != nodeBuilt) || (image == built && source != nodeStock) {
		if c.healthy(ctx) {
			c.store.progress.say("cluster %s is up already, with %s", c.name, image)
			return c.status(ctx)
		}
		c.store.progress.say("cluster %s is there, but not well: making it anew", c.name)
	}
	if err := c.removeNodes(ctx); err != nil {
		return err
	}
	image, err := c.nodeImage(ctx, source, stock, built)
	if err != nil {
		return err
	}
	if err := c.create(ctx, image, image == built); err != nil {
		return err
	}
	c.store.progress.say("cluster %s is up after %s", c.name, elapsed(start))
	return c.status(ctx)
}

// nodeImage decides on a node image, and sees to it that the engine has it.
func (c *cluster) nodeImage(ctx context.Context, source, stock, built string) (string, error) {
	if source != nodeBuilt {
		err := c.pullStock(ctx, stock)
		if err == nil {
			return stock, nil
		}
		if source == nodeStock {
			return "", err
		}
		c.store.progress.say("%s reaches no registry, so the node image is made here (%s)", c.engine.name, lastLines(err.Error(), 1))
	}
	if c.engine.has(ctx, built) {
		c.store.progress.say("node image %s is there", built)
		return built, nil
	}
	return built, buildNode(ctx, c.store, c.engine, built)
}

// pullStock gets kind's own node image. A registry that does not answer a
// question within a minute would not deliver a large image either.
func (c *cluster) pullStock(ctx context.Context, stock string) error {
	pullable, plain := pullNames(stock)
	if c.engine.has(ctx, pullable) {
		c.store.progress.say("kind's node image %s is there", stock)
		return nil
	}
	if err := c.engine.reaches(ctx, plain); err != nil {
		return err
	}
	return c.store.progress.step(ctx, "pulling kind's node image "+plain, pullLimit, func(ctx context.Context) error {
		_, err := c.engine.run(ctx, "pull", pullable)
		return err
	})
}

// stockImage returns the node image that kind itself would take, NAME:TAG@DIGEST.
func stockImage(ctx context.Context) (string, error) {
	dir, err := moduleDir(ctx, kindModule, "sigs.k8s.io/kind")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "pkg/apis/config/defaults/image.go")
	source, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("find kind's node image: %w", err)
	}
	found := regexp.MustCompile(`(?m)^const Image = "([^"]+)"`).FindSubmatch(source)
	if found == nil {
		return "", fmt.Errorf("find kind's node image: no constant Image in %s", file)
	}
	return string(found[1]), nil
}

// pullNames splits NAME:TAG@DIGEST: podman takes a tag or a digest, not both.
func pullNames(image string) (pullable, plain string) {
	plain, digest, _ := strings.Cut("docker.io/"+image, "@")
	if digest == "" {
		return plain, plain
	}
	return plain[:strings.LastIndex(plain, ":")] + "@" + digest, plain
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts:nsaudit"]
  - level: None
`

// create makes the nodes and waits until pods can run on them.
func (c *cluster) create(ctx context.Context, image string, built bool) error {
	if err := os.MkdirAll(c.state, 0o755); err != nil {
		return fmt.Errorf("make directory of the cluster: %w", err)
	}
	if err := os.MkdirAll(modulesDir, 0o755); err != nil {
		return fmt.Errorf("make what kind mounts into nodes: %w", err)
	}
	config := filepath.Join(c.state, "kind.yaml")
	if err := os.WriteFile(filepath.Join(c.state, "audit-policy.yaml"), []byte(auditPolicy), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(kindConfig(built), "@POLICY@", filepath.Join(c.state, "audit-policy.yaml"))), 0o644); err != nil {
		return fmt.Errorf("write kind's configuration: %w", err)
	}
	err := c.store.progress.step(ctx, "creating cluster "+c.name+" with "+image, createLimit, func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			_, err := c.kind(ctx, "create", "cluster", "--name", c.name, "--config", config, "--image", image,
				"--kubeconfig", c.kubeconfig(), "--retain")
			return err
		})
		group.Go(func() error { return c.introduceNodes(ctx) })
		return group.Wait()
	})
	if err == nil {
		err = c.store.progress.step(ctx, "waiting for nodes and pods", readyLimit, func(ctx context.Context) error {
			return c.settle(ctx, built)
		})
	}
	if err != nil {
		return c.explain(ctx, err)
	}
	// Last: a cluster without this is not taken for a whole one.
	if err := os.WriteFile(c.imageFile(), []byte(image), 0o644); err != nil {
		return fmt.Errorf("write down what the nodes are made of: %w", err)
	}
	return nil
}

// introduceNodes tells each node the names of the others, once kind has started
// them and before the worker asks for the control plane. Docker answers for names
// of containers itself, podman only with plugins that few machines have.
func (c *cluster) introduceNodes(ctx context.Context) error {
	if c.engine.name != "podman" {
		return nil
	}
	addresses, err := c.awaitAddresses(ctx)
	if err != nil {
		return err
	}
	for node := range addresses {
		for other, address := range addresses {
			if other == node {
				continue
			}
			const appendLine = `echo "$0" >>/etc/hosts`
			if _, err := c.engine.run(ctx, "exec", node, "sh", "-c", appendLine, address+" "+other); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitAddresses returns the address of each node by its name.
func (c *cluster) awaitAddresses(ctx context.Context) (map[string]string, error) {
	addresses := map[string]string{}
	for {
		for _, node := range []string{c.name + "-control-plane", c.name + "-worker"} {
			// A node that is not there yet is an error, one that is not started yet has no address.
			address, err := c.engine.run(ctx, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", node)
			if address = strings.TrimSpace(address); err == nil && address != "" {
				addresses[node] = address
			}
		}
		if len(addresses) == 2 {
			return addresses, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// kindConfig returns kind's configuration of the cluster.
func kindConfig(built bool) string {
	const shared = `# Written by integration/kind.
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
    extraMounts:
      - hostPath: @POLICY@
        containerPath: /etc/kubernetes/audit-policy.yaml
        readOnly: true
  - role: worker
kubeadmConfigPatches:
  - |
    kind: KubeletConfiguration
    failCgroupV1: false
  - |
    kind: ClusterConfiguration
    apiServer:
      extraArgs:
        - {name: audit-policy-file, value: /etc/kubernetes/audit-policy.yaml}
        - {name: audit-log-path, value: /var/log/kubernetes/audit.log}
      extraVolumes:
        - name: audit-policy
          hostPath: /etc/kubernetes/audit-policy.yaml
          mountPath: /etc/kubernetes/audit-policy.yaml
          readOnly: true
          pathType: File
        - name: audit-log
          hostPath: /var/log/kubernetes
          mountPath: /var/log/kubernetes
          pathType: DirectoryOrCreate
`
	if !built {
		return shared
	}
	// CoreDNS and kindnetd are not in the node image. A patch replaces kind's own list of phases, so preflight, which
	// it always skips, is named again.
	return shared + `  - |
    kind: InitConfiguration
    skipPhases: [preflight, addon/coredns]
networking:
  disableDefaultCNI: true
  kubeProxyMode: nftables
`
}

// settle waits until the cluster can run pods.
func (c *cluster) settle(ctx context.Context, built bool) error {
	if _, err := c.kubectl(ctx, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=4m"); err != nil {
		return err
	}
	if built {
		if err := c.connectNodes(ctx); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"--for=condition=Ready", "pods", "--all", "--namespace=kube-system", "--timeout=4m"},
		{"--for=create", "serviceaccount/default", "--namespace=default", "--timeout=1m"},
	} {
		if _, err := c.kubectl(ctx, append([]string{"wait"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// connectNodes tells every node where the pods of the others are, as kindnetd does.
func (c *cluster) connectNodes(ctx context.Context) error {
	const each = `{range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}`
	output, err := c.kubectl(ctx, "get", "nodes", "--output", "jsonpath="+each)
	if err != nil {
		return err
	}
	var nodes [][]string
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return fmt.Errorf("node without addresses: %q", line)
		}
		nodes = append(nodes, fields)
	}
	for _, from := range nodes {
		for _, to := range nodes {
			if from[0] == to[0] {
				continue
			}
			if _, err := c.engine.run(ctx, "exec", from[0], "ip", "route", "replace", to[1], "via", to[2]); err != nil {
				return err
			}
		}
	}
	return nil
}

// explain adds to an error what the nodes say, and removes them.
func (c *cluster) explain(ctx context.Context, err error) error {
	// An interrupted run is to clean up, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeLimit)
	defer cancel()
	logs := filepath.Join(c.store.dir, "logs-"+c.name)
	_ = os.RemoveAll(logs)
	if _, logErr := c.kind(ctx, "export", "logs", "--name", c.name, logs); logErr == nil {
		err = fmt.Errorf("%w\nthe nodes' logs are in %s", err, logs)
	}
	return errors.Join(err, c.removeNodes(ctx))
}

func (c *cluster) imageFile() string { return filepath.Join(c.state, "node-image") }

// runningImage returns what the nodes are made of, or nothing.
func (c *cluster) runningImage() string {
	content, err := os.ReadFile(c.imageFile())
	if err != nil {
		return ""
	}
	return string(content)
}

// healthy says whether all nodes are ready.
func (c *cluster) healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	_, err := c.kubectl(ctx, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=10s", "--request-timeout=10s")
	return err == nil
}

// status prints what there is of the cluster, and fails if there is none.
func (c *cluster) status(ctx context.Context) error {
	if c.runningImage() == "" {
		return fmt.Errorf("there is no cluster %s", c.name)
	}
	if err := c.needTools(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	nodes, err := c.kubectl(ctx, "get", "nodes", "--output=wide", "--request-timeout=10s")
	if err != nil {
		return err
	}
	c.store.progress.say("%s with %s:\n%s", c.engine.name, c.runningImage(), strings.TrimRight(nodes, "\n"))
	c.store.progress.say("try: %s --kubeconfig %s get pods --all-namespaces", filepath.Join(c.tools, "kubectl"), c.kubeconfig())
	return nil
}

// load gives image archives to every node.
func (c *cluster) load(ctx context.Context, archives []string) error {
	if c.runningImage() == "" {
		return fmt.Errorf("there is no cluster %s to load images into", c.name)
	}
	if err := c.needTools(ctx); err != nil {
		return err
	}
	for _, archive := range archives {
		if _, err := os.Stat(archive); err != nil {
			return fmt.Errorf("load archive: %w", err)
		}
		err := c.store.progress.step(ctx, "loading "+archive, loadLimit, func(ctx context.Context) error {
			_, err := c.kind(ctx, "load", "image-archive", "--name", c.name, archive)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// down removes the cluster, and the node image that was made for it. What was
// made of packages and modules stays in the cache.
func (c *cluster) down(ctx context.Context) error {
	return c.store.progress.step(ctx, "removing cluster "+c.name, removeLimit, func(ctx context.Context) error {
		if err := c.removeNodes(ctx); err != nil {
			return err
		}
		images, err := c.engine.images(ctx, nodeRepository)
		if err != nil {
			return err
		}
		if len(images) > 0 {
			if _, err := c.engine.run(ctx, append([]string{"image", "rm"}, images...)...); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(c.state); err != nil {
			return fmt.Errorf("remove state of the cluster: %w", err)
		}
		// Only an empty one is removed, which nobody but this program makes.
		if err := os.Remove(modulesDir); err != nil && !errors.Is(err, fs.ErrNotExist) && !isNotEmpty(err) {
			return fmt.Errorf("remove what kind mounted into nodes: %w", err)
		}
		return nil
	})
}
