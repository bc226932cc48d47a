// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

func rulesAttacks() []scenario { return nil }

func rulesInnocents() []scenario {
	return []scenario{{name: "may write rules and has none", in: capable("CAP_NET_ADMIN")}}
}
