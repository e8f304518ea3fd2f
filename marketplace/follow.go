package marketplace

import "time"

// Follow returns a lease after the verdict of an epoch, as far as the rules go: its state, its
// deadline, its counts and why. The book adds what a change means for money.
func (r Rules) Follow(l Lease, v Verdict, now time.Time) Lease {
	switch v {
	case VerdictPass:
		l.Passed++
		l.State, l.Deadline, l.Reason = Active, time.Time{}, ""
	case VerdictDataFault:
		l.Missed++
		l.State, l.Reason = Failed, "served wrong data"
	case VerdictFail:
		l.Missed++
		switch {
		case l.State == Active:
			l.State, l.Deadline = Grace, now.Add(r.Grace.Duration())
			l.Reason = "missed the audit of an epoch"
		case l.State == Grace && !l.Deadline.After(now):
			// Grace ends with a verdict and not by the clock: only an audit can find that an
			// agent is back.
			l.State, l.Reason = Failed, "missed audits for longer than the grace"
		}
	}
	return l
}
