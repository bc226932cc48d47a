// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nsaudit/nsaudit/agent/runtimes"
)

// ErrNoSocket reports that there is no containerd socket where one usually is.
var ErrNoSocket = errors.New("no containerd socket")

// FindSockets returns those of the paths that are sockets. If there are none, the error
// names every path with what is wrong with it, and wraps ErrNoSocket only if none of them
// exists: a socket that is there but out of reach is another matter.
func FindSockets(paths []string) ([]string, error) {
	absent := true
	var found, tried []string
	for _, path := range paths {
		err := checkSocket(path)
		if err == nil {
			found = append(found, path)
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			absent = false
		}
		tried = append(tried, path+" ("+causeOf(err)+")")
	}
	if len(found) > 0 {
		return found, nil
	}
	list := strings.Join(tried, ", ")
	if absent {
		return nil, fmt.Errorf("%w: tried %s", ErrNoSocket, list)
	}
	return nil, fmt.Errorf("find containerd's socket: tried %s", list)
}

var errNotSocket = errors.New("not a socket")

func checkSocket(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errNotSocket
	}
	return nil
}

// causeOf shortens an error of a path that is named beside it.
func causeOf(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// ParseAddress turns the address that a user gave into an absolute path: with or without
// the scheme that kubelet and crictl write.
func ParseAddress(address string) (string, error) {
	path := strings.TrimPrefix(address, "unix://")
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("containerd address %q: want an absolute path of a UNIX socket, such as %s", address, runtimes.ContainerdSockets()[0])
	}
	return path, nil
}
