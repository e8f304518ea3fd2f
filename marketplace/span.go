package marketplace

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Span is a length of time. As text it is "30d", "6h", "90s" or Go's own "1h30m".
type Span time.Duration

// Day is 24 hours.
const Day = 24 * time.Hour

// ParseSpan reads "30d" or what time.ParseDuration reads. A bare number is refused: it has no unit.
func ParseSpan(s string) (Span, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, Invalid.Errorf("duration %q is not like 30d, 6h or 90s", s)
		}
		return Span(time.Duration(n) * Day), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, Invalid.Errorf("duration %q is not like 30d, 6h or 90s", s)
	}
	return Span(d), nil
}

// Duration returns s as the standard library's type.
func (s Span) Duration() time.Duration { return time.Duration(s) }

func (s Span) String() string {
	d := time.Duration(s)
	if d >= Day && d%Day == 0 {
		return fmt.Sprintf("%dd", d/Day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText returns String.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSpan.
func (s *Span) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSpan(string(text))
	return err
}

// Value stores microseconds.
func (s Span) Value() (driver.Value, error) { return time.Duration(s).Microseconds(), nil }

// Scan reads microseconds.
func (s *Span) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan span: %T is not an integer", src)
	}
	*s = Span(time.Duration(n) * time.Microsecond)
	return nil
}
