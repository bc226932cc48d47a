// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/nsaudit/nsaudit/agent/report/events"
)

// Client-side limits: a new agent has at worst some hundred findings to send, and the API
// server has its own limits.
const (
	clientQPS   = 20
	clientBurst = 100
)

// cluster returns a client for Events: of the kubeconfig that is named, else of the
// cluster whose pod this is, else nil.
func cluster(kubeconfig, userAgent string) (rest.Interface, error) {
	config, err := clusterConfig(kubeconfig)
	if err != nil || config == nil {
		return nil, err
	}
	config.UserAgent = userAgent
	config.QPS, config.Burst = clientQPS, clientBurst
	client, err := events.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return client, nil
}

func clusterConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("read kubeconfig %s: %w", kubeconfig, err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster that this runs in: %w: mount the service account's token, or name a kubeconfig with --kubeconfig", err)
	}
	return config, nil
}
