package marketplace

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// says is an epoch's reports on a lease by auditors 1, 2, …
func says(outcomes ...Outcome) (all []Report) {
	for i, o := range outcomes {
		rep := tried(o)
		rep.Lease, rep.Auditor = 1, Address{byte(i + 1)}
		all = append(all, rep)
	}
	return all
}

func TestOneVoiceGetsAHearingAndTwoEndTheLease(t *testing.T) {
	t.Parallel()
	r, now := DefaultRules(), time.Unix(1_000_000, 0)
	waits := &Accusation{Epoch: 5, Auditor: Address{1}, Pieces: []int{7}}
	refuted := &Accusation{Epoch: 5, Auditor: Address{1}, Refuted: 7}
	for name, c := range map[string]struct {
		accused  *Accusation // that stands against the lease
		asked    *Accusation // ... and stood when the epoch opened
		over     bool        // its grace is over
		auditors int
		said     []Report
		want     Verdict
		waits    bool // afterwards
		faults   int  // in the agent's record
	}{
		"one alone":            {nil, nil, false, 7, says(BadData, Pass, Pass), VerdictAccused, true, 0},
		"one, the others away": {nil, nil, false, 7, says(BadData, Timeout, Timeout), VerdictAccused, true, 0},
		"two":                  {nil, nil, false, 7, says(BadData, BadData, Pass), VerdictDataFault, false, 2},
		"too few to hear it":   {nil, nil, false, 2, says(BadData, Pass), VerdictDataFault, false, 1},
		"heard, confirmed":     {waits, waits, false, 7, says(AuditorFault, BadData, Pass), VerdictDataFault, true, 2},
		"heard, refuted":       {waits, waits, false, 7, says(AuditorFault, Pass, Pass), VerdictPass, false, 0},
		"not asked yet":        {waits, nil, false, 7, says(AuditorFault, Pass, Pass), VerdictPass, true, 0},
		"not asked yet, but a second voice": {waits, nil, false, 7, says(Pass, Pass, BadData),
			VerdictDataFault, true, 2},
		"the accuser again":          {waits, nil, false, 7, says(BadData, Pass, Pass), VerdictPass, true, 0},
		"away from its hearing":      {waits, waits, true, 7, says(AuditorFault, Timeout, Timeout), VerdictDataFault, true, 1},
		"away, within its grace":     {waits, waits, false, 7, says(AuditorFault, Timeout, Timeout), VerdictFail, true, 0},
		"nobody came to the hearing": {waits, waits, true, 7, nil, VerdictUnaudited, true, 0},
		"refuted, the accuser again": {refuted, refuted, false, 7, says(BadData, Pass, Pass), VerdictPass, false, 0},
		"refuted, another one":       {refuted, refuted, false, 7, says(Pass, BadData, Pass), VerdictDataFault, false, 1},
	} {
		l := Lease{ID: 1, State: Grace, Deadline: now.Add(time.Second), Accused: c.accused}
		if c.over {
			l.Deadline = now
		}
		got := r.Hear(l, Lease{ID: 1, Accused: c.asked}, 8, c.said, c.auditors, now)
		rec := r.Record(r.NewRecord(now), 8, got.Said)
		if got.Verdict != c.want || got.Accused.Waits() != c.waits || rec.Faults != c.faults {
			t.Errorf("%s: %s, %+v, %d faults", name, got.Verdict, got.Accused, rec.Faults)
		}
	}
}

func TestAnAccusedLeaseEarnsNothingUntilItsHearing(t *testing.T) {
	t.Parallel()
	r, now := DefaultRules(), time.Unix(1_000_000, 0)
	l := Lease{ID: 1, State: Active}
	live := func(epoch int64, asked Lease, said []Report) {
		ruling := r.Hear(l, asked, epoch, said, 7, now)
		l.Accused = ruling.Accused
		l = r.Follow(l, ruling.Verdict, now)
	}
	live(1, l, says(BadData, Pass, Pass))
	if l.State != Grace || l.Cause != CauseAccused || l.Accused.Epoch != 1 {
		t.Fatalf("after an accusation: %+v", l)
	}
	if l.Asks(Address{1}) || !l.Asks(Address{2}) {
		t.Error("its hearing asks the accuser, or no other")
	}
	live(2, Lease{ID: 1}, says(Pass, Pass, Pass)) // opened before the accusation was known
	if l.State != Grace {
		t.Fatalf("a pass without the hearing: %+v", l)
	}
	live(3, l, says(AuditorFault, Pass, Pass))
	if l.State != Active || l.Cause != "" || l.Accused.Refuted != 3 {
		t.Fatalf("after its hearing: %+v", l)
	}
	if !l.Asks(Address{1}) {
		t.Error("after its hearing the accuser is not asked")
	}
}

// One liar cannot end a lease, whatever it says and when, where the others find nothing.
func TestOneLiarEndsNoLease(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		l, asked := Lease{ID: 1, State: Active}, Lease{ID: 1}
		unpaid := 0
		for k := range int64(20) {
			now := r.EpochStart(k + 1)
			frozen := l
			said := says(rapid.SampledFrom([]Outcome{BadData, Pass, Timeout, Withheld}).Draw(t, "lie"),
				Pass, Pass)
			ruling := r.Hear(l, asked, k, said, 3, now)
			l.Accused = ruling.Accused
			if l = r.Follow(l, ruling.Verdict, now); l.State == Failed {
				t.Fatalf("epoch %d: %+v", k, l)
			}
			if l.State != Active {
				unpaid++
			}
			asked = frozen
		}
		if unpaid > 2 {
			t.Fatalf("%d epochs without pay", unpaid)
		}
	})
}

func TestAReportNamesTheFewPiecesThatWereWrong(t *testing.T) {
	t.Parallel()
	var rep Report
	for _, piece := range []int{3, 1, 3, 4, 5, 9, 2} {
		rep.Answers = append(rep.Answers, Answer{Piece: piece, Outcome: BadData})
	}
	rep.Answers[1].Outcome = Pass
	if got := rep.Wrong(); !slices.Equal(got, []int{3, 4, 5, 9}) {
		t.Errorf("%v", got)
	}
}

func TestRefutedAccusationsCostAnAuditorItsReputationInTheEnd(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rec, s, epochs := r.NewRecord(r.EpochStart(0)), New, 0
	for ; s != Disqualified && epochs < 100; epochs++ {
		rec = r.Watch(rec, int64(epochs), Duties{Due: 5, Done: 5, Refuted: 1})
		s = r.Standing(s, rec, int64(epochs))
	}
	if epochs < 5 || epochs > 15 {
		t.Errorf("%s after %d refuted accusations", s, epochs)
	}
}
