//go:build integration

package hostports_test

func play(string) error { return nil }
