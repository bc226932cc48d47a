// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"runtime"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/nsaudit/nsaudit/agent/report/events"
)

// Client-side limits. The reporter sends 15 Events at once and then 5 a second, and one of them
// takes three requests where it continues that of an earlier agent: these bound what an agent that
// ends sends all at once.
const (
	clientQPS   = 20
	clientBurst = 60
)

// cluster returns a client for Events: of the kubeconfig that is named, else of the
// cluster whose pod this is, else nil.
func cluster(kubeconfig string) (rest.Interface, error) {
	config, err := clusterConfig(kubeconfig)
	if err != nil || config == nil {
		return nil, err
	}
	config.UserAgent = userAgent()
	config.QPS, config.Burst = clientQPS, clientBurst
	client, err := events.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return client, nil
}

// userAgent is how the API server's logs name the agent.
func userAgent() string {
	return fmt.Sprintf("nsaudit-agent/%s (%s/%s)", build().Version, runtime.GOOS, runtime.GOARCH)
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
