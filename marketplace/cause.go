package marketplace

// A Cause is why a lease is in grace or over, as one word of a closed set. The words for people
// are beside it, in the lease's reason.
type Cause string

// The causes. What each costs follows from the state that comes with it: what was held back of a
// failed lease is lost, and of any other it vests.
const (
	CauseMissed  Cause = "missed"  // grace: an epoch's audits did not pass
	CauseAccused Cause = "accused" // grace: one auditor alone found wrong data; others look again

	CauseData      Cause = "data_fault" // failed: it served wrong data or withheld some
	CauseAway      Cause = "away"       // failed: missed audits for longer than the grace
	CauseLate      Cause = "late"       // failed: did not have or prove the data in time
	CauseAbandoned Cause = "abandoned"  // failed: the agent gave it up

	CauseDisqualified Cause = "disqualified" // released: its agent lost its standing by other leases
	CauseDeclined     Cause = "declined"     // released: the agent did not want it
	CauseSilent       Cause = "silent"       // released: the agent did not answer
	CauseUnseen       Cause = "unseen"       // released: no auditor came
	CauseClosed       Cause = "closed"       // released: the bounty ended
	CauseReplaced     Cause = "replaced"     // released: its replacement was proven before it came back
	CauseUnneeded     Cause = "unneeded"     // released: the replica that it was to replace came back
	CauseDone         Cause = "done"         // completed: ran to its end
)

// Bars says whether the agent does not get the bounty again.
func (c Cause) Bars() bool {
	return c != CauseDone && c != CauseUnseen && c != CauseUnneeded
}

// Causes returns all causes.
func Causes() []Cause {
	return []Cause{CauseMissed, CauseAccused, CauseData, CauseAway, CauseLate, CauseAbandoned,
		CauseDisqualified, CauseDeclined, CauseSilent, CauseUnseen, CauseClosed, CauseReplaced, CauseUnneeded, CauseDone}
}
