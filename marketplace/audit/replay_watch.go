package audit

import (
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// panel looks when those were named whom the epoch draws from: who names them when the block is known
// chooses who is drawn.
func (j *judge) panel() {
	if e := j.Log.Epoch; !j.Rules.NamedInTime(e) {
		j.fault(BadPanel, voice{}, "the panel was named %s, and the epoch began %s", atOrNever(e.NamedAt),
			instant(j.Rules.EpochStart(e.Epoch)))
	}
}

// canaries holds what was told of the epoch's canaries against their seal. It returns what honest
// auditors of them may have found, and whether that is known: a seal stays closed for long.
func (j *judge) canaries() (truths map[int64]marketplace.Outcome, open bool) {
	e := j.Log.Epoch
	switch sealed := j.Rules.EpochStart(e.Epoch + 1).Add(j.Rules.CanarySealed.Duration()); {
	case e.CanarySeal.IsZero():
		if len(e.Canaries) > 0 {
			j.fault(BadCanaries, voice{}, "%d canaries are told, and nothing was sealed", len(e.Canaries))
		}
		return nil, true
	case e.CanarySalt.IsZero() && j.At.After(sealed.Add(j.openedWithin())):
		j.fault(BadCanaries, voice{}, "the seal was to be opened at %s, and still is closed",
			instant(sealed))
		return nil, false
	case e.CanarySalt.IsZero():
		j.unchecked("what auditors said of canaries, and their standing: which leases are canaries is"+
			" sealed until about %s", instant(sealed))
		return nil, false
	case marketplace.Seal(e.Canaries, e.CanarySalt) != e.CanarySeal:
		j.fault(BadCanaries, voice{}, "the canaries and the salt that are told are not what was sealed")
	}
	j.keepers(e.Canaries)
	return marketplace.Truths(e.Canaries), true
}

// openedWithin is how much later than promised a seal may be opened: it is done when an epoch is
// judged.
func (j *judge) openedWithin() time.Duration {
	return 3 * (j.Rules.Epoch.Duration() + j.Rules.ReportSlack.Duration())
}

// keepers looks whether canaries are leases of the epoch, and all that their agents keep: an agent
// that is silent is so for all of them.
func (j *judge) keepers(told []marketplace.Canary) {
	silent := map[marketplace.Address]bool{}
	for _, c := range told {
		silent[c.Agent] = c.Silent
	}
	var due []marketplace.Canary
	for _, l := range j.Log.Epoch.Leases {
		if is, canary := silent[l.Agent]; canary {
			due = append(due, marketplace.Canary{Lease: l.ID, Agent: l.Agent, Silent: is})
		}
	}
	for _, c := range told {
		if !slices.Contains(due, c) {
			j.fault(BadCanaries, voice{lease: c.Lease}, "is told to be a canary of %s, and is none of that"+
				" agent's leases, or of one that is silent for some", c.Agent)
		}
	}
	for _, c := range due {
		if !slices.Contains(told, c) {
			j.fault(BadCanaries, voice{lease: c.Lease}, "is kept by the canary %s and not told to be one",
				c.Agent)
		}
	}
}

// standings reckons what the epoch made of its auditors, from all that is said in it.
func (j *judge) standings() {
	truths, open := j.canaries()
	if j.Lease != 0 {
		return
	}
	shifts, before := map[marketplace.Address]marketplace.Shift{}, map[marketplace.Address]marketplace.Shift{}
	for _, s := range j.Log.Shifts {
		switch s.Epoch {
		case j.Log.Epoch.Epoch:
			shifts[s.Auditor] = s
		case j.Log.Epoch.Epoch - 1:
			before[s.Auditor] = s
		}
	}
	if len(shifts) == 0 {
		j.unchecked("what the epoch made of auditors: it is not judged yet, or had none")
		return
	}
	due := j.Rules.Duties(j.Log.Epoch, j.genuine, truths)
	for _, p := range j.Log.Proofs {
		if p.Hearing != nil && p.Hearing.Outcome == marketplace.Refuted {
			d := due[p.Hearing.Auditor]
			d.Refuted++
			due[p.Hearing.Auditor] = d
		}
	}
	for who, d := range due {
		if _, told := shifts[who]; !told && d != (marketplace.Duties{}) {
			j.fault(BadStanding, voice{auditor: who}, "had duties in the epoch, and nothing is told of them")
		}
	}
	for _, s := range shifts {
		j.shift(s, before[s.Auditor], due[s.Auditor], open)
	}
}

// shift holds what an epoch is said to have made of an auditor against what follows.
func (j *judge) shift(s, before marketplace.Shift, due marketplace.Duties, open bool) {
	of := voice{auditor: s.Auditor}
	if !open {
		s = s.Sealed()
	}
	if s.Duties != due {
		j.fault(BadStanding, of, "its duties are told to be %+v, and come to %+v", s.Duties, due)
	}
	switch {
	case !open:
		return
	case s.Before == nil || s.After == nil:
		j.unchecked("the standing of auditor %s: its record is not told", s.Auditor)
		return
	}
	after := j.Rules.Watch(*s.Before, s.Epoch, due)
	if !sameRecord(*s.After, after) {
		j.fault(BadStanding, of, "its record after the epoch is %+v, and what it did comes to %+v", *s.After,
			after)
	}
	if is := j.Rules.Standing(s.Was, *s.After, s.Epoch); is != s.Is {
		j.fault(BadStanding, of, "it was %s and is %s; by its record it is %s", s.Was, s.Is, is)
	}
	if before.After != nil && (!sameRecord(*before.After, *s.Before) || before.Is != s.Was) {
		j.fault(BadStanding, of, "its record before the epoch is not the one after epoch %d", before.Epoch)
	}
}

// sameRecord compares records, whose times may have come from elsewhere.
func sameRecord(a, b marketplace.Record) bool {
	for _, r := range []*marketplace.Record{&a, &b} {
		r.Since, r.DataWarned = r.Since.UTC(), r.DataWarned.UTC()
		r.UptimeWarned = r.UptimeWarned.UTC()
	}
	return a == b
}
