package marketplace

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSeedIsFixedForAllTime(t *testing.T) {
	t.Parallel()
	// echo -n audit | cat - <(printf '\0\0\0\0\0\0\0\7') <(32 × 01) <(32 × 02) | sha256sum
	const want = "2a8631de52f483fe3875b399488127daa33edaad5f80deb5a26b5e853a831173"
	e := AuditEpoch{Epoch: 7}
	for i := range e.Secret {
		e.Secret[i], e.Hash[i] = 1, 2
	}
	if got := e.Seed(); got.String() != want {
		t.Fatalf("seed is %s", got)
	}
}

// anEpoch has seats of which the first so many sign, and leases 1 to n.
func anEpoch(signers int, capacities []int, leases int) (e AuditEpoch) {
	e.Secret = Hash{9}
	for i, c := range capacities {
		e.Auditors = append(e.Auditors, Seat{Auditor: Address{19: byte(i + 1)}, Capacity: c,
			Signs: i < signers})
	}
	for i := range leases {
		e.Leases = append(e.Leases, Lease{ID: int64(i + 1)})
	}
	return e
}

// drawEpoch draws an epoch that rapid makes.
func drawEpoch(t *rapid.T) (e AuditEpoch, signers int) {
	capacities := rapid.SliceOfN(rapid.IntRange(0, 14), 1, 9).Draw(t, "capacities")
	signers = rapid.IntRange(0, len(capacities)).Draw(t, "signers")
	e = anEpoch(signers, capacities, rapid.IntRange(0, 12).Draw(t, "leases"))
	e.Epoch = rapid.Int64Range(0, 99).Draw(t, "epoch")
	return e, signers
}

func seat(e AuditEpoch, who Address) Seat {
	return e.Auditors[slices.IndexFunc(e.Auditors, func(s Seat) bool { return s.Auditor == who })]
}

func TestNobodyIsDrawnAboveItsCapacityOrTwiceForALease(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		e, signers := drawEpoch(t)
		visits := map[Address]int{}
		for lease, who := range r.Draw(e) {
			outsiders := 0
			for i, a := range who {
				if visits[a]++; slices.Contains(who[:i], a) {
					t.Fatalf("lease %d has %s twice", lease, a)
				}
				if !seat(e, a).Signs {
					outsiders++
				}
			}
			if outsiders > 1 || len(who) > r.Auditors {
				t.Fatalf("lease %d has %d auditors, %d of whom do not sign", lease, len(who), outsiders)
			}
			if len(who) < min(r.AuditQuorum, signers) {
				t.Fatalf("lease %d has %d auditors, who cannot pass it", lease, len(who))
			}
		}
		for _, s := range e.Auditors {
			if visits[s.Auditor] > s.Capacity {
				t.Fatalf("%d visits of %d", visits[s.Auditor], s.Capacity)
			}
		}
	})
}

// TestEveryLeaseGetsItsThreeWheneverThatCanBe holds the draw against what is possible: signers
// with m leases can make three different visits to each if and only if their capacities, each cut
// off at m, add up to 3m.
func TestEveryLeaseGetsItsThreeWheneverThatCanBe(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		e, _ := drawEpoch(t)
		for i := range e.Auditors {
			e.Auditors[i].Signs = true
		}
		n, sum := len(e.Leases), 0
		for _, s := range e.Auditors {
			sum += min(s.Capacity, n)
		}
		for k := r.Auditors; k >= r.AuditQuorum; k-- {
			if sum < k*n || len(e.Auditors) < k {
				continue
			}
			drawn := r.Draw(e)
			for _, l := range e.Leases {
				if len(drawn[l.ID]) != k {
					t.Fatalf("lease %d has %d of %d auditors", l.ID, len(drawn[l.ID]), k)
				}
			}
			return
		}
	})
}

func TestTheDrawFollowsFromThePublicEpochWhateverItsOrder(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		e, _ := drawEpoch(t)
		want := r.Draw(e)
		shuffled := e
		shuffled.Auditors = rapid.Permutation(e.Auditors).Draw(t, "auditors")
		shuffled.Leases = rapid.Permutation(e.Leases).Draw(t, "lease order")
		for lease, who := range r.Draw(shuffled) {
			if !slices.Equal(who, want[lease]) {
				t.Fatalf("lease %d: %v and %v", lease, who, want[lease])
			}
		}
	})
}

func TestAddingLeasesMovesNobodyWhoseCapacitySuffices(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	few, many := anEpoch(5, []int{40, 40, 40, 40, 40, 40, 40}, 10), anEpoch(5, []int{40, 40, 40, 40,
		40, 40, 40}, 30)
	before, after := r.Draw(few), r.Draw(many)
	for _, l := range few.Leases {
		// All but the outsider: two others share the leases there, whose 80 visits suffice as well.
		if !slices.Equal(before[l.ID], after[l.ID]) {
			t.Errorf("lease %d: %v became %v", l.ID, before[l.ID], after[l.ID])
		}
	}
}

func TestCapacityBuysNoSay(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	e := anEpoch(7, []int{CapacityMax, 2000, 2000, 2000, 2000, 2000, 2000}, 2000)
	visits := map[Address]int{}
	for _, who := range r.Draw(e) {
		for _, a := range who {
			visits[a]++
		}
	}
	for who, n := range visits {
		if share := float64(n) / 6000; share < 0.12 || share > 0.165 {
			t.Errorf("%s has %.3f of the visits; 1/7 is fair", who, share)
		}
	}
}

func TestWhereCapacityIsShortLeasesGetAQuorumOrNobody(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	for name, c := range map[string]struct {
		signers, leases int
		capacities      []int
		want            map[int]int // auditors: leases
	}{
		"two each":            {3, 10, []int{7, 7, 7}, map[int]int{2: 10}},
		"some none":           {3, 10, []int{4, 4, 4}, map[int]int{2: 6}},
		"one that looks":      {1, 4, []int{9}, map[int]int{1: 4}},
		"outsiders fill":      {2, 4, []int{9, 9, 2}, map[int]int{3: 2, 2: 2}},
		"an outsider on each": {3, 4, []int{9, 9, 9, 9, 9}, map[int]int{3: 4}},
		"nobody who signs":    {0, 4, []int{9, 9, 9}, nil},
	} {
		got := map[int]int{}
		for _, who := range r.Draw(anEpoch(c.signers, c.capacities, c.leases)) {
			got[len(who)]++
		}
		for n := range 4 {
			if got[n] != c.want[n] {
				t.Errorf("%s: %v, want %v", name, got, c.want)
				break
			}
		}
	}
}

func TestLotSaysWhoGoesWithoutAnAuditor(t *testing.T) {
	t.Parallel()
	r, without := DefaultRules(), map[int64]int{}
	for epoch := range int64(200) {
		e := anEpoch(3, []int{4, 4, 4}, 10)
		e.Epoch = epoch
		drawn := r.Draw(e)
		for _, l := range e.Leases {
			if len(drawn[l.ID]) == 0 {
				without[l.ID]++
			}
		}
	}
	for lease, n := range without {
		if len(without) != 10 || n < 50 || n > 110 { // 80 is fair
			t.Errorf("lease %d goes without in %d of 200 epochs", lease, n)
		}
	}
}
