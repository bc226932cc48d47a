// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// maxMessage caps one message of containerd's, as its own client and, by default, the daemon
// cap it. gRPC's default of 4 MiB is less than some lists of tasks have.
const maxMessage = 16 << 20

// namespaceHeader names the containerd namespace that a call is about.
const namespaceHeader = "containerd-namespace"

// dial prepares a connection to a Unix socket. It is made by the first call.
func dial(path string) (*grpc.ClientConn, error) {
	retry := backoff.DefaultConfig
	retry.MaxDelay = callTimeout
	// The path is not part of the target, which is a URL, so that it needs no escaping.
	return grpc.NewClient("passthrough:///localhost",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: callTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
	)
}

// inNamespace returns a context for calls about one containerd namespace.
func inNamespace(ctx context.Context, name string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, namespaceHeader, name)
}
