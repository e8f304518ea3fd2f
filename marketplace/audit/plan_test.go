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
