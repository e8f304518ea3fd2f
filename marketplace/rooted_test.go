package marketplace

import (
	"maps"
	"testing"
)

func TestARootIsBelievedOfWhoHasShownItAndOfLaterLeasesWithTheSameUnlessOneHasAnother(t *testing.T) {
	t.Parallel()
	one, two := Infohash{1}, Infohash{2}
	e := AuditEpoch{Leases: []Lease{
		{ID: 1, Infohash: one, Root: Hash{1}, Clean: 12, CleanMin: 12},
		{ID: 2, Infohash: one, Root: Hash{1}, CleanMin: 12},
		{ID: 3, Infohash: two, Root: Hash{1}, Clean: 11, CleanMin: 12}, // together they have shown enough
		{ID: 4, Infohash: two, Root: Hash{1}, Clean: 11, CleanMin: 12},
		{ID: 5, Infohash: Infohash{3}}, // its .torrent tells roots
	}}
	want := map[int64]bool{1: true, 2: true, 3: false, 4: false, 5: true}
	if got := e.Believed(); !maps.Equal(got, want) {
		t.Errorf("believed: %v", got)
	}
	e.Leases = append(e.Leases, Lease{ID: 6, Infohash: one, Root: Hash{2}, CleanMin: 12})
	want[2], want[6] = false, false
	if got := e.Believed(); !maps.Equal(got, want) {
		t.Errorf("with a root in dispute: %v", got)
	}
}

func TestAuditsInARowShowARoot(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	own := Lease{Root: Hash{1}, Clean: 6, CleanMin: 12}
	done, none := own, own
	done.Clean, none.Root = 12, Hash{}
	for name, c := range map[string]struct {
		lease, asked Lease
		believed     bool
		found        []Outcome
		want         int
	}{
		"all pass":                               {own, own, false, []Outcome{Pass, Pass, Pass}, 9},
		"no more than are needed":                {Lease{Clean: 11, CleanMin: 12}, Lease{}, false, []Outcome{Pass, Pass}, 12},
		"one is silent about what it made up":    {own, own, false, []Outcome{Pass, Timeout, Pass}, 0},
		"one withholds it":                       {own, own, false, []Outcome{Pass, Pass, Withheld}, 0},
		"one proves that it was made up":         {own, own, false, []Outcome{Pass, Pass, BadData}, 0},
		"one cannot reach it":                    {own, own, false, []Outcome{Pass, Unreachable, Pass}, 8},
		"one could not do its work":              {own, own, false, []Outcome{Pass, AuditorFault, Pass}, 8},
		"nobody came":                            {own, own, false, nil, 6},
		"it was shown already":                   {done, own, false, []Outcome{Timeout, Timeout, Timeout}, 12},
		"another lease has shown it":             {own, own, true, []Outcome{Pass, Timeout, Pass}, 12},
		"... and this one does not pass":         {own, own, true, []Outcome{Timeout, Timeout, Pass}, 6},
		"it committed after the epoch had begun": {own, none, true, []Outcome{Pass, Pass, Pass}, 6},
	} {
		var said []Report
		for i, o := range c.found {
			said = append(said, Report{Auditor: Address{byte(i)}, Outcome: o, Tries: []Outcome{o}})
		}
		is := r.Hear(c.lease, c.asked, 1, said, 3, r.EpochStart(2))
		if got := r.Shows(c.lease, c.asked, c.believed, is); got != c.want {
			t.Errorf("%s: %d audits in a row", name, got)
		}
	}
}

func TestSoManyAuditsAskForSeasonedPiecesOrForAllOfThem(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	for _, c := range []struct {
		length int64
		pieces int
		want   int
	}{{256 << 10, 4096, 12}, {2 << 20, 1000, 12}, {4 << 20, 1000, 24}, {16 << 20, 1000, 96}, {32 << 20, 1000, 96},
		{1 << 20, 9, 12}, {1 << 20, 8, 1}, {16 << 20, 1, 1}} {
		if got := r.CleanMin(c.length, c.pieces); got != c.want {
			t.Errorf("%d pieces of %d KiB: %d audits", c.pieces, c.length>>10, got)
		}
	}
	if got := DevnetRules().CleanMin(1<<20, 1000); got != 1 {
		t.Errorf("on a devnet: %d audits", got)
	}
}
