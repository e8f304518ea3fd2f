package marketplace

import "time"

// Follow returns a lease after the verdict of an epoch, as far as the rules go: its state, its
// deadline, its counts and why. The lease comes with the accusation that stands against it (Hear). The book adds what a change means for money.
func (r Rules) Follow(l Lease, v Verdict, now time.Time) Lease {
	switch v {
	case VerdictPass:
		l.Passed++
		if !l.Accused.Waits() { // its hearing is still to come
			l.State, l.Deadline, l.Reason, l.Cause = Active, time.Time{}, "", ""
		}
	case VerdictDataFault:
		l.Missed++
		l.State, l.Reason, l.Cause = Failed, "served wrong data", CauseData
	case VerdictAccused:
		l.Missed++
		if l.State == Active {
			l.State, l.Deadline = Grace, now.Add(r.Grace.Duration())
		}
		l.Cause = CauseAccused
		l.Reason = "one auditor found wrong data; others are asked the same before it costs the lease"
	case VerdictFail:
		l.Missed++
		switch {
		case l.State == Active:
			l.State, l.Deadline = Grace, now.Add(r.Grace.Duration())
			l.Reason, l.Cause = "missed the audit of an epoch", CauseMissed
		case l.State == Grace && !l.Deadline.After(now):
			// Grace ends with a verdict and not by the clock: only an audit can find that an
			// agent is back.
			l.State, l.Cause = Failed, CauseAway
			l.Reason = "missed audits for longer than the grace"
		}
	}
	return l
}
