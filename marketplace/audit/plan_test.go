package audit

import (
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

func auditors(n int) []marketplace.Address {
	all := make([]marketplace.Address, n)
	for i := range all {
		all[i][19] = byte(i + 1)
	}
	return all
}

func anEpoch(epoch int64, leases, auditorsOf int) (e marketplace.AuditEpoch) {
	e = marketplace.AuditEpoch{Epoch: epoch, Secret: marketplace.Hash{9},
		Auditors: marketplace.SignersPanel(auditors(auditorsOf))}
	for id := range leases {
		e.Leases = append(e.Leases, marketplace.Lease{ID: int64(id)})
	}
	return e
}

func TestPlanPicksWhoAndWhen(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]marketplace.Rules{
		"market": marketplace.DefaultRules(), "devnet": marketplace.DevnetRules(),
	} {
		chosen, firsts := map[marketplace.Address]int{}, [4]int{}
		for _, visits := range Plan(r, anEpoch(100, 2000, 7)) {
			if len(visits) != r.Auditors {
				t.Fatalf("%s: %d auditors", name, len(visits))
			}
			for _, v := range visits {
				chosen[v.Auditor]++
				check(t, r, v)
				into := v.Tries[0].Sub(r.EpochStart(100))
				firsts[4*into/r.Epoch.Duration()]++
			}
		}
		for who, n := range chosen {
			if share := float64(n) / 6000; share < 0.11 || share > 0.18 {
				t.Errorf("%s: auditor %s has %.2f of the visits; 1/7 is fair", name, who, share)
			}
		}
		for quarter, n := range firsts {
			if name == "market" && n < 600 {
				t.Errorf("%s: only %d of 6000 first tries in quarter %d", name, n, quarter)
			}
		}
	}
}

func check(t *testing.T, r marketplace.Rules, v Visit) {
	t.Helper()
	if len(v.Tries) != r.Attempts {
		t.Fatalf("%d tries", len(v.Tries))
	}
	for i, at := range v.Tries {
		if at.Before(r.EpochStart(100)) || at.After(r.EpochStart(101)) {
			t.Fatalf("try at %s is outside the epoch", at)
		}
		if i > 0 && at.Sub(v.Tries[i-1]) < r.AttemptGap.Duration() {
			t.Fatalf("tries %s apart", at.Sub(v.Tries[i-1]))
		}
	}
}

func TestPlanWithFewAuditorsAndAShortEpoch(t *testing.T) {
	t.Parallel()
	r := marketplace.DevnetRules()
	if got := len(Plan(r, anEpoch(5, 2, 2))[1]); got != 2 {
		t.Errorf("%d of 2 auditors", got)
	}
	r.AttemptGap = marketplace.Span(3 * time.Second)
	if got := len(Plan(r, anEpoch(5, 2, 3))[1][0].Tries); got != 1 {
		t.Errorf("%d tries 3 s apart in an epoch of 5 s", got)
	}
}

// keepsOff fails if a try falls into a window that begins at a time, or is not as others are.
func keepsOff(t *testing.T, r marketplace.Rules, v Visit, begins time.Time) {
	t.Helper()
	for i, at := range v.Tries {
		if at.After(begins.Add(-r.Quiet.Duration()/2)) && at.Before(begins.Add(r.Quiet.Duration())) {
			t.Errorf("a try at %s falls into the window from %s on", at, begins)
		}
		if i > 0 && at.Sub(v.Tries[i-1]) < r.AttemptGap.Duration() {
			t.Errorf("tries %s apart", at.Sub(v.Tries[i-1]))
		}
	}
	if last := v.Tries[len(v.Tries)-1]; !last.Before(r.EpochStart(r.EpochAt(v.Tries[0]) + 1)) {
		t.Errorf("a try at %s, after the epoch", last)
	}
}

// TestAQuietWindowIsForAllReplicasOfATorrentAtOnce plans a year of two torrents with four leases each.
func TestAQuietWindowIsForAllReplicasOfATorrentAtOnce(t *testing.T) {
	t.Parallel()
	r := marketplace.DefaultRules()
	const days = 365
	windows, places, coincide := [2]int{}, [3]int{}, 0
	for k := range int64(4 * days) {
		e := anEpoch(k, 8, 7)
		for i := range e.Leases {
			e.Leases[i].Infohash[0] = byte(i % 2)
		}
		at, has := [2]time.Time{}, [2]int{}
		for id, visits := range Plan(r, e) {
			n := 0
			for i, v := range visits {
				if !v.InWindow() {
					continue
				}
				n++
				places[i]++
				if was := at[id%2]; !was.IsZero() && !was.Equal(v.Tries[0]) {
					t.Fatalf("one torrent has windows at %s and %s", was, v.Tries[0])
				}
				at[id%2] = v.Tries[0]
			}
			if has[id%2] += n; n > 1 {
				t.Fatalf("lease %d has %d auditors in a window", id, n)
			}
		}
		for id, visits := range Plan(r, e) {
			for _, v := range visits {
				if !at[id%2].IsZero() && !v.InWindow() {
					keepsOff(t, r, v, at[id%2])
				}
			}
		}
		for i := range at {
			if has[i] != 0 && has[i] != 4 {
				t.Fatalf("%d of 4 leases are visited in a window", has[i])
			}
			windows[i] += has[i] / 4
		}
		if at[0].Equal(at[1]) && !at[0].IsZero() {
			coincide++
		}
	}
	for i, n := range windows {
		if n < days*85/100 || n > days*115/100 {
			t.Errorf("torrent %d has %d windows in %d days", i, n, days)
		}
	}
	if coincide > 0 {
		t.Errorf("%d times both torrents have theirs at once", coincide)
	}
	for i, n := range places {
		if n < 4*2*days/3*85/100 {
			t.Errorf("the auditor at place %d has only %d windows", i, n)
		}
	}
}

func TestAVisitInAQuietWindowIsNotCarried(t *testing.T) {
	t.Parallel()
	r := marketplace.DefaultRules()
	r.CarriedBps = 10_000
	p := marketplace.Part{Lease: 1, Seed: marketplace.Hash{1}}
	if !IsCarried(r, p) {
		t.Error("where all are carried, one is not")
	}
	if p.Burst = (marketplace.Hash{2}); IsCarried(r, p) {
		t.Error("a ticket would give the line away")
	}
}
