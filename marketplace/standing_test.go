package marketplace

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func tried(o Outcome, tries ...Outcome) Report {
	return Report{Outcome: o, Tries: append(tries, o)}
}

// career counts one report an epoch and returns the epoch that disqualified, or -1.
func career(r Rules, epochs int64, next func() Report) int64 {
	rec, s := r.NewRecord(r.EpochStart(0)), New
	for k := range epochs {
		rec = r.Record(rec, k, []Report{next()})
		if s = r.Standing(s, rec, k); s == Disqualified {
			return k
		}
	}
	return -1
}

func faulty(seed uint64, oneIn int) func() Report {
	chance := rand.New(rand.NewPCG(seed, 1))
	return func() Report {
		if chance.IntN(oneIn) == 0 {
			return tried(BadData)
		}
		return tried(Pass)
	}
}

func TestTwoPercentFailuresNeverDisqualify(t *testing.T) {
	t.Parallel()
	for run := range uint64(100) {
		if k := career(DefaultRules(), 10_000, faulty(run, 50)); k >= 0 {
			t.Fatalf("run %d: disqualified at audit %d", run, k)
		}
	}
}

func TestTenPercentFailuresDisqualifyAfterTwoHundredAudits(t *testing.T) {
	t.Parallel()
	var after []int64
	const runs = 2000
	for run := range uint64(runs) {
		if k := career(DefaultRules(), 1000, faulty(run, 10)); k >= 0 {
			after = append(after, k)
		}
	}
	slices.Sort(after)
	median := after[len(after)/2]
	t.Logf("%d of %d runs disqualified within 1000 audits, half of them within %d", len(after), runs,
		median)
	if len(after) < runs*998/1000 || median < 180 || median > 230 {
		t.Errorf("want 99.8 %% of runs, half of them after about 200 audits")
	}
}

func TestScoresAreReckonedToTheLastDigit(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rec := r.NewRecord(time.Time{})
	if rec.Reputation != (Score{Good: 100_000_000_000}) || rec.Uptime.Bps() != bps {
		t.Fatalf("a new agent has %+v", rec)
	}
	rec = r.Record(rec, 1, []Report{tried(Pass), tried(BadData), tried(Pass, Unreachable)})
	// 100·0.99³ + 0.99 + 1 and 0.99²; 20·0.95⁴ + 0.95²… with the try that failed first.
	if want := (Score{Good: 99_019_900_000, Bad: 980_100_000}); rec.Reputation != want {
		t.Errorf("reputation %+v, want %+v", rec.Reputation, want)
	}
	if want := (Score{Good: 19_142_625_000, Bad: 857_375_000}); rec.Uptime != want {
		t.Errorf("uptime %+v, want %+v", rec.Uptime, want)
	}
}

func drawReports(t *rapid.T, outcomes ...Outcome) (all []Report) {
	for range rapid.IntRange(0, 3).Draw(t, "auditors") {
		tries := rapid.SliceOfN(rapid.SampledFrom(outcomes), 1, 3).Draw(t, "tries")
		all = append(all, Report{Outcome: Settle(tries), Tries: tries})
	}
	return all
}

func TestBeingAwayNeverCostsReputation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := DefaultRules()
		rec, s := r.NewRecord(time.Time{}), New
		for k := range int64(60) {
			reports := drawReports(t, Pass, Timeout, Unreachable, AuditorFault)
			rec = r.Record(rec, k, reports)
			s = r.Standing(s, rec, k)
			if v, _ := r.Judge(reports); v == VerdictDataFault {
				t.Fatalf("%v is a data fault", reports)
			}
		}
		if rec.Reputation.Bps() < bps-1 || rec.Faults > 0 || s == Disqualified {
			t.Fatalf("%s with %+v", s, rec)
		}
	})
}

func TestNothingCostsWithoutAWarningAnEpochBefore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := DefaultRules()
		rec, s := r.NewRecord(time.Time{}), New
		var told []Warning
		for k := range int64(40) {
			for range rapid.IntRange(1, 5).Draw(t, "leases") {
				rec = r.Record(rec, k, drawReports(t, Pass, BadData, Withheld, Timeout, Unreachable))
				was := s
				if s = r.Standing(s, rec, k); s != was && (s == Suspended || s == Disqualified) {
					warnedOf(t, s, told)
				}
			}
			told = r.Outlook(s, rec).Warnings
		}
	})
}

func warnedOf(t *rapid.T, s Standing, told []Warning) {
	want := map[Standing][]WarningKind{Suspended: {WarnUptime, OutOfUptime}, Disqualified: {WarnData}}
	if !slices.ContainsFunc(told, func(w Warning) bool { return slices.Contains(want[s], w.Kind) }) {
		t.Fatalf("%s, warned only of %+v", s, told)
	}
}

func TestTheOutlookKeepsItsWord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := DefaultRules()
		rec, s := r.NewRecord(time.Time{}), New
		k := int64(0)
		for range rapid.IntRange(0, 30).Draw(t, "epochs") {
			rec = r.Record(rec, k, drawReports(t, Pass, Pass, BadData, Timeout, Unreachable))
			s, k = r.Standing(s, rec, k), k+1
		}
		o := r.Outlook(s, rec)
		if s == Suspended {
			return
		}
		for range o.Uptime.Failures { // and one more epoch in which the grace ends
			rec, k = r.Record(rec, k, []Report{tried(Unreachable)}), k+1
		}
		if got := rec.Uptime.Bps(); got >= r.UptimeMinBps {
			t.Fatalf("after %d failures uptime is %d", o.Uptime.Failures, got)
		}
		if s != Disqualified && r.Standing(s, rec, k) != Suspended {
			t.Fatalf("not suspended at %+v", rec)
		}
	})
}

func TestASuspensionEndsAndADisqualificationDoesNot(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rec, s := r.NewRecord(r.EpochStart(0)), New
	for k := range int64(3) { // 18 h away
		rec = r.Record(rec, k, []Report{tried(Unreachable, Unreachable, Unreachable)})
		rec = r.Record(rec, k, []Report{tried(Unreachable, Unreachable, Unreachable)})
		s = r.Standing(s, rec, k)
	}
	if s != Suspended || !strings.Contains(r.Outlook(s, rec).Next, "end the suspension") {
		t.Fatalf("%s after 18 h away: %+v", s, r.Outlook(s, rec))
	}
	for k := range int64(100) {
		rec = r.Record(rec, 3+k, []Report{tried(Pass)})
		s = r.Standing(s, rec, 3+k)
	}
	if s != Vetted || len(r.Outlook(s, rec).Warnings) > 0 {
		t.Errorf("%s after 100 passes: %+v", s, rec)
	}
	if got := r.Standing(Disqualified, rec, 200); got != Disqualified {
		t.Errorf("disqualified and now %s", got)
	}
}

func TestVettingNeedsAuditsAndAge(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rec := r.NewRecord(r.EpochStart(0))
	for k := range int64(27) {
		rec = r.Record(rec, k, []Report{tried(Pass), tried(Pass), tried(Pass), tried(Pass)})
		want := New
		if 4*(k+1) >= 100 && (k+1)*6 >= 7*24 {
			want = Vetted
		}
		if got := r.Standing(New, rec, k); got != want {
			t.Errorf("%s after %d audits and %d h, want %s", got, rec.Passed, 6*(k+1), want)
		}
	}
	rec = r.Record(rec, 28, nil)
	if got := r.Standing(New, rec, 28); got != Vetted {
		t.Errorf("%s after 7 days", got)
	}
}

func TestASuspendedAgentWithoutLeasesComesBack(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rec, s := r.NewRecord(r.EpochStart(0)), New
	for k := range int64(3) {
		for range 5 {
			rec = r.Record(rec, k, []Report{tried(Unreachable, Unreachable, Unreachable)})
		}
		s = r.Standing(s, rec, k)
	}
	idle := 0
	for k := int64(3); s == Suspended && idle < 1000; k++ {
		rec, idle = r.Idle(rec, k), idle+1
		s = r.Standing(s, rec, k)
	}
	if s != New || idle < 12 || idle > 28 {
		t.Errorf("%s after %d epochs without a lease", s, idle)
	}
}
