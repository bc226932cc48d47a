// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scans of those that are played together.
const scans = 6

// patience is how many scans there are at most.
const patience = 40

// scenarios are all there are.
func scenarios() []scenario {
	var all []scenario
	add := func(class class, attacks, innocents []scenario) {
		for i := range innocents {
			innocents[i].innocent = true
		}
		for _, some := range [][]scenario{attacks, innocents} {
			slices.SortFunc(some, func(a, b scenario) int { return strings.Compare(a.name, b.name) })
		}
		for _, s := range slices.Concat(attacks, innocents) {
			s.class = class
			all = append(all, s)
		}
	}
	add(known, knownAttacks(), daily())
	add(transit, transitAttacks(), transitInnocents())
	add(left, leftAttacks(), leftInnocents())
	add(held, heldAttacks(), heldInnocents())
	add(rules, rulesAttacks(), rulesInnocents())
	add(floods, floodAttacks(), floodInnocents())
	return all
}

// TestAttacks plays all that can be played together at once, and then the others one by one.
func TestAttacks(t *testing.T) {
	expression, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{node: startNode(t), counts: make(map[string]int)}
	defer s.stop()
	t.Logf("containerd %s", s.Version())
	var together, alone []*scene
	all := scenarios()
	for i := range all {
		switch played := (&scene{scenario: &all[i], node: s.node}); {
		case !expression.MatchString(played.id()):
		case played.alone:
			alone = append(alone, played)
		default:
			together = append(together, played)
		}
	}
	s.play(t, scans, together...)
	for _, one := range alone {
		s.play(t, 2, one)
		if one.hangs {
			continue // containerd can't end it
		}
		one.end(t)
		s.running = slices.DeleteFunc(s.running, func(running *scene) bool { return running == one })
	}
	t.Logf("\n%s\n%s", strings.Join(s.lines, "\n"), s.summary())
}

// suite is what runs and what came of it.
type suite struct {
	*node

	running []*scene
	lines   []string
	counts  map[string]int
}

// play starts scenes beside those that run, scans, and judges what was said.
func (s *suite) play(t *testing.T, scans int, scenes ...*scene) {
	t.Helper()
	started := t.Run("start", func(t *testing.T) {
		for _, scene := range scenes {
			t.Run(scene.id(), func(t *testing.T) {
				t.Parallel()
				scene.start(t)
			})
		}
	})
	if !started {
		t.FailNow()
	}
	beside := s.running
	s.running = append(s.running, scenes...)
	var heard []map[string]said
	for len(heard) < scans || len(heard) < patience && s.missing(scenes, heard) {
		scan, took := s.scan(t)
		t.Logf("a scan of %d processes in %d containers took %s", scan.Coverage.Processes, scan.Coverage.Containers, took)
		heard = append(heard, hear(scan))
	}
	t.Run("judge", func(t *testing.T) {
		for _, scene := range scenes {
			t.Run(scene.id(), func(t *testing.T) { s.judge(t, scene, about(heard, scene.subject())) })
		}
		t.Run("the others", func(t *testing.T) { judgeOthers(t, beside, scenes, heard) })
	})
}

// missing reports whether something has yet to be seen that is there at times.
func (s *suite) missing(scenes []*scene, heard []map[string]said) bool {
	return slices.ContainsFunc(scenes, func(scene *scene) bool {
		return scene.want.once && !scene.pending && !slices.ContainsFunc(about(heard, scene.subject()), func(said said) bool { return scene.want.met(scene.beyond(said)) })
	})
}

// about is what each scan said of one container, or of the node.
func about(heard []map[string]said, id string) []said {
	var all []said
	for _, one := range heard {
		all = append(all, one[id])
	}
	return all
}

// judge compares what was said of a scene's container with what is to be said, and notes it.
func (s *suite) judge(t *testing.T, scene *scene, all []said) {
	t.Helper()
	for i := range all {
		all[i] = scene.beyond(all[i])
	}
	met, outcome := scene.want.judge(all), "ok"
	switch {
	case scene.open != "" && !clean().judge(all):
		outcome = "FAIL: open, and yet something is said"
	case scene.open != "":
		outcome = "open: " + scene.open
	case scene.pending && met && !scene.want.once:
		outcome = "FAIL: pending no longer"
	case scene.pending:
		outcome = "pending"
	case !met:
		outcome = "FAIL"
	}
	line := fmt.Sprintf("%-60s want %s, got %s: %s", scene.id(), scene.want, sum(all), outcome)
	s.lines = append(s.lines, line)
	kind, _, _ := strings.Cut(outcome, ":")
	s.counts[kind]++
	if kind == "FAIL" {
		t.Error(line)
	}
}

// sum says how often what was said.
func sum(all []said) string {
	counts := make(map[string]int)
	for _, one := range all {
		counts[one.String()]++
	}
	if len(counts) == 1 {
		return all[0].String()
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d x %s", counts[what], what))
	}
	return strings.Join(parts, "; ")
}

// judgeOthers has everybody be left alone who is none of those that were played: those beside them are what they were.
func judgeOthers(t *testing.T, beside, scenes []*scene, heard []map[string]said) {
	t.Helper()
	expected := make(map[string]*scene)
	for _, scene := range beside {
		expected[scene.subject()] = scene
	}
	for _, scene := range scenes {
		expected[scene.subject()] = nil
	}
	blamed := make(map[string]bool)
	for _, scene := range slices.Concat(beside, scenes) {
		if scene.pending {
			blamed[scene.blamed] = true
		}
	}
	delete(blamed, "")
	for i, one := range heard {
		for id, said := range one {
			scene, ok := expected[id]
			if !ok && !said.nothing() && !blamed[id] {
				t.Errorf("scan %d of %s: want nothing, got %s", i, whose(id, append(beside, scenes...)), said)
			}
			if scene != nil && !scene.pending && scene.open == "" && !scene.want.met(scene.beyond(said)) {
				t.Errorf("scan %d of %s, beside others: want %s, got %s", i, scene.id(), scene.want, said)
			}
		}
	}
}

// whose names a container of a scene's pod that the scene is not about.
func whose(id string, scenes []*scene) string {
	if id == "" {
		return "the node"
	}
	for _, scene := range scenes {
		if scene.owns(id) {
			return id + " of " + scene.id()
		}
	}
	return id
}

func (s *suite) summary() string {
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(s.counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", s.counts[outcome], outcome))
	}
	return fmt.Sprintf("%d scenarios: %s", len(s.lines), strings.Join(parts, ", "))
}
