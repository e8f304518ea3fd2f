package marketplace

import (
	"slices"
	"strings"
	"testing"
)

func inWindow(w Window, tries ...Outcome) Report {
	return Report{Outcome: Settle(tries), Tries: tries, Window: &w}
}

func TestWindowsTellWhoServesInThemFromWhoDoesNot(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	holds, relays := r.NewRecord(r.EpochStart(0)), r.NewRecord(r.EpochStart(0))
	for k := range int64(30) {
		holds = r.Record(holds, k, []Report{tried(Pass),
			inWindow(Window{Quiet: true, Served: true, ColdUS: 9000, WarmUS: 2000, Bytes: 4 << 20, TookUS: 2_000_000}, Pass)})
		relays = r.Record(relays, k, []Report{tried(Pass), inWindow(Window{Quiet: true, ColdUS: 20_000_000, WarmUS: 9}, Pass)}) // when it is over
	}
	h, q := r.Outlook(New, holds).Windows, r.Outlook(New, relays).Windows
	if h == nil || h.Visits != 30 || h.Served.Bps() != 10_000 || h.ColdUS != 9000 || h.WarmUS != 2000 ||
		h.Rate != 2<<20 {
		t.Errorf("who holds it has %+v", h)
	}
	if q == nil || q.Visits != 30 || q.Served.Bps() != 0 || q.ColdUS != 0 || q.Rate != 0 {
		t.Errorf("who relays has %+v", q)
	}
	if holds.Reputation != relays.Reputation {
		t.Errorf("windows move the reputation: %+v, %+v", holds, relays)
	}
}

func TestWindowsCountWhatAnAuditorSawInThem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reports []Report
		want    Windows
	}{
		"none":            {[]Report{tried(Pass), tried(Timeout)}, Windows{}},
		"auditor's fault": {[]Report{inWindow(Window{}, AuditorFault, Pass)}, Windows{}},
		"no tries":        {[]Report{inWindow(Window{})}, Windows{}},
		"not measured": {[]Report{inWindow(Window{Served: true}, Pass)},
			Windows{Visits: 1, Served: Score{Good: oneAudit}}},
		"away": {[]Report{inWindow(Window{}, Unreachable, Pass)}, Windows{Visits: 1, Served: Score{Bad: oneAudit}}},
		"the burst came late": {[]Report{inWindow(Window{Served: true, ColdUS: 7, WarmUS: 5}, Timeout, Pass)},
			Windows{Visits: 1, Served: Score{Good: oneAudit}, ColdUS: 7, WarmUS: 5}},
		"spoiled in the window": {[]Report{inWindow(Window{Served: true, ColdUS: 5, WarmUS: 5}, BadData)},
			Windows{Visits: 1, Served: Score{Bad: oneAudit}}},
		"an average": {[]Report{inWindow(Window{Served: true, ColdUS: 800, WarmUS: 80, Bytes: 100, TookUS: 1}, Pass),
			inWindow(Window{Served: true, ColdUS: 1600, WarmUS: 160, Bytes: 200, TookUS: 1}, Pass)},
			Windows{Visits: 2, Served: Score{Good: oneAudit*9/10 + oneAudit}, ColdUS: 900, WarmUS: 90,
				Rate: 112_500_000}},
	} {
		if got := (Windows{}).after(DefaultRules().RecentMemoryBps, tc.reports); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestWhatAWindowMeasuredIsSigned(t *testing.T) {
	t.Parallel()
	texts := []string{tried(Pass).Text()}
	for _, w := range []Window{{}, {Quiet: true}, {Served: true}, {ColdUS: 1}, {WarmUS: 1}, {Bytes: 1}, {TookUS: 1}} {
		text := inWindow(w, Pass).Text()
		if strings.Count(text, "\n") != strings.Count(texts[0], "\n")+1 || slices.Contains(texts, text) {
			t.Errorf("%+v is not told from others: %q", w, text)
		}
		texts = append(texts, text)
	}
}
