// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/nsaudit/nsaudit/agent/report/events"
)

// agentOptions are the settings of the agent: flags, environment and file.
type agentOptions struct {
	nodeFlags

	podUID             string
	interval           time.Duration
	once               bool
	kubeconfig         string
	events             string
	eventTTL           time.Duration
	listen             string
	logFormat, logging string
}

func defaultAgentOptions() *agentOptions {
	return &agentOptions{
		nodeFlags: defaultNodeFlags(),
		interval:  30 * time.Second,
		events:    string(events.Warnings),
		eventTTL:  time.Hour,
		listen:    ":9547",
		logFormat: "text",
		logging:   "info",
	}
}

func (o *agentOptions) register(flags *pflag.FlagSet) {
	o.nodeFlags.register(flags)
	flags.StringVar(&o.podUID, "pod-uid", o.podUID, "UID of the pod that the agent runs in: what that declares for it is expected")
	flags.DurationVar(&o.interval, "interval", o.interval, "time between full scans; a container that starts is scanned at once")
	flags.BoolVar(&o.once, "once", o.once, "scan once, report, and end: exit code 1 if that failed")
	flags.StringVar(&o.kubeconfig, "kubeconfig", o.kubeconfig, "kubeconfig of the cluster to send Events to (default the cluster that this runs in, if any)")
	flags.StringVar(&o.events, "events", o.events, "findings to send as Events: warnings, all (those that do not warn too) or off")
	flags.DurationVar(&o.eventTTL, "event-ttl", o.eventTTL, "the API server's --event-ttl: an Event is refreshed in time while its finding lasts")
	flags.StringVar(&o.listen, "listen-address", o.listen, "addresses of /metrics, /livez, /readyz and the page of findings, separated by commas; empty for none")
	flags.StringVar(&o.logFormat, "log-format", o.logFormat, "text or json")
	flags.StringVar(&o.logging, "log-level", o.logging, "debug, info, warn or error")
}

// Bounds of the settings.
const (
	minInterval = time.Second
	minEventTTL = time.Minute
)

// validate reports all errors together. Changed reports whether a flag was set.
func (o *agentOptions) validate(changed func(flag string) bool) error {
	errs := []error{o.nodeFlags.validate(changed)}
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.interval < minInterval {
		wrong("--interval %s: want at least %s", o.interval, minInterval)
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
		{"events", string(o.eventsMode()), []string{string(events.Warnings), string(events.All), string(events.Off)}},
		{"log-format", o.logFormat, []string{"text", "json"}},
		{"log-level", o.logging, []string{"debug", "info", "warn", "error"}},
	} {
		if !slices.Contains(choice.words, choice.value) {
			wrong("--%s %q: want one of %s", choice.flag, choice.value, strings.Join(choice.words, ", "))
		}
	}
	return errors.Join(errs...)
}

// eventsMode is which findings are sent as Events. In a YAML file, the word off is the value
// false.
func (o *agentOptions) eventsMode() events.Mode {
	if o.events == "false" {
		return events.Off
	}
	return events.Mode(o.events)
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

// errNoNodeName is for an agent in a cluster: the host name may be another than the Node's.
var errNoNodeName = errors.New("--node-name is missing: Events name the Node; in a pod set NSAUDIT_NODE_NAME from spec.nodeName")

// reportedNode is the name that the node is reported under.
func (o *agentOptions) reportedNode(inCluster bool) (string, error) {
	if o.node == "" && inCluster {
		return "", errNoNodeName
	}
	return o.nodeName()
}
