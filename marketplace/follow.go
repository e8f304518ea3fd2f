package marketplace

import (
	"fmt"
	"time"
)

// Follow returns a lease after the verdict of an epoch, as far as the rules go: its state, its
// deadline, its counts and why. The lease comes with the accusation that stands against it (Hear), and with how
// often its root was shown (Shows): before that is enough it proves on, and whenever the row grows it gets the time
// for that anew. The book adds what a change means for money.
func (r Rules) Follow(l Lease, v Verdict, now time.Time) Lease {
	switch v {
	case VerdictPass:
		l.Passed++
		switch {
		case l.Accused.Waits(): // its hearing is still to come
		case l.Shown():
			l.State, l.Deadline, l.Reason, l.Cause = Active, time.Time{}, "", ""
		case l.Clean > 0:
			l.Deadline = now.Add(r.ProveDeadline.Duration())
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
	if l.State == Proving && !l.Shown() && !l.Accused.Waits() {
		l.Reason = fmt.Sprintf("its root is being checked: %d of %d audits in a row have shown it", l.Clean,
			l.CleanMin)
	}
	return l
}
