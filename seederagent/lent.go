package seederagent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/seederagent/purse"
)

// carryBytes is how much one carry may pass on, both ways: the largest piece, or a burst, and some.
const carryBytes = 40 << 20

// lent is the book of what the agent lent of its line in a day. All that a carry may take is written
// down before it begins, and what it took when it is over: who kills the agent gains nothing.
type lent struct {
	mu       sync.Mutex // guards the fields below
	path     string
	day      lentDay
	underWay int64 // bytes that carries may take still
}

// A lentDay is a day, of UTC, on disk.
type lentDay struct {
	Day    string `json:"day"`
	Visits int    `json:"visits"`
	Bytes  int64  `json:"bytes"`
}

// open reads the book of a folder. One that cannot be read counts as empty: nobody but the owner writes it.
func (l *lent) open(dir string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.path = filepath.Join(dir, "lent.json")
	text, err := os.ReadFile(l.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read what was lent today: %w", err)
	}
	if json.Unmarshal(text, &l.day) != nil {
		l.day = lentDay{}
	}
	return nil
}

// begin sets aside what a carry may take, if that much of the day's most is left.
func (l *lent) begin(now time.Time, most int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	if l.day.Bytes+l.underWay+carryBytes > most {
		return marketplace.TooMany.Errorf("of today's %s, %s are lent", Size(most),
			Size(l.day.Bytes+l.underWay))
	}
	l.underWay += carryBytes
	if err := l.save(); err != nil {
		l.underWay -= carryBytes
		return err
	}
	return nil
}

// end writes down what a carry took.
func (l *lent) end(took int64, met bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay -= carryBytes
	l.day.Bytes += took
	if met {
		l.day.Visits++
	}
	return l.save()
}

// turn begins a new day when it is one. The caller holds mu.
func (l *lent) turn(now time.Time) {
	if today := now.UTC().Format(time.DateOnly); l.day.Day != today {
		l.day = lentDay{Day: today}
	}
}

// save makes the book last, with all that is under way as if it were taken. The caller holds mu.
func (l *lent) save() error {
	day := l.day
	day.Bytes += l.underWay
	text, err := json.Marshal(day)
	if err != nil {
		return err
	}
	if err := purse.WriteSynced(l.path, text, os.Rename); err != nil {
		return fmt.Errorf("write what was lent: %w", err)
	}
	return nil
}

// today returns how many visits were carried on a day, and how many bytes they took.
func (l *lent) today(now time.Time) lentDay {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	return l.day
}
