package marketplace

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAmountTextKeepsEveryBaseUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{0,39}`).Draw(t, "units")
		a, err := ParseUnits(digits)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseAmount(a.String())
		if err != nil || back != a || back.Units() != digits {
			t.Fatalf("%s units became %q and then %s (%v)", digits, a, back.Units(), err)
		}
	})
}

func TestAmountReadsOnlyPlainDecimals(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"0": "0", "1": "1000000000000000000", "0.000000000000000001": "1",
		"12.50": "12500000000000000000", "007": "7000000000000000000",
	}
	for text, units := range good {
		if a, err := ParseAmount(text); err != nil || a.Units() != units {
			t.Errorf("ParseAmount(%q) = %s units, %v; want %s", text, a.Units(), err, units)
		}
	}
	bad := []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0x1", "NaN", "1_0",
		"0.0000000000000000001", strings.Repeat("9", 23)}
	for _, text := range bad {
		if a, err := ParseAmount(text); !errors.Is(err, Invalid) {
			t.Errorf("ParseAmount(%q) = %s, %v; want a refusal", text, a, err)
		}
	}
}

func TestAmountTravelsAsAStringInJSON(t *testing.T) {
	t.Parallel()
	out, err := json.Marshal(map[string]Amount{"a": MustAmount("0.42")})
	if err != nil || string(out) != `{"a":"0.42"}` {
		t.Fatalf("marshal gave %s, %v", out, err)
	}
	var in struct{ A Amount }
	if err := json.Unmarshal([]byte(`{"a":0.42}`), &in); err == nil {
		t.Fatalf("a bare number was read as %s", in.A)
	}
}

func TestMulDivMatchesBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, _ := ParseUnits(rapid.StringMatching(`[0-9]{1,20}`).Draw(t, "a"))
		num := rapid.Uint64Range(0, 1<<62).Draw(t, "num")
		den := rapid.Uint64Range(1, 1<<62).Draw(t, "den")
		want, _ := new(big.Int).SetString(a.Units(), 10)
		rest := new(big.Int)
		want.Mul(want, new(big.Int).SetUint64(num))
		want.QuoRem(want, new(big.Int).SetUint64(den), rest)
		if len(want.String()) > 40 {
			t.Skip("beyond any amount")
		}
		if got := a.MulDiv(num, den).Units(); got != want.String() {
			t.Fatalf("floor is %s, want %s", got, want)
		}
		if rest.Sign() > 0 {
			want.Add(want, big.NewInt(1))
		}
		if got := a.MulDivUp(num, den).Units(); got != want.String() {
			t.Fatalf("ceiling is %s, want %s", got, want)
		}
	})
}

func TestSubtractingMoreThanThereIsPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Fatal("1 − 2 gave an amount")
		}
	}()
	Units(1).Sub(Units(2))
}

func TestAddressTextIsCheckedAndRoundTrips(t *testing.T) {
	t.Parallel()
	const btt = "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4" // BTT on TRON's main network
	a, err := ParseAddress(btt)
	if err != nil || a.String() != btt {
		t.Fatalf("%s became %s, %v", btt, a, err)
	}
	for i := range btt {
		mistyped := []byte(btt)
		mistyped[i] = 'z'
		if mistyped[i] == btt[i] {
			mistyped[i] = 'y'
		}
		if _, err := ParseAddress(string(mistyped)); !errors.Is(err, Invalid) {
			t.Errorf("%s was taken: %v", mistyped, err)
		}
	}
}

func TestSpanTextHasAUnit(t *testing.T) {
	t.Parallel()
	for text, back := range map[string]string{
		"30d": "30d", "6h": "6h", "90s": "1m30s", "24h": "1d", "300ms": "300ms", "2m": "2m",
	} {
		s, err := ParseSpan(text)
		if err != nil || s.String() != back {
			t.Errorf("%s became %s, %v; want %s", text, s, err, back)
		}
	}
	for _, text := range []string{"", "30", "-1h", "1.5d", "d", "99999999d", "week"} {
		if s, err := ParseSpan(text); err == nil {
			t.Errorf("%q was read as %s", text, s)
		}
	}
}
