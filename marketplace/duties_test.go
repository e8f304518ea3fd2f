package marketplace

import "testing"

func TestAnAuditorThatSleepsIsSuspendedAndOneThatLiesTwiceIsOut(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	for name, c := range map[string]struct {
		duties Duties
		want   []Standing
	}{
		"honest":         {Duties{Due: 10, Done: 10, Canaries: 1}, []Standing{New, New}},
		"sleeps":         {Duties{Due: 10}, []Standing{New, Suspended}},
		"lies each time": {Duties{Due: 10, Done: 10, Canaries: 1, Lies: 1}, []Standing{New, Disqualified}},
	} {
		rec, s := r.NewRecord(r.EpochStart(0)), New
		for k, want := range c.want {
			rec = r.Watch(rec, int64(k), c.duties)
			if s = r.Standing(s, rec, int64(k)); s != want {
				t.Errorf("%s: %s after epoch %d, want %s", name, s, k, want)
			}
		}
	}
}

func TestOnlyWhatCannotBeIsALie(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	for name, c := range map[string]struct {
		says, truth Outcome
		want        bool
	}{
		"passes the dead":          {Pass, Unreachable, true},
		"passes the spoiled":       {Pass, BadData, true},
		"accuses the sound":        {BadData, Pass, true},
		"could not reach a sound":  {Unreachable, Pass, false},
		"could not do its work":    {AuditorFault, Unreachable, false},
		"found the dead dead":      {Unreachable, Unreachable, false},
		"found the spoiled absent": {Timeout, BadData, false},
	} {
		if got := r.Lie(tried(c.says), c.truth); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestACopiedCommitmentOpensForItsAuthorOnly(t *testing.T) {
	t.Parallel()
	rep := tried(Pass)
	rep.Auditor = Address{1}
	commitment := rep.Commitment()
	copied := rep
	copied.Auditor = Address{2}
	if copied.Commitment() == commitment || rep.Commitment() != commitment {
		t.Error("a commitment does not name its author")
	}
	copied = rep
	copied.Signature[7]++
	if copied.Commitment() == commitment {
		t.Error("a commitment can be guessed without the signature")
	}
}

func TestDutiesCountWhatWasDrawnAndWhatWasSaid(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	e := anEpoch(3, []int{9, 9, 9}, 4) // all three look at all four leases
	say := func(auditor byte, outcomes ...Outcome) (all []Report) {
		for i, o := range outcomes {
			rep := tried(o)
			rep.Lease, rep.Auditor = int64(i+1), Address{19: auditor}
			all = append(all, rep)
		}
		return all
	}
	canaries := map[int64]Outcome{1: Unreachable, 2: Pass}
	for name, c := range map[string]struct {
		said []Report
		want Duties // of auditor 1
	}{
		"honest":          {say(1, Unreachable, Pass, Pass, Pass), Duties{4, 4, 2, 0, 0}},
		"silent":          {nil, Duties{Due: 4}},
		"says nothing":    {say(1, AuditorFault, AuditorFault, AuditorFault, AuditorFault), Duties{Due: 4}},
		"invents passes":  {say(1, Pass, Pass, Pass, Pass), Duties{4, 4, 2, 1, 0}},
		"invents a fault": {say(1, Unreachable, BadData), Duties{4, 2, 2, 1, 0}},
		"is not believed": {append(say(1, BadData, BadData, BadData, BadData), append(
			say(2, Pass, Pass, Pass, Pass), say(3, Pass, Pass, Pass, Pass)...)...),
			Duties{Due: 4, Canaries: 1, Lies: 1}},
		"the canary sang": {append(say(1, Pass), say(2, Pass)...), Duties{Due: 4, Done: 1}},
	} {
		if got := r.Duties(e, c.said, canaries)[Address{19: 1}]; got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
