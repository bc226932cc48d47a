// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

func floodAttacks() []scenario { return nil }

func floodInnocents() []scenario {
	return []scenario{{name: "50 processes", in: ordinary(), steps: []string{"fork:50"}}}
}
