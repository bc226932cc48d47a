// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/hostlink"
)

// States of a socket, from include/net/tcp_states.h. The other protocols use them too.
const (
	stateClose  = 7  // Neither connected nor listening.
	stateListen = 10 // TCP_LISTEN.
)

// diagProtocol is what sock_diag is asked of a protocol.
type diagProtocol struct {
	number uint8
	// state is that of the sockets which are wanted.
	state int
}

// diagProtocolOf returns the question about a protocol that sock_diag may know.
func diagProtocolOf(protocol Protocol) diagProtocol {
	switch protocol {
	case UDP:
		return diagProtocol{unix.IPPROTO_UDP, stateClose}
	case UDPLite:
		return diagProtocol{unix.IPPROTO_UDPLITE, stateClose}
	case SCTP:
		return diagProtocol{unix.IPPROTO_SCTP, stateListen}
	default:
		return diagProtocol{unix.IPPROTO_TCP, stateListen}
	}
}

// sockDiag asks the kernel for the sockets of the host's network namespace.
type sockDiag struct {
	host *nsinspect.Host
	conn *netlink.Conn
	// refused is why no socket to the kernel could be opened, which is tried once.
	refused error
}

// connect opens the socket to the kernel, unless it is open.
func (d *sockDiag) connect(ctx context.Context) error {
	if d.conn == nil && d.refused == nil {
		d.conn, d.refused = hostlink.Dial(ctx, d.host, unix.NETLINK_SOCK_DIAG)
	}
	return d.refused
}

func (d *sockDiag) close() {
	if d.conn == nil {
		return
	}
	_ = d.conn.Close() // It was only read from.
	d.conn = nil
}

// list adds the sockets of a protocol, or fails as a whole: half of a table must not pass for all
// of it.
func (d *sockDiag) list(ctx context.Context, protocol Protocol, found *socketList) error {
	for _, family := range [...]uint8{unix.AF_INET, unix.AF_INET6} {
		if err := d.dump(ctx, protocol, diagProtocolOf(protocol), family, found); err != nil {
			return fmt.Errorf("ask sock_diag for the sockets of %s: %w", protocol, err)
		}
		if found.truncated {
			return nil
		}
	}
	return nil
}

// dump adds the sockets of one family, as they come in.
func (d *sockDiag) dump(ctx context.Context, protocol Protocol, question diagProtocol, family uint8, found *socketList) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	_, err := d.conn.Send(netlink.Message{
		Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
		Data:   diagRequest(family, question),
	})
	if err != nil {
		d.close()
		return err
	}
	for message, err := range d.conn.ReceiveIter() {
		if errors.Is(err, unix.ENOENT) {
			return err // The kernel does not know the protocol.
		}
		if err = errors.Join(err, ctx.Err()); err == nil {
			err = addDiagMessage(found, protocol, message.Data)
		}
		if err != nil || found.truncated {
			// Otherwise leaving the loop would first read the rest of the dump.
			d.close()
			return err
		}
	}
	return nil
}
