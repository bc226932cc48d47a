// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// nftDump is a request for the chains of all tables, the rules of one chain or the elements
// of one set.
type nftDump struct {
	kind uint16
	of   object
}

// nftMessage is one object of a dump.
type nftMessage struct {
	family     byte
	attributes []byte
}

// nftDumper answers dumps.
type nftDumper interface {
	// dump calls visit with each object until it returns an error.
	dump(ctx context.Context, ask nftDump, visit func(nftMessage) error) error
}

// nftConn is a connection to nf_tables in the kernel (net/netfilter/nf_tables_api.c). Of
// google/nftables only the decoders of expressions are used: its calls collect whole dumps in
// memory, without a cap, and silently drop what they can't decode.
type nftConn struct {
	conn *netlink.Conn
	// changed is set when a dump noticed a change of the rules.
	changed bool
}

// nfgenmsgSize is the size of struct nfgenmsg, with which messages of netfilter begin.
const nfgenmsgSize = 4

// errShortMessage reports a truncated netlink message; the kernel never sends one.
var errShortMessage = errors.New("a message of the packet filter is too short")

// generation returns the number that counts the changes of the rules.
func (c *nftConn) generation() (uint32, error) {
	if err := c.send(unix.NFT_MSG_GETGEN, 0, object{}); err != nil {
		return 0, err
	}
	messages, err := c.conn.Receive()
	if err != nil {
		return 0, err
	}
	if len(messages) != 1 || len(messages[0].Data) < nfgenmsgSize {
		return 0, errShortMessage
	}
	id, err := nlattr.Find(messages[0].Data[nfgenmsgSize:], unix.NFTA_GEN_ID)
	if err != nil {
		return 0, err
	}
	generation, ok := number(id)
	if !ok {
		return 0, errShortMessage
	}
	return generation, nil
}

func (c *nftConn) dump(ctx context.Context, ask nftDump, visit func(nftMessage) error) error {
	if err := c.send(ask.kind, netlink.Dump, ask.of); err != nil {
		return err
	}
	for message, err := range c.conn.ReceiveIter() {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && len(message.Data) < nfgenmsgSize {
			err = errShortMessage
		}
		if err == nil {
			c.changed = c.changed || message.Header.Flags&netlink.DumpInterrupted != 0
			err = visit(nftMessage{message.Data[0], message.Data[nfgenmsgSize:]})
		}
		if err != nil {
			// Otherwise the library would read to the end of the dump, however long it is.
			return errors.Join(err, c.conn.SetReadDeadline(time.Unix(1, 0)))
		}
	}
	return nil
}

// send sends a request. The attributes for a table and for an object in it have the same numbers, 1 and
// 2, in requests for rules and for elements.
func (c *nftConn) send(kind uint16, flags netlink.HeaderFlags, of object) error {
	data := []byte{of.family, unix.NFNETLINK_V0, 0, 0}
	if of.table != "" {
		attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
			{Type: unix.NFTA_RULE_TABLE, Data: append([]byte(of.table), 0)},
			{Type: unix.NFTA_RULE_CHAIN, Data: append([]byte(of.name), 0)},
		})
		if err != nil {
			return fmt.Errorf("encode a request for %q: %w", of.name, err)
		}
		data = append(data, attributes...)
	}
	_, err := c.conn.Send(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | flags,
		},
		Data: data,
	})
	return err
}
