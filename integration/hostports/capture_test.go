// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// dump writes all that nf_tables tells of the chains, rules and sets in the namespace: a line a
// message, of its kind and its payload.
func dump(t *testing.T, h *host, file string) {
	t.Helper()
	var out bytes.Buffer
	record := func(conn *netlink.Conn, kind string, message uint16, request []byte) ([][]byte, error) {
		payloads, err := ask(conn, message, request)
		for _, payload := range payloads {
			fmt.Fprintf(&out, "%s %s\n", kind, hex.EncodeToString(payload))
		}
		return payloads, err
	}
	h.inside(func() error {
		conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{MessageBufferSize: 32 << 10})
		if err != nil {
			return err
		}
		defer conn.Close()
		all := []byte{unix.NFPROTO_UNSPEC, unix.NFNETLINK_V0, 0, 0}
		if _, err := record(conn, "chain", unix.NFT_MSG_GETCHAIN, all); err != nil {
			return err
		}
		if _, err := record(conn, "rule", unix.NFT_MSG_GETRULE, all); err != nil {
			return err
		}
		sets, err := ask(conn, unix.NFT_MSG_GETSET, all)
		if err != nil {
			return err
		}
		for _, set := range sets {
			request, err := elementsOf(set)
			if err == nil {
				_, err = record(conn, "element", unix.NFT_MSG_GETSETELEM, request)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ask returns the payloads of a dump.
func ask(conn *netlink.Conn, message uint16, request []byte) ([][]byte, error) {
	answer, err := conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | message),
			Flags: netlink.Request | netlink.Dump,
		},
		Data: request,
	})
	var payloads [][]byte
	for _, m := range answer {
		payloads = append(payloads, m.Data)
	}
	return payloads, err
}

// elementsOf is the request for the elements of the set that a message is about.
func elementsOf(set []byte) ([]byte, error) {
	decoder, err := netlink.NewAttributeDecoder(set[4:])
	if err != nil {
		return nil, err
	}
	var names []netlink.Attribute
	for decoder.Next() {
		if kind := decoder.Type(); kind == unix.NFTA_SET_TABLE || kind == unix.NFTA_SET_NAME {
			names = append(names, netlink.Attribute{Type: kind, Data: decoder.Bytes()})
		}
	}
	attributes, err := netlink.MarshalAttributes(names)
	return append([]byte{set[0], unix.NFNETLINK_V0, 0, 0}, attributes...), err
}
