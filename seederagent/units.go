package seederagent

import (
	"strconv"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// A Size is a number of bytes. Its text has a unit: "200 GiB", "64 MiB", "1.5 TB".
type Size int64

// A Rate is a number of bytes a second. Its text has a unit: "20 Mbit/s", "2 MiB/s".
type Rate int64

var sizeUnits = map[string]float64{
	"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

var rateUnits = map[string]float64{
	"kbit/s": 1e3 / 8, "Mbit/s": 1e6 / 8, "Gbit/s": 1e9 / 8,
	"B/s": 1, "kB/s": 1e3, "MB/s": 1e6, "KiB/s": 1 << 10, "MiB/s": 1 << 20, "GiB/s": 1 << 30,
}

// ParseSize reads a number with a unit from B to TiB.
func ParseSize(text string) (Size, error) {
	n, err := parseUnit(text, sizeUnits, "a size like 200 GiB")
	return Size(n), err
}

// ParseRate reads a number with a unit in bits or bytes a second.
func ParseRate(text string) (Rate, error) {
	n, err := parseUnit(text, rateUnits, "a rate like 20 Mbit/s")
	return Rate(n), err
}

func parseUnit(text string, units map[string]float64, want string) (int64, error) {
	text = strings.TrimSpace(text)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/ ")
	factor, ok := units[strings.TrimSpace(text[len(digits):])]
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || n < 0 || n*factor >= 1<<62 {
		return 0, marketplace.Invalid.Errorf("%q is not %s", text, want)
	}
	return int64(n * factor), nil
}

// UnmarshalText is ParseSize.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

// MarshalText returns String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the size in the largest binary unit that leaves a number of 1 or more.
func (s Size) String() string { return inUnits(float64(s), "B", "KiB", "MiB", "GiB", "TiB") }

// UnmarshalText is ParseRate.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// MarshalText returns String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the rate in binary units of bytes a second.
func (r Rate) String() string { return inUnits(float64(r), "B/s", "KiB/s", "MiB/s", "GiB/s") }

func inUnits(n float64, units ...string) string {
	last := len(units) - 1
	for n >= 1024 && last > 0 {
		n, units, last = n/1024, units[1:], last-1
	}
	number := strconv.FormatFloat(n, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(number, "0"), ".") + " " + units[0]
}
