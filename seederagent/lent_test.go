package seederagent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

func TestWhatWasLentTodayOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	const most = 3*carryBytes - 1
	dir, now := t.TempDir(), time.Date(2026, 5, 1, 23, 59, 0, 0, time.UTC)
	open := func() *lent {
		l := new(lent)
		must(t, l.open(dir))
		return l
	}
	l := open()
	must(t, l.begin(now, most))
	must(t, l.end(10, true))
	if got := open().today(now); got.Visits != 1 || got.Bytes != 10 {
		t.Errorf("after a restart, %+v were lent", got)
	}
	must(t, l.begin(now, most)) // and then the agent is killed
	l = open()
	if got := l.today(now); got.Bytes != 10+carryBytes {
		t.Errorf("what was under way counts as %d bytes", got.Bytes)
	}
	if err := l.begin(now, most); err != nil {
		t.Error(err)
	}
	if err := l.begin(now, most); !errors.Is(err, marketplace.TooMany) {
		t.Errorf("more than the day's most may be taken: %v", err)
	}
	must(t, l.end(0, false))
	tomorrow := now.Add(time.Minute)
	must(t, l.begin(tomorrow, most))
	if got := l.today(tomorrow); got.Visits != 0 || got.Bytes != 0 {
		t.Errorf("the next day begins with %+v", got)
	}
	must(t, os.WriteFile(filepath.Join(dir, "lent.json"), []byte("scrap"), 0o600))
	if got := open().today(now); got.Bytes != 0 {
		t.Errorf("scrap is read as %+v", got)
	}
}
