package marketplace

import (
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/holiman/uint256"
)

// amountDigits is the width of the NUMERIC(40,0) columns that hold amounts.
const amountDigits = 40

// decimals of BTT on TRON.
const decimals = 18

var (
	amountMax = pow10(amountDigits)
	oneBTT    = pow10(decimals)
	// Tick is the smallest step of a price: 10⁻⁶ BTT.
	Tick = Amount{*pow10(decimals - 6)}
)

func pow10(n uint64) *uint256.Int {
	return new(uint256.Int).Exp(uint256.NewInt(10), uint256.NewInt(n))
}

// An Amount is a sum of BTT in base units of 10⁻¹⁸ BTT. It is never negative, is comparable with
// ==, and its zero value is zero. As text and JSON it is a decimal number of BTT in a string
// ("0.42"); in SQL it is an integer number of base units.
type Amount struct{ u uint256.Int }

// BTT returns n whole BTT.
func BTT(n uint64) Amount {
	var a Amount
	a.u.Mul(uint256.NewInt(n), oneBTT)
	return a
}

// Units returns n base units.
func Units(n uint64) Amount { return Amount{*uint256.NewInt(n)} }

// ParseAmount reads a decimal number of BTT with at most 18 decimals: "12", "0.000001".
func ParseAmount(s string) (Amount, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if !allDigits(whole) || (strings.Contains(s, ".") && !allDigits(frac)) {
		return Amount{}, Invalid.Errorf("amount %q is not a decimal number of BTT like 12.5", s)
	}
	if len(frac) > decimals {
		return Amount{}, Invalid.Errorf("amount %q has more than %d decimals", s, decimals)
	}
	return ParseUnits(whole + frac + strings.Repeat("0", decimals-len(frac)))
}

// ParseUnits reads a whole number of base units, the form in SQL and on the chain.
func ParseUnits(s string) (Amount, error) {
	if !allDigits(s) {
		return Amount{}, Invalid.Errorf("%q is not a whole number of base units", s)
	}
	s = strings.TrimLeft(s, "0")
	if len(s) > amountDigits {
		return Amount{}, Invalid.Errorf("amount has more than %d digits", amountDigits)
	}
	if s == "" {
		return Amount{}, nil
	}
	var a Amount
	if err := a.u.SetFromDecimal(s); err != nil {
		return Amount{}, fmt.Errorf("read amount %q: %w", s, err)
	}
	return a, nil
}

// MustAmount is ParseAmount for constants; it panics on a bad one.
func MustAmount(s string) Amount {
	a, err := ParseAmount(s)
	if err != nil {
		panic(err)
	}
	return a
}

func allDigits(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// AmountFromBytes reads a big-endian integer of at most 32 bytes, as in a contract's event.
func AmountFromBytes(b []byte) (Amount, error) {
	var a Amount
	if len(b) > 32 {
		return Amount{}, Invalid.Errorf("amount of %d bytes", len(b))
	}
	a.u.SetBytes(b)
	if !a.u.Lt(amountMax) {
		return Amount{}, Invalid.Errorf("amount has more than %d digits", amountDigits)
	}
	return a, nil
}

// Bytes32 returns the amount as a big-endian 256-bit word, as in ABI encoding.
func (a Amount) Bytes32() [32]byte { return a.u.Bytes32() }

// Add returns a+b. It panics past 10⁴⁰ base units: no such money exists.
func (a Amount) Add(b Amount) Amount {
	var sum Amount
	sum.u.Add(&a.u, &b.u)
	if !sum.u.Lt(amountMax) {
		panic("amount overflow")
	}
	return sum
}

// Sub returns a−b. It panics when b is larger: compare first.
func (a Amount) Sub(b Amount) Amount {
	var diff Amount
	if _, under := diff.u.SubOverflow(&a.u, &b.u); under {
		panic("amount below zero")
	}
	return diff
}

// SubFloor returns a−b, or zero when b is larger.
func (a Amount) SubFloor(b Amount) Amount {
	if a.Cmp(b) <= 0 {
		return Amount{}
	}
	return a.Sub(b)
}

// Cmp returns -1, 0 or +1 as a is below, at or above b.
func (a Amount) Cmp(b Amount) int { return a.u.Cmp(&b.u) }

// IsZero says whether a is nothing.
func (a Amount) IsZero() bool { return a.u.IsZero() }

// MulDiv returns floor(a·num/den), exact in 512 bits. It panics when den is zero or when the
// result is no amount.
func (a Amount) MulDiv(num, den uint64) Amount {
	if den == 0 {
		panic("division by zero")
	}
	var q Amount
	_, over := q.u.MulDivOverflow(&a.u, uint256.NewInt(num), uint256.NewInt(den))
	if over || !q.u.Lt(amountMax) {
		panic("amount overflow")
	}
	return q
}

// MulDivUp returns ceil(a·num/den), with the panics of MulDiv.
func (a Amount) MulDivUp(num, den uint64) Amount {
	q := a.MulDiv(num, den)
	var rest uint256.Int
	rest.MulMod(&a.u, uint256.NewInt(num), uint256.NewInt(den))
	if rest.IsZero() {
		return q
	}
	return q.Add(Units(1))
}

// OnTick says whether a is a multiple of the price tick.
func (a Amount) OnTick() bool {
	var rest uint256.Int
	return rest.Mod(&a.u, &Tick.u).IsZero()
}

// Float returns the amount in BTT, near enough for a chart. Never reckon money with it.
func (a Amount) Float() float64 { return a.u.Float64() / 1e18 }

// Units returns the decimal number of base units.
func (a Amount) Units() string { return a.u.Dec() }

// String returns the amount in BTT without trailing zeros.
func (a Amount) String() string {
	s := a.u.Dec()
	if len(s) <= decimals {
		s = strings.Repeat("0", decimals-len(s)+1) + s
	}
	whole, frac := s[:len(s)-decimals], strings.TrimRight(s[len(s)-decimals:], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}

// MarshalText returns String.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseAmount.
func (a *Amount) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAmount(string(text))
	return err
}

// Value returns base units for a NUMERIC column.
func (a Amount) Value() (driver.Value, error) { return a.u.Dec(), nil }

// Scan reads base units from a NUMERIC column.
func (a *Amount) Scan(src any) (err error) {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("scan amount: %T is not a string", src)
	}
	*a, err = ParseUnits(s)
	return err
}
