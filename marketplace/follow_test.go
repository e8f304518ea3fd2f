package marketplace

import (
	"testing"
	"time"
)

func TestALeaseFollowsItsVerdicts(t *testing.T) {
	t.Parallel()
	r, now := DefaultRules(), time.Unix(1_000_000, 0)
	past, later := now.Add(-time.Second), now.Add(r.Grace.Duration())
	for name, c := range map[string]struct {
		from     LeaseState
		deadline time.Time
		verdict  Verdict
		want     LeaseState
		until    time.Time
		passed   int
		missed   int
	}{
		"a first pass activates":            {Proving, later, VerdictPass, Active, time.Time{}, 1, 0},
		"a miss while proving waits":        {Proving, later, VerdictFail, Proving, later, 0, 1},
		"a miss begins the grace":           {Active, time.Time{}, VerdictFail, Grace, later, 0, 1},
		"a pass ends the grace":             {Grace, past, VerdictPass, Active, time.Time{}, 1, 0},
		"a miss within the grace waits":     {Grace, later, VerdictFail, Grace, later, 0, 1},
		"a miss after the grace fails":      {Grace, past, VerdictFail, Failed, past, 0, 1},
		"a data fault fails at once":        {Active, time.Time{}, VerdictDataFault, Failed, time.Time{}, 0, 1},
		"a data fault fails in grace":       {Grace, later, VerdictDataFault, Failed, later, 0, 1},
		"silent auditors cost no state":     {Active, time.Time{}, VerdictUnaudited, Active, time.Time{}, 0, 0},
		"... and no grace that is over too": {Grace, past, VerdictUnaudited, Grace, past, 0, 0},
	} {
		l := r.Follow(Lease{State: c.from, Deadline: c.deadline}, c.verdict, now)
		if l.State != c.want || !l.Deadline.Equal(c.until) || l.Passed != c.passed ||
			l.Missed != c.missed {
			t.Errorf("%s: %s until %s, %d passed, %d missed", name, l.State, l.Deadline, l.Passed,
				l.Missed)
		}
		if l.State != c.from && !LeaseMoves.Allow(c.from, l.State) {
			t.Errorf("%s: %s to %s is no move", name, c.from, l.State)
		}
	}
}

func TestALeaseProvesOnUntilItsRootIsShownAndHasTheTimeForItAnewWheneverTheRowGrows(t *testing.T) {
	t.Parallel()
	r, now := DefaultRules(), time.Unix(1_000_000, 0)
	soon, anew := now.Add(time.Hour), now.Add(r.ProveDeadline.Duration())
	for name, c := range map[string]struct {
		clean   int
		verdict Verdict
		want    LeaseState
		until   time.Time
	}{
		"enough":               {12, VerdictPass, Active, time.Time{}},
		"more":                 {3, VerdictPass, Proving, anew},
		"begun anew":           {0, VerdictPass, Proving, soon},
		"a miss moves no time": {3, VerdictFail, Proving, soon},
	} {
		l := r.Follow(Lease{State: Proving, Deadline: soon, Clean: c.clean, CleanMin: 12}, c.verdict, now)
		if l.State != c.want || !l.Deadline.Equal(c.until) || (l.Reason == "") != (c.want == Active) {
			t.Errorf("%s: %s until %s: %s", name, l.State, l.Deadline, l.Reason)
		}
	}
}
