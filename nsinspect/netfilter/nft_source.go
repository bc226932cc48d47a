// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"

	"golang.org/x/sys/unix"
)

// nftRules are the rules of nf_tables.
type nftRules struct{ nftDumper }

func (n nftRules) chains(ctx context.Context, visit func(chain object, enters bool) error) error {
	return n.dump(ctx, nftDump{kind: unix.NFT_MSG_GETCHAIN}, func(message nftMessage) error {
		chain, enters, err := decodeBaseChain(message)
		if err != nil {
			return err
		}
		return visit(chain, enters)
	})
}

func (n nftRules) rules(ctx context.Context, chain object, visit func(rule) error) error {
	return n.dump(ctx, nftDump{unix.NFT_MSG_GETRULE, chain}, func(message nftMessage) error {
		decoded, err := decodeRule(chain.family, message.attributes)
		if err != nil {
			return err
		}
		return visit(decoded)
	})
}

func (n nftRules) elements(ctx context.Context, set object, visit func(element) error) error {
	return n.dump(ctx, nftDump{unix.NFT_MSG_GETSETELEM, set}, func(message nftMessage) error {
		return decodeElements(message.attributes, visit)
	})
}
