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
