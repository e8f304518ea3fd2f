package trial

import (
	"fmt"
	"strings"
	"sync"

	"github.com/everseed/everseed/marketplace"
)

// A Sheet is a table of results. Columns whose header begins with ">" are set flush right.
type Sheet struct {
	Title  string
	Header []string
	Rows   [][]string
}

// A Trial is what came out of a world.
type Trial struct {
	world      World
	found      int // lives in which missing data was found within the first day
	small      int // ... of a small torrent, within smallDays
	believed   int // lives in which a root over made-up data was believed, of an agent that is silent about it
	shown      int // epochs until the root of an honest agent is
	missed, of int // epochs that an honest agent failed
	fates      []fate
	tallies    []tally
	sharers    sharers
}

// smallDays is within how many days what a small torrent lacks is found.
const smallDays = 3

// Hold lets everybody live through the world. It takes a few seconds of two processors.
func (w World) Hold() Trial {
	t := Trial{world: w}
	var all sync.WaitGroup
	tenth := without(0.1, marketplace.BadData)
	all.Go(func() { t.found = w.found(tenth, 1, w.Lives) })
	all.Go(func() { t.small = w.small().found(tenth, smallDays, w.Lives) })
	all.Go(func() { t.believed, _ = w.believed(commits(0.1, marketplace.Timeout), w.Lives) })
	all.Go(func() { _, t.shown = w.believed(always(marketplace.Pass), 1) })
	all.Go(func() { t.missed, t.of = w.missed(2 * w.Lives) })
	all.Go(func() { t.fates = w.fates() })
	all.Go(func() { t.tallies = w.tallies() })
	all.Go(func() { t.sharers = w.sharers() })
	all.Wait()
	return t
}

// Sheets returns what came out as tables.
func (t Trial) Sheets() []Sheet {
	return []Sheet{t.claims(), t.agents(), t.auditors(), t.names()}
}

// claims are the figures that the market promises, and what came out.
func (t Trial) claims() Sheet {
	lives := func(n int) string { return fmt.Sprintf("%d of %d lives", n, t.world.Lives) }
	return Sheet{Title: "Claims", Header: []string{"claim", ">wanted", ">found"}, Rows: [][]string{
		{"10 % missing data is found within the first day", "≥ 99.9 %", lives(t.found)},
		{fmt.Sprintf("... of 64 MiB, within %d days", smallDays), "≥ 99.9 %", lives(t.small)},
		{"a root over 10 % made-up data, on v1, is believed", "≤ 1 in 1,000", lives(t.believed)},
		{"epochs until an honest agent's root is", "4", fmt.Sprint(t.shown)},
		{"epochs that an honest agent fails when one try in ten does", "< 1 in 10,000",
			fmt.Sprintf("%d of %d", t.missed, t.of)},
	}}
}

func (t Trial) agents() Sheet {
	s := Sheet{Title: "Agents", Header: []string{"agent", ">first lease lost", ">cut off",
		">paid till then", fmt.Sprintf(">paid in %d d", t.world.Days), ">in quiet windows", "why"}}
	for _, f := range t.fates {
		s.Rows = append(s.Rows, []string{f.who, f.lost.String(), f.cut.String(), share(f.until),
			share(f.term), served(f.windows), f.why})
	}
	return s
}

func (t Trial) auditors() Sheet {
	s := Sheet{Title: "Auditors", Header: []string{"auditor", ">cut off", ">paid till then",
		">epochs failed", ">leases lost", "why"}}
	for _, row := range t.tallies {
		s.Rows = append(s.Rows, []string{row.who, row.cut.String(), share(row.paid),
			fmt.Sprintf("%.0f", row.missed), fmt.Sprintf("%.0f", row.failed), row.why})
	}
	return s
}

func (t Trial) names() Sheet {
	score := func(bps int) string { return fmt.Sprintf("%d of 10,000", bps) }
	return Sheet{Title: "Three names, one disk", Header: []string{"names", ">replicas of a bounty",
		">seen as one", ">paid for the disk till then", ">score"}, Rows: [][]string{
		{"behind one line", fmt.Sprint(t.sharers.oneLine), "at once", "", ""},
		{"behind three lines", fmt.Sprint(names), t.sharers.flagged.String(), share(t.sharers.until),
			"≥ " + score(t.sharers.score)},
		{"strangers, one disk each", fmt.Sprint(names), "never", share(100),
			"≤ " + score(t.sharers.strangers)},
	}}
}

// String tells the median and the worst of all epochs, or never.
func (t took) String() string {
	switch {
	case t.share == 0:
		return "never"
	case t.share < 1:
		return fmt.Sprintf("%d (%d), %.0f %% of all", t.median, t.worst, 100*t.share)
	default:
		return fmt.Sprintf("%d (%d)", t.median, t.worst)
	}
}

// share writes per cents of an honest pay.
func share(percent float64) string { return fmt.Sprintf("%.1f %%", percent) }

// served writes how much of its quiet windows an agent served.
func served(percent float64) string {
	if percent < 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", percent)
}

// Markdown writes sheets as tables.
func Markdown(sheets []Sheet) string {
	var b strings.Builder
	for _, s := range sheets {
		fmt.Fprintf(&b, "\n### %s\n\n", s.Title)
		var names, rule []string
		for _, h := range s.Header {
			name, right := strings.CutPrefix(h, ">")
			names = append(names, name)
			rule = append(rule, map[bool]string{true: "--:", false: "---"}[right])
		}
		for _, row := range append([][]string{names, rule}, s.Rows...) {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
	}
	return b.String()
}

// What is between these lines of a page is written by the trial.
const (
	beginMark = "<!-- make sim writes from here -->\n"
	endMark   = "\n<!-- to here -->"
)

// Rewrite returns a page with its tables replaced.
func Rewrite(page string, sheets []Sheet) (string, error) {
	head, rest, begins := strings.Cut(page, beginMark)
	_, tail, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		return "", marketplace.Invalid.Errorf("the page lacks a line %q or %q", beginMark, endMark)
	}
	return head + beginMark + Markdown(sheets) + endMark + tail, nil
}
