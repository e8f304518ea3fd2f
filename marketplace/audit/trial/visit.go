package trial

import (
	"math/rand/v2"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
)

// A visit is one auditor's part in the audit of one lease and epoch.
type visit struct {
	audit.Visit
	w      World
	epoch  int64
	lease  marketplace.Lease // as it stood when the epoch opened
	chance *rand.Rand
	agent  answer
	asked  []audit.Challenge // what was drawn, once somebody needs it
	wrong  []int             // pieces that did not come as they should
}

// An answer is what a try finds at an agent.
type answer func(v *visit, at time.Time) marketplace.Outcome

// A word is what an auditor says after a visit; nothing when it is silent.
type word func(v *visit) (marketplace.Report, bool)

// asks returns what the auditor asks for: the same at every try.
func (v *visit) asks() []audit.Challenge {
	if v.asked == nil {
		t, known := &v.w.Torrent, func(int) bool { return false }
		share := audit.RationOf(v.w.Rules, t, v.lease, believed(v.lease))
		v.asked = audit.Challenges(share, v.Seed, t, known)
		if v.asked = audit.Again(share, v.lease, t, v.asked); v.InWindow() {
			v.asked = audit.Burst(share, v.Burst, t, v.asked)
		}
	}
	return v.asked
}

// believed says whether the root of a lease is, that is alone on its torrent.
func believed(l marketplace.Lease) bool {
	return marketplace.AuditEpoch{Leases: []marketplace.Lease{l}}.Believed()[l.ID]
}

// carried says whether it comes by another agent's line.
func (v *visit) carried() bool { return audit.IsCarried(v.w.Rules, v.Part) }

// line says which of the two lines that a carried visit comes by a try comes by.
func (v *visit) line(at time.Time) int {
	if len(v.Tries) > 2 && !at.Before(v.Tries[2]) {
		return 1
	}
	return 0
}

// quiet says whether a try is in a quiet window, of which the agent was shown a ticket.
func (v *visit) quiet(at time.Time) bool { return v.InWindow() && at.Equal(v.Tries[0]) }

// report is what is said of some tries.
func (v *visit) report(tries ...marketplace.Outcome) marketplace.Report {
	rep := marketplace.Report{Lease: v.lease.ID, Epoch: v.epoch, Auditor: v.Auditor,
		Outcome: marketplace.Settle(tries), Tries: tries}
	if v.InWindow() {
		rep.Window = &marketplace.Window{Quiet: true, Served: tries[0] == marketplace.Pass}
	}
	for _, piece := range v.wrong {
		rep.Answers = append(rep.Answers,
			marketplace.Answer{Piece: piece, Outcome: marketplace.BadData})
	}
	return rep
}

// look is the work of an honest auditor.
func look(v *visit) (marketplace.Report, bool) {
	dead := [2]bool{v.chance.Float64() < v.w.DeadLines, v.chance.Float64() < v.w.DeadLines}
	tries, doubted := make([]marketplace.Outcome, 0, len(v.Tries)), false
	for _, at := range v.Tries {
		found := v.agent(v, at)
		if v.carried() && dead[v.line(at)] {
			found = marketplace.Unreachable
		}
		if v.carried() && found == marketplace.BadData && !doubted { // the carrier may have spoiled it
			doubted, found, v.wrong = true, marketplace.Timeout, nil
		}
		tries = append(tries, found)
		if marketplace.Settle(tries) == marketplace.Pass {
			break
		}
	}
	return v.report(tries...), true
}
