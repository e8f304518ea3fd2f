package marketplace

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestOneGiBDayCostsThePrice(t *testing.T) {
	t.Parallel()
	if got := KeepPay(BTT(700), 1<<30, 86400); got != BTT(700) {
		t.Fatalf("one GiB-day at 700 pays %s", got)
	}
}

func TestPosterNeverPaysMoreThanReserved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := DevnetRules()
		r.FeeBps = rapid.IntRange(0, 1000).Draw(t, "fee")
		r.HoldbackBps = rapid.IntRange(0, 10000).Draw(t, "holdback")
		terms := BountyTerms{
			Replicas: rapid.IntRange(1, 5).Draw(t, "replicas"),
			PriceMax: Tick.MulDiv(rapid.Uint64Range(1, 1e12).Draw(t, "ticks"), 1),
			KeepFor:  Span(rapid.Int64Range(10, 1e6).Draw(t, "seconds") * int64(time.Second)),
		}
		size := rapid.Int64Range(1, ReplicaBytesMax).Draw(t, "size")
		spent := Amount{}
		for range terms.Replicas {
			spent = spent.Add(drawLease(t, r, terms, size))
		}
		if worst := r.WorstCase(terms, size); spent.Cmp(worst) > 0 {
			t.Fatalf("spent %s of %s reserved", spent, worst)
		}
	})
}

// drawLease books a lease's seconds in random portions and returns all that it cost.
func drawLease(t *rapid.T, r Rules, terms BountyTerms, size int64) (spent Amount) {
	left, verified, booked := int64(time.Duration(terms.KeepFor)/time.Second), int64(0), Amount{}
	var held, fees Amount
	for left > 0 {
		n := rapid.Int64Range((left+9)/10, left).Draw(t, "portion")
		left, verified = left-n, verified+n
		earned := KeepPay(terms.PriceMax, r.Billed(size), verified)
		split := r.Split(booked, earned)
		if split.Payable.Add(split.Holdback) != earned.Sub(booked) {
			t.Fatalf("split %+v does not add up to %s", split, earned.Sub(booked))
		}
		spent, held, fees = spent.Add(split.Total()), held.Add(split.Holdback), fees.Add(split.Fee)
		booked = earned
	}
	if held != booked.MulDiv(uint64(r.HoldbackBps), bps) || fees != r.Fee(booked) {
		t.Fatalf("portions drifted: held %s, fees %s of %s", held, fees, booked)
	}
	return spent
}

func TestOnlyTimeBetweenTwoPassedAuditsIsPaid(t *testing.T) {
	t.Parallel()
	r := DevnetRules() // epochs of 5 s
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	for name, c := range map[string]struct {
		epoch  int64
		before bool
		active time.Time
		ends   time.Time
		want   int64
	}{
		"a whole epoch":              {10, true, at(40), at(1000), 5},
		"after a missed one":         {10, false, at(40), at(1000), 0},
		"the first pass":             {10, true, time.Time{}, at(1000), 0},
		"active from its middle":     {10, true, at(52), at(1000), 3},
		"the lease ends inside":      {10, true, at(40), at(51), 1},
		"the lease ended before":     {10, true, at(40), at(50), 0},
		"active only after its end":  {10, true, at(55), at(1000), 0},
		"parts of seconds are floor": {10, true, at(52).Add(1), at(1000), 2},
	} {
		if got := r.PaidSeconds(c.epoch, c.before, c.active, c.ends); got != c.want {
			t.Errorf("%s: %d s paid, want %d", name, got, c.want)
		}
	}
}

func TestADataFaultOutweighsEveryMajority(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	report := func(o Outcome, tries ...Outcome) Report { return Report{Outcome: o, Tries: tries} }
	pass := report(Pass, Pass)
	for name, c := range map[string]struct {
		reports []Report
		want    Verdict
	}{
		"two of three":               {[]Report{pass, pass, report(Unreachable, Unreachable)}, VerdictPass},
		"one of three":               {[]Report{pass, report(Timeout), report(Timeout)}, VerdictFail},
		"bad once though all pass":   {[]Report{pass, pass, report(Pass, BadData, Pass)}, VerdictDataFault},
		"bad thrice though two pass": {[]Report{pass, pass, report(BadData, BadData, BadData)}, VerdictDataFault},
		"refused at every try":       {[]Report{pass, pass, report(Withheld, Withheld, Withheld, Withheld)}, VerdictDataFault},
		"refused, then it came":      {[]Report{pass, report(Pass, Withheld, Withheld, Pass), pass}, VerdictPass},
		"refused, then away":         {[]Report{pass, report(Withheld, Withheld, Withheld, Unreachable), pass}, VerdictPass},
		"slow at every try":          {[]Report{pass, report(Timeout, Timeout, Timeout, Timeout), pass}, VerdictPass},
		"auditors asleep":            {nil, VerdictUnaudited},
		"auditors broken":            {[]Report{report(AuditorFault), report(AuditorFault)}, VerdictUnaudited},
		"only one auditor looked":    {[]Report{pass}, VerdictFail},
		"one broken, two pass":       {[]Report{report(AuditorFault), pass, pass}, VerdictPass},
		"silent to everyone, graver": {[]Report{report(Timeout, Unreachable, Timeout)}, VerdictFail},
	} {
		if got, _ := r.Judge(c.reports); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestEveryBrokenTermIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	err := BountyTerms{Instrument: "mining", PriceMax: Units(1), KeepFor: 1, GoodFor: -1,
		Regions: []string{"mars"}}.Check(DefaultRules())
	var fields []string
	for _, e := range Refusals(err) {
		fields = append(fields, e.Field)
	}
	want := "[instrument infohash replicas price_max keep_for mandate good_for regions]"
	if got := fmt.Sprint(fields); got != want || !errors.Is(err, Invalid) {
		t.Fatalf("refused %s, want %s", got, want)
	}
}

func TestNothingFollowsAFinalState(t *testing.T) {
	t.Parallel()
	for _, s := range []LeaseState{LeaseDone, Released, Failed} {
		if s.Live() {
			t.Errorf("%s is live", s)
		}
	}
	for _, s := range []BountyState{Completed, Cancelled, Expired} {
		if len(BountyMoves[s]) > 0 {
			t.Errorf("something follows %s", s)
		}
	}
	if BountyMoves.Allow(Open, Degraded) || !BountyMoves.Allow(Filled, Degraded) {
		t.Error("only a filled bounty degrades")
	}
}

func TestTheFeeIsDividedToTheLastUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := DefaultRules()
		r.AuditShareBps = rapid.IntRange(0, 10_000).Draw(t, "bps")
		fee, n := Units(rapid.Uint64().Draw(t, "fee")), rapid.IntRange(0, 5).Draw(t, "auditors")
		each, rest := r.ShareFee(fee, n)
		sum, audits := rest, Amount{}
		for range n {
			sum, audits = sum.Add(each), audits.Add(each)
		}
		if sum != fee {
			t.Fatalf("%s units become %s", fee.Units(), sum.Units())
		}
		most := fee.MulDiv(uint64(r.AuditShareBps), 10_000)
		if audits.Cmp(most) > 0 || n > 0 && most.Sub(audits).Cmp(Units(uint64(n))) >= 0 {
			t.Fatalf("auditors get %s of %s units", audits.Units(), most.Units())
		}
	})
}

func TestAuditorsArePaidForPassesThatWereHeard(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	say := func(auditor byte, o Outcome, tries ...Outcome) Report {
		rep := tried(o, tries...)
		rep.Auditor = Address{auditor}
		return rep
	}
	seat := func(auditor, payee byte) Seat {
		return Seat{Auditor: Address{auditor}, Payee: Address{payee}}
	}
	panel := []Seat{seat(4, 14), seat(1, 11), seat(3, 13), seat(2, 12)}
	got := r.PaidAuditors([]Report{say(4, Pass), say(3, Timeout), say(1, Pass), say(2, AuditorFault),
		say(9, Pass)}, panel)
	want := []PaidAuditor{{Address{1}, Address{11}}, {Address{4}, Address{14}}}
	if !slices.Equal(got, want) {
		t.Errorf("paid are %v, want %v", got, want)
	}
}
