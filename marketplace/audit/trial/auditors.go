package trial

import (
	"math/rand/v2"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
)

// A desk is a sort of auditor on trial. One of the market's auditors is of this sort, the others
// are honest.
type desk struct {
	name    string
	says    func(v *visit, to subject) (marketplace.Report, bool)
	copies  bool // takes over what another one said
	commits bool // reports are committed before any is revealed
	why     string
}

// A subject is a replica that auditors look at.
type subject struct {
	lease  int64
	agent  answer
	canary bool
	truth  marketplace.Outcome // of a canary
	rival  bool                // of the auditor's friend
}

func desks() []desk {
	honest := func(v *visit, _ subject) (marketplace.Report, bool) { return look(v) }
	return []desk{
		{name: "honest", says: honest, commits: true, why: "the measure"},
		{name: "sleeps", commits: true,
			says: func(*visit, subject) (marketplace.Report, bool) { return marketplace.Report{}, false },
			why:  "the schedule says who had to report; ten silences in a row suspend"},
		{name: "copies what others reported", says: honest, copies: true, commits: true,
			why: "it can copy commitments only, which open for their authors: to the market it sleeps"},
		{name: "copies, were nothing committed to", says: honest, copies: true,
			why: "why the market asks for commitments: what a friend tells can be copied word for word"},
		{name: "invents passes", commits: true,
			says: func(v *visit, _ subject) (marketplace.Report, bool) { return vouch(v) },
			why:  "passes a dead canary; two lies disqualify"},
		{name: "invents data faults", commits: true,
			says: func(v *visit, _ subject) (marketplace.Report, bool) { return accuse(v) },
			why:  "accusations in heaps are not believed: to the market it sleeps, and it lies about sound canaries"},
		{name: "colludes with one agent and passes it", commits: true, says: honest,
			why: "canaries do not see it; its word alone earns its friend nothing (table above)"},
		{name: "colludes against one agent and accuses it", commits: true,
			says: func(v *visit, to subject) (marketplace.Report, bool) {
				if to.rival {
					return accuse(v)
				}
				return look(v)
			}, why: "others are asked the same and find nothing; the next time nobody listens"},
	}
}

// A tally is what a sort of auditor came to.
type tally struct {
	who    string
	cut    took    // until it was suspended or disqualified
	paid   float64 // % of an honest auditor's pay until then
	missed float64 // epochs per 10,000 of sound replicas that did not pass meanwhile
	failed float64 // ... that were found to be data faults
	why    string
}

// tallies puts every sort of auditor on trial.
func (w World) tallies() (rows []tally) {
	for _, d := range desks() {
		rows = append(rows, w.office(d))
	}
	return rows
}

// A tenure is one auditor's time in office.
type tenure struct {
	w        World
	desk     desk
	chance   *rand.Rand
	who      []marketplace.Address
	replicas []subject
	leases   map[int64]*lease // of the replicas
	record   marketplace.Record
	standing marketplace.Standing
	cut      int
	total    marketplace.Duties
	judged   int
	missed   int
	faults   int
}

func (w World) office(d desk) tally {
	row := tally{who: d.name, why: d.why}
	var cut []int
	var sum tenure
	for run := range w.Tenures {
		t := w.newTenure(d, run)
		for k := range w.epochs() {
			if t.serve(firstEpoch+k, int(k)+1); t.cut > 0 {
				break
			}
		}
		cut = append(cut, t.cut)
		sum.total.Due += t.total.Due
		sum.total.Done += t.total.Done
		sum.judged, sum.missed, sum.faults = sum.judged+t.judged, sum.missed+t.missed, sum.faults+t.faults
	}
	row.cut = epochs(cut)
	row.paid = 100 * float64(sum.total.Done) / float64(sum.total.Due)
	row.missed = 1e4 * float64(sum.missed) / float64(sum.judged)
	row.failed = 1e4 * float64(sum.faults) / float64(sum.judged)
	return row
}

// newTenure stocks a market with sound replicas at home and with canaries: as many dead as sound.
func (w World) newTenure(d desk, run int) *tenure {
	t := &tenure{w: w, desk: d, chance: w.chance(run), who: auditors(w.Auditors),
		leases: map[int64]*lease{}, standing: marketplace.New, record: w.Rules.NewRecord(w.Rules.EpochStart(firstEpoch))}
	for i := range w.Replicas {
		t.add(subject{agent: home(awake, asleep)(w, t.chance), rival: i == 0})
	}
	for range w.Canaries {
		for _, truth := range []marketplace.Outcome{marketplace.Unreachable, marketplace.Pass} {
			t.add(subject{agent: always(truth)(w, t.chance), canary: true, truth: truth})
		}
	}
	return t
}

func (t *tenure) add(s subject) {
	s.lease = int64(len(t.replicas) + 1)
	t.replicas = append(t.replicas, s)
	t.lease(s.lease, firstEpoch)
}

// lease gives a replica a lease that was proven before.
func (t *tenure) lease(id, from int64) {
	l := t.w.takeOn(id, from)
	l.State = marketplace.Active
	t.leases[id] = l
}

// serve is one epoch of the whole panel.
func (t *tenure) serve(epoch int64, nth int) {
	open := marketplace.AuditEpoch{Epoch: epoch, Auditors: marketplace.SignersPanel(t.who)}
	open.Secret[0], open.Hash[0] = byte(t.chance.Uint32()), byte(t.chance.Uint32())
	for _, s := range t.replicas {
		l := t.leases[s.lease]
		l.open()
		open.Leases = append(open.Leases, l.asked)
	}
	var all []marketplace.Report
	plan, truths := audit.Plan(t.w.Rules, open), map[int64]marketplace.Outcome{}
	for _, s := range t.replicas {
		all = append(all, t.reports(s, open, plan[s.lease])...)
		if s.canary {
			truths[s.lease] = s.truth
		}
	}
	duties := t.w.Rules.Duties(open, all, truths)[t.who[0]]
	duties.Refuted = t.judge(epoch, t.w.Rules.Heard(all))
	t.total.Due += duties.Due
	t.total.Done += duties.Done
	t.record = t.w.Rules.Watch(t.record, epoch, duties)
	t.standing = t.w.Rules.Standing(t.standing, t.record, epoch)
	if t.standing == marketplace.Suspended || t.standing == marketplace.Disqualified {
		t.cut = nth
	}
}

// judge counts what becomes of the sound replicas, and which accusations of the one on trial others
// did not find. A lease that is lost is given anew.
func (t *tenure) judge(epoch int64, heard []marketplace.Report) (refuted int) {
	of := map[int64][]marketplace.Report{}
	for _, report := range heard {
		of[report.Lease] = append(of[report.Lease], report)
	}
	r := t.w.Rules
	for _, s := range t.replicas {
		if s.canary {
			continue
		}
		t.judged++
		l := t.leases[s.lease]
		waited := l.Accused.Waits()
		v := l.hear(t.w, epoch, of[s.lease], len(t.who)).Verdict
		if waited && !l.Accused.Waits() && index(l.Accused.Auditor) == 0 {
			refuted++
		}
		if v != marketplace.VerdictPass || l.Accused.Waits() {
			t.missed++
		}
		if l.Lease = r.Follow(l.Lease, v, r.EpochStart(epoch+1)); l.State == marketplace.Failed {
			t.faults++
			t.lease(s.lease, epoch+1)
		}
	}
	return refuted
}

// A statement is a report with what was committed of it before.
type statement struct {
	commitment marketplace.Hash
	report     marketplace.Report
}

// reports lets the panel look at a replica and returns what holds of what it says. Auditor 0 is
// the one on trial; it speaks last.
func (t *tenure) reports(s subject, open marketplace.AuditEpoch, plan []audit.Visit) (
	valid []marketplace.Report) {
	var said []statement
	var mine *visit
	for _, planned := range plan {
		v := &visit{Visit: planned, w: t.w, epoch: open.Epoch, lease: t.leases[s.lease].asked,
			chance: t.chance, agent: s.agent}
		if index(planned.Auditor) == 0 {
			mine = v
			continue
		}
		report, _ := look(v)
		said = append(said, statement{report.Commitment(), report})
	}
	for _, one := range said {
		valid = append(valid, one.report)
	}
	if mine == nil {
		return valid
	}
	own, ok := t.speak(mine, s, said)
	if !ok || t.desk.commits && own.report.Commitment() != own.commitment {
		return valid
	}
	return append(valid, own.report)
}

// speak is what the auditor on trial says. A copier takes over what was handed in before: a commitment,
// and were there none, a report that it signs as its own.
func (t *tenure) speak(v *visit, s subject, said []statement) (statement, bool) {
	if t.desk.copies && len(said) > 0 {
		copied := said[0]
		copied.report.Auditor = v.Auditor
		return copied, true
	}
	report, ok := t.desk.says(v, s)
	return statement{report.Commitment(), report}, ok
}
