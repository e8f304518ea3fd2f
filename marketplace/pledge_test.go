package marketplace

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawFunders is some people who pledged much, little, the same or next to nothing.
func drawFunders(t *rapid.T) Funders {
	unit := Units(rapid.SampledFrom([]uint64{1, 7, 1e9, 1e18}).Draw(t, "unit"))
	var f Funders
	for i := range rapid.IntRange(1, DefaultRules().FundersMax).Draw(t, "funders") {
		n := rapid.OneOf(rapid.Uint64Range(1, 3), rapid.Uint64Range(1, 1e6)).Draw(t, "pledge")
		f = append(f, Funder{Poster: Address{byte(i + 1)}, Pledged: unit.MulDiv(n, 1)})
	}
	return f
}

// drawCuts is a line cut into pieces: their ends in ascending order, the last at the end.
func drawCuts(t *rapid.T, total Amount) (cuts []Amount) {
	parts := rapid.SliceOfN(rapid.Uint64Range(0, 1e9), 1, 40).Draw(t, "cuts")
	slices.Sort(parts)
	for _, p := range parts {
		cuts = append(cuts, total.MulDiv(p, 1e9))
	}
	return append(cuts, total)
}

func TestPiecesAddUpAndNobodyGivesMoreThanItPledged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFunders(t)
		gave, at := make([]Amount, len(f)), Amount{}
		for _, cut := range drawCuts(t, f.Total()) {
			var sum Amount
			for i, part := range f.Piece(at, cut.Sub(at)) { // Sub panics on a part below zero
				sum, gave[i] = sum.Add(part), gave[i].Add(part)
				if gave[i].Cmp(f[i].Pledged) > 0 {
					t.Fatalf("%d of %d gave %s of %s", i, len(f), gave[i].Units(), f[i].Pledged.Units())
				}
			}
			if sum != cut.Sub(at) {
				t.Fatalf("the parts of %s are %s", cut.Sub(at).Units(), sum.Units())
			}
			at = cut
		}
		for i := range f {
			if gave[i] != f[i].Pledged {
				t.Fatalf("at the end %d gave %s of %s", i, gave[i].Units(), f[i].Pledged.Units())
			}
		}
	})
}

// TestSharesStayProRata after however many bookings: what a funder gave is within 2 units of its
// exact quota.
func TestSharesStayProRata(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFunders(t)
		total := toBig(f.Total())
		for _, at := range drawCuts(t, f.Total()) {
			for i, share := range f.Piece(Amount{}, at) {
				// |share·total − at·pledged| ≤ 2·total
				exact := new(big.Int).Mul(toBig(at), toBig(f[i].Pledged))
				off := new(big.Int).Mul(toBig(share), total)
				off.Sub(off, exact).Abs(off)
				if off.Cmp(new(big.Int).Lsh(total, 1)) > 0 {
					t.Fatalf("funder %d of %d gave %s of %s", i, len(f), share.Units(), at.Units())
				}
			}
		}
	})
}

func toBig(a Amount) *big.Int { return a.u.ToBig() }

func TestSharesDoNotDependOnTheOrderOfFunders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFunders(t)
		from := f.Total().MulDiv(rapid.Uint64Range(0, 1000).Draw(t, "from"), 2000)
		amount := f.Total().MulDiv(rapid.Uint64Range(0, 1000).Draw(t, "amount"), 2000)
		gives := map[Address]Amount{}
		for i, part := range f.Piece(from, amount) {
			gives[f[i].Poster] = part
		}
		shuffled := Funders(rapid.Permutation(f).Draw(t, "order"))
		for i, part := range shuffled.Piece(from, amount) {
			if part != gives[shuffled[i].Poster] {
				t.Fatalf("%s gives %s in one order and %s in another", shuffled[i].Poster, part.Units(),
					gives[shuffled[i].Poster].Units())
			}
		}
	})
}

// TestTwoFundersShareByLargestRemainder checks the case of two against the method's definition.
func TestTwoFundersShareByLargestRemainder(t *testing.T) {
	t.Parallel()
	f := Funders{{Poster: Address{1}, Pledged: Units(7)}, {Poster: Address{2}, Pledged: Units(3)}}
	for at, want := range [][2]uint64{{0, 0}, {1, 0}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {4, 2}, {5, 2},
		{6, 2}, {6, 3}, {7, 3}} {
		got := f.Piece(Amount{}, Units(uint64(at)))
		if got[0] != Units(want[0]) || got[1] != Units(want[1]) {
			t.Errorf("of %d they give %s and %s, not %v", at, got[0].Units(), got[1].Units(), want)
		}
	}
}

// TestNoUnitIsTakenBack is the Alabama paradox: by Hamilton's method over all three at once, who
// pledged 2 of 14 has 2 of 10 units and 1 of 11.
func TestNoUnitIsTakenBack(t *testing.T) {
	t.Parallel()
	f := Funders{{Poster: Address{1}, Pledged: Units(6)}, {Poster: Address{2}, Pledged: Units(6)},
		{Poster: Address{3}, Pledged: Units(2)}}
	var before []Amount
	for at := range uint64(15) {
		now := f.Piece(Amount{}, Units(at))
		for i := range before {
			if now[i].Cmp(before[i]) < 0 {
				t.Errorf("at %d units funder %d falls from %s to %s", at, i, before[i].Units(), now[i].Units())
			}
		}
		before = now
	}
}

func TestAPledgeLeavesNothingOrEnoughForAnother(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	r.BountyMin = BTT(10)
	for _, c := range []struct {
		amount, needed uint64
		ok             bool
	}{{100, 100, true}, {90, 100, true}, {91, 100, false}, {9, 100, false}, {10, 100, true},
		{101, 100, false}, {3, 3, true}, {0, 5, false}} {
		if err := r.CheckPledge(BTT(c.amount), BTT(c.needed)); (err == nil) != c.ok {
			t.Errorf("%d of %d: %v", c.amount, c.needed, err)
		}
	}
}
