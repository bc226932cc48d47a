// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

func heldAttacks() []scenario { return nil }

func heldInnocents() []scenario { return nil }
