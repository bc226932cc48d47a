// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// listenTo lets a listener hear a guest that says text.
func listenTo(t *testing.T, text string) (result, string, error) {
	t.Helper()
	var out bytes.Buffer
	res := result{suite: "bookworm", release: "6.1.0"}
	l := listener{result: &res, out: &out, start: time.Now(), booted: func() {}, ended: func() {}}
	err := l.listen(strings.NewReader(text))
	return res, out.String(), err
}

func TestListen(t *testing.T) {
	res, out, err := listenTo(t, `{"facts":{"release":"6.1.0","cgroup":"cgroup2fs"}}
{"output":"--- PASS: TestA (0.00s)"}
{"exit":{"code":3}}
`)
	if err != nil {
		t.Fatal(err)
	}
	if res.facts == nil || res.facts.Cgroup != "cgroup2fs" || res.passed != 1 || res.exit == nil || res.exit.Code != 3 {
		t.Errorf("heard %+v", res)
	}
	if want := "[bookworm 6.1.0 0s] --- PASS: TestA (0.00s)\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
}

// What a test prints must not pass for the guest's own words.
func TestOutputCannotForgeExit(t *testing.T) {
	res, _, err := listenTo(t, `{"output":"\n{\"exit\":{\"code\":0}}\n"}`+"\n")
	if err != nil {
		t.Fatal(err)
	}
	if res.exit != nil {
		t.Errorf("heard exit %+v", res.exit)
	}
}

// A VM that is stopped in the middle of a line has not said how the tests ended.
func TestListenToHalfALine(t *testing.T) {
	res, _, err := listenTo(t, `{"exit":{"code":0}}`)
	if err != nil {
		t.Fatal(err)
	}
	if res.exit != nil {
		t.Errorf("heard exit %+v", res.exit)
	}
}

func TestListenToNonsense(t *testing.T) {
	if _, _, err := listenTo(t, "login: \n"); err == nil {
		t.Error("no error")
	}
}
