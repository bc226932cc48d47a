// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

func leftAttacks() []scenario { return nil }

func leftInnocents() []scenario { return nil }
