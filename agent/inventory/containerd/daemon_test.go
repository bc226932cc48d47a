// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	eventsapi "github.com/containerd/containerd/api/services/events/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	sandboxapi "github.com/containerd/containerd/api/services/sandbox/v1"
	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	versionapi "github.com/containerd/containerd/api/services/version/v1"
	"github.com/containerd/containerd/api/types"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon is a containerd with fixed answers. Its containers and tasks are by containerd
// namespace and id; as 1.6 it has no sandbox store unless there are stored sandboxes.
type daemon struct {
	mu        sync.Mutex
	records   map[string][]*containersapi.Container
	processes map[string][]*tasktypes.Process
	stored    []*types.Sandbox
	// taskErr is the answer to a question about a single task.
	taskErr error
	// published are the events that subscribers get; closing it ends their streams.
	published chan *types.Envelope
}

// start serves the daemon on a socket and returns a client of it.
func (d *daemon) start(t *testing.T) *Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "nsaudit") // A socket's path has 108 bytes at most.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "c%20d.sock") // It is a path and no URL.
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	versionapi.RegisterVersionServer(server, versionService{})
	namespacesapi.RegisterNamespacesServer(server, namespacesService{daemon: d})
	containersapi.RegisterContainersServer(server, containersService{daemon: d})
	tasksapi.RegisterTasksServer(server, tasksService{daemon: d})
	eventsapi.RegisterEventsServer(server, eventsService{daemon: d})
	if d.stored != nil {
		sandboxapi.RegisterStoreServer(server, storeService{daemon: d})
	}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		served.Wait()
	})
	client, err := Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

type versionService struct {
	versionapi.UnimplementedVersionServer
}

func (versionService) Version(context.Context, *emptypb.Empty) (*versionapi.VersionResponse, error) {
	return &versionapi.VersionResponse{Version: "v2.4.2"}, nil
}

type namespacesService struct {
	namespacesapi.UnimplementedNamespacesServer
	*daemon
}

func (d namespacesService) List(context.Context, *namespacesapi.ListNamespacesRequest) (*namespacesapi.ListNamespacesResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	response := new(namespacesapi.ListNamespacesResponse)
	for _, name := range slices.Sorted(maps.Keys(d.records)) {
		response.Namespaces = append(response.Namespaces, &namespacesapi.Namespace{Name: name})
	}
	return response, nil
}

type eventsService struct {
	eventsapi.UnimplementedEventsServer
	*daemon
}

func (d eventsService) Subscribe(request *eventsapi.SubscribeRequest, stream eventsapi.Events_SubscribeServer) error {
	if !slices.Equal(request.GetFilters(), []string{taskChanges}) {
		return status.Errorf(codes.InvalidArgument, "filters %q", request.GetFilters())
	}
	for {
		select {
		case envelope, open := <-d.published:
			if !open {
				return nil
			}
			if err := stream.Send(envelope); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// asked returns the containerd namespace that a call is about.
func asked(ctx context.Context) string {
	incoming, _ := metadata.FromIncomingContext(ctx)
	if names := incoming.Get("containerd-namespace"); len(names) == 1 {
		return names[0]
	}
	return ""
}

type containersService struct {
	containersapi.UnimplementedContainersServer
	*daemon
}

func (s containersService) ListStream(_ *containersapi.ListContainersRequest, stream containersapi.Containers_ListStreamServer) error {
	s.mu.Lock()
	records := s.records[asked(stream.Context())]
	s.mu.Unlock()
	for _, record := range records {
		if err := stream.Send(&containersapi.ListContainerMessage{Container: record}); err != nil {
			return err
		}
	}
	return nil
}

func (s containersService) Get(ctx context.Context, request *containersapi.GetContainerRequest) (*containersapi.GetContainerResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, record := range s.records[asked(ctx)] {
		if record.GetID() == request.GetID() {
			return &containersapi.GetContainerResponse{Container: record}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "container %q in namespace %q: not found", request.GetID(), asked(ctx))
}

type tasksService struct {
	tasksapi.UnimplementedTasksServer
	*daemon
}

func (s tasksService) List(ctx context.Context, _ *tasksapi.ListTasksRequest) (*tasksapi.ListTasksResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &tasksapi.ListTasksResponse{Tasks: s.processes[asked(ctx)]}, nil
}

func (s tasksService) Get(ctx context.Context, request *tasksapi.GetRequest) (*tasksapi.GetResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taskErr != nil {
		return nil, s.taskErr
	}
	for _, process := range s.processes[asked(ctx)] {
		if process.GetID() == request.GetContainerID() {
			return &tasksapi.GetResponse{Process: process}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "no running task found")
}

type storeService struct {
	sandboxapi.UnimplementedStoreServer
	*daemon
}

func (s storeService) List(context.Context, *sandboxapi.StoreListRequest) (*sandboxapi.StoreListResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &sandboxapi.StoreListResponse{List: s.stored}, nil
}
