package audit

import (
	"slices"
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

func TestSeedIsFixedForAllTime(t *testing.T) {
	t.Parallel()
	// echo -n audit | cat - <(printf '\0\0\0\0\0\0\0\7') <(32 × 01) <(32 × 02) | sha256sum
	const want = "2a8631de52f483fe3875b399488127daa33edaad5f80deb5a26b5e853a831173"
	got := Seed(7, marketplace.Hash(repeat(1)), marketplace.Hash(repeat(2)))
	if got.String() != want {
		t.Fatalf("seed is %s", got)
	}
}

func repeat(b byte) [32]byte { return [32]byte(slices.Repeat([]byte{b}, 32)) }

func TestPlanPicksWhoAndWhen(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]marketplace.Rules{
		"market": marketplace.DefaultRules(), "devnet": marketplace.DevnetRules(),
	} {
		all, chosen, firsts := auditors(7), map[marketplace.Address]int{}, [4]int{}
		for lease := range int64(2000) {
			visits := Plan(r, marketplace.Hash{9}, 100, lease, all)
			shuffled := slices.Clone(all)
			slices.Reverse(shuffled)
			again := Plan(r, marketplace.Hash{9}, 100, lease, shuffled)
			if len(visits) != r.Auditors {
				t.Fatalf("%s: %d auditors", name, len(visits))
			}
			for i, v := range visits {
				if again[i].Auditor != v.Auditor || !slices.Equal(again[i].Tries, v.Tries) {
					t.Fatalf("%s: the order of auditors changes the plan", name)
				}
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
	if got := len(Plan(r, marketplace.Hash{1}, 5, 1, auditors(2))); got != 2 {
		t.Errorf("%d of 2 auditors", got)
	}
	r.AttemptGap = marketplace.Span(3 * time.Second)
	if got := len(Plan(r, marketplace.Hash{1}, 5, 1, auditors(3))[0].Tries); got != 1 {
		t.Errorf("%d tries 3 s apart in an epoch of 5 s", got)
	}
}
