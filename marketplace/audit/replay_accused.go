package audit

import (
	"slices"

	"github.com/everseed/everseed/marketplace"
)

// accusations looks at who is said to have accused leases in earlier epochs, because it is not asked
// again before others were: each must have said so itself, and an epoch that opened when it was known
// must have opened with it.
func (j *judge) accusations() {
	for _, a := range j.Log.Accusations() {
		if !j.looksAt(a.Lease) {
			continue
		}
		of := voice{a.Lease, a.Accusation.Auditor}
		i := slices.IndexFunc(j.Log.Accusers, func(r marketplace.Report) bool {
			return r.Lease == a.Lease && r.Epoch == a.Accusation.Epoch && r.Auditor == of.auditor
		})
		if i < 0 || !j.accuses(j.Log.Accusers[i]) {
			j.fault(BadAccusation, of, "is said to have accused it in epoch %d, and no report of its own"+
				" shows that", a.Accusation.Epoch)
			continue
		}
		wrong := j.Log.Accusers[i].Wrong()
		if a.Frozen && !slices.Equal(wrong, a.Accusation.Pieces) {
			j.fault(BadAccusation, of, "accused pieces %v, and the hearing asks for %v", wrong,
				a.Accusation.Pieces)
		}
	}
	for _, p := range j.Log.Before {
		if j.looksAt(p.Lease) && p.Verdict == marketplace.VerdictAccused {
			j.froze(p)
		}
	}
}

// accuses says whether a report is its author's own and finds a data fault.
func (j *judge) accuses(r marketplace.Report) bool {
	who, err := j.Signer(r.Text(), r.Signature)
	return err == nil && who == r.Auditor && j.Rules.Accuses(r)
}

// froze looks whether the epoch opened with an accusation that was known by then. Leases are judged one
// after the other, so one that was judged just before may not have been.
func (j *judge) froze(p marketplace.Proof) {
	l, audited := j.leases[p.Lease]
	known := p.At.Add(j.Rules.ReportSlack.Duration()).Before(j.Log.Epoch.OpenedAt)
	of := voice{p.Lease, p.Accuser}
	switch is := l.Accused; {
	case !audited || is == nil && !known:
	case is == nil:
		j.fault(BadAccusation, of, "accused it in epoch %d, which was known at %s, and the epoch that opened"+
			" at %s holds no hearing", p.Epoch, instant(p.At), instant(j.Log.Epoch.OpenedAt))
	case is.Epoch != p.Epoch || is.Auditor != p.Accuser:
		j.fault(BadAccusation, of, "accused it in epoch %d, and the epoch hears %s of epoch %d", p.Epoch,
			is.Auditor, is.Epoch)
	}
}

// accused returns a lease with the accusation that stood against it when the epoch was judged: what it
// opened with, or else what the epochs before came to.
func (j *judge) accused(l marketplace.Lease) marketplace.Lease {
	for _, p := range j.Log.Before {
		switch {
		case p.Lease != l.ID:
		case p.Verdict == marketplace.VerdictAccused && l.Accused == nil:
			l.Accused = &marketplace.Accusation{Epoch: p.Epoch, Auditor: p.Accuser}
		case p.Hearing != nil && p.Hearing.Outcome == marketplace.Refuted && l.Accused.Waits():
			refuted := *l.Accused
			refuted.Refuted = p.Epoch
			l.Accused = &refuted
		}
	}
	return l
}

// hearing holds what a proof says of accusations against what the reports come to.
func (j *judge) hearing(p marketplace.Proof, l marketplace.Lease, is marketplace.Ruling) {
	of := voice{lease: p.Lease}
	var accuser marketplace.Address
	if is.Verdict == marketplace.VerdictAccused {
		accuser = is.Accused.Auditor
	}
	if p.Accuser != accuser {
		j.fault(BadAccusation, of, "the proof says that %s alone accused it, the reports say %s",
			orNobody(p.Accuser), orNobody(accuser))
	}
	var due, said marketplace.Hearing
	if l.Accused.Waits() {
		due = marketplace.Hearing{Epoch: l.Accused.Epoch, Auditor: l.Accused.Auditor}
		switch {
		case is.Verdict == marketplace.VerdictDataFault:
			due.Outcome = marketplace.Confirmed
		case !is.Accused.Waits():
			due.Outcome = marketplace.Refuted
		default:
			due = said
		}
	}
	if p.Hearing != nil {
		said = *p.Hearing
	}
	if said != due {
		j.fault(BadAccusation, of, "the proof says that the accusation of %s was %s, the reports say %s",
			orNobody(said.Auditor), orNothing(said.Outcome), orNothing(due.Outcome))
	}
}

func orNobody(who marketplace.Address) string {
	if who.IsZero() {
		return "nobody"
	}
	return who.String()
}

func orNothing(o marketplace.HearingOutcome) string {
	if o == "" {
		return "not heard"
	}
	return string(o)
}
