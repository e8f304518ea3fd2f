package marketplace

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// after is a record after tries: an epoch's reports with so many tries of each sort.
func (r Rules) tried(rec Record, away, there int) Record {
	tries := append(slices.Repeat([]Outcome{Unreachable}, away), slices.Repeat([]Outcome{Pass}, there)...)
	for _, try := range tries {
		rec = r.Record(rec, 1, []Report{{Outcome: try, Tries: []Outcome{try}}})
	}
	return rec
}

func TestAnEpochAwayForecastsADropAndAHiccupDoesNot(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	fresh := r.NewRecord(time.Time{})
	for name, c := range map[string]struct {
		rec  Record
		want bool
	}{
		"never failed":                     {fresh, false},
		"one try failed":                   {r.tried(fresh, 1, 2), false},
		"two auditors failed, one passed":  {r.tried(fresh, 6, 1), false},
		"away for an epoch":                {r.tried(fresh, 9, 0), true},
		"away for an epoch, long ago":      {r.tried(r.tried(fresh, 9, 0), 0, 30), false},
		"every other try fails, all along": {r.tried(r.tried(fresh, 30, 0), 3, 30), false},
	} {
		if got := r.Drops(c.rec); got != c.want {
			t.Errorf("%s: %d bps", name, r.Drop(c.rec))
		}
	}
}

// With a steady score the forecast is the plain formula.
func TestTheForecastIsTheFormula(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		good := rapid.Int64Range(0, oneAudit).Draw(t, "good")
		s := Score{Good: good, Bad: oneAudit - good}
		miss := math.Pow(1-float64(s.Bps())/bps, float64(r.Attempts))
		want := bps * (math.Pow(miss, 3) + 3*miss*miss*(1-miss)) // 0 or 1 of 3
		if got := r.Drop(Record{Recent: s, Uptime: s}); math.Abs(float64(got)-want) > 10 {
			t.Fatalf("score %d: %d, want %.0f", s.Bps(), got, want)
		}
	})
}

func TestTheForecastIsAChanceThatGrowsWithFailures(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		rec := r.tried(r.NewRecord(time.Time{}), rapid.IntRange(0, 30).Draw(t, "away"),
			rapid.IntRange(0, 30).Draw(t, "there"))
		now := r.Drop(rec)
		worse := rec
		worse.Recent = rec.Recent.after(r.RecentMemoryBps, 1, 0)
		better := rec
		better.Recent = rec.Recent.after(r.RecentMemoryBps, 0, 1)
		if now < 0 || now > bps || r.Drop(worse) < now || r.Drop(better) > now {
			t.Fatalf("%d, after a failure %d, after a success %d", now, r.Drop(worse), r.Drop(better))
		}
	})
}
