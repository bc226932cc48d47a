package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/nsaudit/nsaudit/agent/inventory/containerd"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// agentOptions are the settings of the agent: flags, environment and file.
type agentOptions struct {
	config             string
	interval, timeout  time.Duration
	once               bool
	procfs             string
	hostPID            int
	address            string
	node               string
	kubeconfig         string
	eventTTL           time.Duration
	listen             string
	logFormat, logging string
}

func defaultAgentOptions() *agentOptions {
	return &agentOptions{
		interval:  30 * time.Second,
		timeout:   time.Minute,
		procfs:    nsinspect.DefaultRoot,
		eventTTL:  time.Hour,
		listen:    ":9547",
		logFormat: "text",
		logging:   "info",
	}
}

func (o *agentOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.config, configFlag, o.config, "YAML file with settings; its keys are the names of these flags")
	flags.DurationVar(&o.interval, "interval", o.interval, "time between full scans; containers that start are looked at at once")
	flags.DurationVar(&o.timeout, "timeout", o.timeout, "time that one scan may take")
	flags.BoolVar(&o.once, "once", o.once, "scan once, report, and end: exit code 1 if that failed")
	flags.StringVar(&o.procfs, "procfs", o.procfs, "where the host's procfs is mounted")
	flags.IntVar(&o.hostPID, "host-pid", o.hostPID, "process whose namespaces stand for the host's (default pid 1, else containerd, else the kernel's kthreadd)")
	flags.StringVar(&o.address, "containerd-address", o.address, "containerd's socket (default the first that is there of the usual ones)")
	flags.StringVar(&o.node, "node-name", o.node, "name of the Kubernetes Node (without a cluster the host name is the default)")
	flags.StringVar(&o.kubeconfig, "kubeconfig", o.kubeconfig, "kubeconfig of the cluster to send Events to (default the cluster that this runs in, if any)")
	flags.DurationVar(&o.eventTTL, "event-ttl", o.eventTTL, "the API server's --event-ttl: an Event whose finding lasts is refreshed before it")
	flags.StringVar(&o.listen, "listen-address", o.listen, "addresses of /metrics, /livez, /readyz and the page of findings, separated by commas; empty for none")
	flags.StringVar(&o.logFormat, "log-format", o.logFormat, "text or json")
	flags.StringVar(&o.logging, "log-level", o.logging, "debug, info, warn or error")
}

// Bounds of the settings.
const (
	minInterval = time.Second
	minEventTTL = time.Minute
)

// validate reports all errors together.
func (o *agentOptions) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.interval < minInterval {
		wrong("--interval %s: want at least %s", o.interval, minInterval)
	}
	if o.timeout <= 0 {
		wrong("--timeout %s: want a positive time", o.timeout)
	}
	if o.hostPID < 0 {
		wrong("--host-pid %d: want the positive id of a process", o.hostPID)
	}
	if o.address != "" {
		if _, err := containerd.ParseAddress(o.address); err != nil {
			errs = append(errs, err)
		}
	}
	if o.eventTTL < minEventTTL {
		wrong("--event-ttl %s: want at least %s", o.eventTTL, minEventTTL)
	}
	if _, err := o.addresses(); err != nil {
		errs = append(errs, err)
	}
	for _, choice := range []struct {
		flag, value string
		words       []string
	}{
		{"log-format", o.logFormat, []string{"text", "json"}},
		{"log-level", o.logging, []string{"debug", "info", "warn", "error"}},
	} {
		if !slices.Contains(choice.words, choice.value) {
			wrong("--%s %q: want one of %s", choice.flag, choice.value, strings.Join(choice.words, ", "))
		}
	}
	return errors.Join(errs...)
}

// addresses are where to listen. An IPv6 address needs no brackets, as what Kubernetes puts
// into a pod's environment has none.
func (o *agentOptions) addresses() ([]string, error) {
	var addresses []string
	for address := range strings.SplitSeq(o.listen, ",") {
		if address == "" && o.listen == "" {
			break
		}
		if colon := strings.LastIndexByte(address, ':'); colon >= 0 {
			if ip, err := netip.ParseAddr(address[:colon]); err == nil {
				address = net.JoinHostPort(ip.String(), address[colon+1:])
			}
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("--listen-address %q: want HOST:PORT or :PORT", o.listen)
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// maxNodeName caps the node's name: Events carry it in a field of this size.
const maxNodeName = 128

// nodeName is the name that the findings are reported under.
func (o *agentOptions) nodeName(inCluster bool) (string, error) {
	if len(o.node) > maxNodeName {
		return "", fmt.Errorf("--node-name: want at most %d bytes", maxNodeName)
	}
	if o.node != "" {
		return o.node, nil
	}
	if inCluster {
		return "", errors.New("--node-name is missing: Events name the Node; in a pod set NSAUDIT_NODE_NAME from spec.nodeName")
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("%w: name this machine with --node-name", err)
	}
	return name, nil
}
