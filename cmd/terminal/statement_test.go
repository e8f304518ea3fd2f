package terminal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

func TestAMomentIsADayAMomentOrALengthOfTimeAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                     {},
		"2026-01-31":           time.Date(2026, 1, 31, 0, 0, 0, 0, time.Local),
		"2026-01-31T12:30:00Z": time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC),
		"2d":                   time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC),
	} {
		if got, err := moment("since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %s (%v), want %s", text, got, err, want)
		}
	}
	_, err := moment("since", "yesterday", now)
	if !errors.Is(err, marketplace.Invalid) || !strings.Contains(err.Error(), "--since") {
		t.Errorf("yesterday: %v", err)
	}
}
