// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"slices"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// claim is a port that a container declares, and the number of its pod.
type claim struct {
	*declared

	pod int
}

// claim notes what the containers of all pods declare.
func (j *portJudge) claim(pods [][]*snapshot.Container) {
	j.claims = make(map[socket.Protocol][]claim)
	for number, pod := range pods {
		ports := declaredIn(pod)
		j.declared = append(j.declared, ports)
		for _, d := range ports {
			j.claims[d.Protocol] = append(j.claims[d.Protocol], claim{d, number})
		}
	}
	for _, claims := range j.claims {
		slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(a.HostPort, b.HostPort) })
	}
}

// piece is a part of the ports of a forward of which the same is to be said.
type piece struct {
	first, last uint16
	// own is the container of the pod itself that declares it, others are those of other pods.
	own    *snapshot.Container
	others []*snapshot.Container
}

// forward judges a rule that leads to a container: each port by itself, as it was declared by a
// container of the pod, by one of another, or by nobody.
func (j *portJudge) forward(to *snapshot.Container, forward *snapshot.Forward, pod int) {
	whole := forwardEvidence(forward)
	shadower := verdictKey{to, undeclaredPortBy(to), Shadows}
	for _, piece := range j.pieces(forward, pod) {
		evidence := whole
		evidence.HostPort, evidence.LastPort = piece.first, 0
		if piece.last > piece.first {
			evidence.LastPort = piece.last
		}
		key := verdictKey{to, undeclaredPortBy(to), Undeclared}
		switch {
		case piece.own != nil:
			key = verdictKey{piece.own, piece.own.Declared.By, Bound}
			shadower.container, shadower.by = key.container, key.by
		case len(piece.others) > 0:
			key.verdict = Hijacks
		}
		gathered := j.add(key, evidence)
		if key.verdict != Hijacks {
			continue
		}
		for _, other := range piece.others {
			gathered.addClaimant(other.ID)
		}
	}
	if len(forward.Shadows)+forward.MoreShadows > 0 {
		j.add(shadower, whole)
	}
}

// pieces cuts the ports of a forward where what is to be said of them changes.
func (j *portJudge) pieces(forward *snapshot.Forward, pod int) []piece {
	last := max(forward.HostPort, forward.LastPort)
	claims := j.claims[forward.Protocol]
	from, _ := slices.BinarySearchFunc(claims, forward.HostPort, func(c claim, port uint16) int { return cmp.Compare(c.HostPort, port) })
	var pieces []piece
	next := int(forward.HostPort) // The first port of which nothing was said yet.
	for _, c := range claims[from:] {
		if c.HostPort > last {
			break
		}
		if !covers(c.HostAddress, forward.HostAddress) {
			continue
		}
		if int(c.HostPort) >= next {
			pieces = append(pieces, between(next, int(c.HostPort)-1)...)
			pieces = append(pieces, piece{first: c.HostPort, last: c.HostPort})
			next = int(c.HostPort) + 1
		}
		found := &pieces[len(pieces)-1]
		if c.pod == pod {
			c.bound = true
			found.own = c.container
		} else {
			found.others = append(found.others, c.container)
		}
	}
	return joined(append(pieces, between(next, int(last))...))
}

// between is the piece of the ports that nobody declares, if there are any.
func between(first, last int) []piece {
	if first > last {
		return nil
	}
	return []piece{{first: uint16(first), last: uint16(last)}}
}

// joined joins neighbours that one container declares.
func joined(pieces []piece) []piece {
	var all []piece
	for _, p := range pieces {
		if n := len(all) - 1; n >= 0 && p.own != nil && all[n].own == p.own {
			all[n].last = p.last
			continue
		}
		all = append(all, p)
	}
	return all
}
