package trial

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// held is the trial that the page tells of.
var held = sync.OnceValue(Default().Hold)

func TestNoCheatEarnsMoreThanAQuarterBeforeItIsCutOff(t *testing.T) {
	t.Parallel()
	cheats := 0
	for _, f := range held().fates {
		if f.honest || f.free {
			continue
		}
		cheats++
		if f.cut.share < 1 || f.until > limit {
			t.Errorf("%s: cut off after %s epochs, paid %.1f %% till then", f.who, f.cut, f.until)
		}
	}
	if cheats < 10 {
		t.Errorf("only %d cheats were on trial", cheats)
	}
}

func TestHonestAgentsAreNeverAccused(t *testing.T) {
	t.Parallel()
	for _, f := range held().fates {
		if f.honest && (f.accused.share > 0 || f.cut.share > 0) {
			t.Errorf("%s: accused %s, cut off %s", f.who, f.accused, f.cut)
		}
	}
}

func TestMadeUpRootsAreHardlyEverBelievedAndThoseOfHonestAgentsWithinADay(t *testing.T) {
	t.Parallel()
	if h := held(); h.believed > h.world.Lives/1000 || h.shown != 4 {
		t.Errorf("believed in %d of %d lives; an honest agent's after %d epochs", h.believed, h.world.Lives, h.shown)
	}
}

func TestMissingDataIsFoundWithinTheFirstDayAndOfASmallTorrentSoonAfter(t *testing.T) {
	t.Parallel()
	h := held()
	for what, found := range map[string]int{"missing": h.found, "of 64 MiB": h.small} {
		if found < h.world.Lives*999/1000 {
			t.Errorf("%s: found in %d of %d lives", what, found, h.world.Lives)
		}
	}
}

func TestAnHonestAgentFailsFewerThanOneEpochInTenThousand(t *testing.T) {
	t.Parallel()
	if h := held(); h.missed*10_000 >= h.of {
		t.Errorf("%d of %d epochs failed", h.missed, h.of)
	}
}

func TestAuditorsThatSleepCopyOrInventAreCutOffWithinThreeDays(t *testing.T) {
	t.Parallel()
	for _, row := range held().tallies {
		want := map[string]bool{"sleeps": true, "copies what others reported": true,
			"invents passes": true, "invents data faults": true}[row.who]
		if got := row.cut.share == 1 && row.cut.worst <= 12; got != want {
			t.Errorf("%s: cut off %s", row.who, row.cut)
		}
	}
}

func TestALiarCostsARivalNoLease(t *testing.T) {
	t.Parallel()
	for _, row := range held().tallies {
		if row.who == "colludes against one agent and accuses it" && (row.failed > 0 || row.missed > 50) {
			t.Errorf("%.0f leases lost and %.0f epochs failed of 10,000", row.failed, row.missed)
		}
	}
}

func TestNamesOnOneDiskAreSeenAsOneAndStrangersAreNot(t *testing.T) {
	t.Parallel()
	s, oneOwner := held().sharers, Default().Rules.OneOwnerBps
	if s.oneLine != 1 || s.flagged.share < 1 || s.score < oneOwner || s.strangers >= oneOwner {
		t.Errorf("%+v", s)
	}
}

func TestThePageTellsWhatTheTrialFinds(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../ADVERSARIES.md")
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := Rewrite(string(page), held().Sheets())
	if err != nil {
		t.Fatal(err)
	}
	if fresh != string(page) {
		t.Errorf("ADVERSARIES.md is stale; run make sim. It should say:\n%s", Markdown(held().Sheets()))
	}
}

func TestALineIsDownAsLongAsItShouldBe(t *testing.T) {
	t.Parallel()
	from := time.Unix(1_800_000_000, 0)
	l := newLine(Default().chance(1), from, from.Add(1000*marketplace.Day), awake, asleep)
	down, all := 0, 0
	for at := from; at.Before(from.Add(1000 * marketplace.Day)); at = at.Add(7 * time.Minute) {
		all++
		if l.down(at) {
			down++
		}
	}
	if share := float64(down) / float64(all); share < 0.09 || share > 0.11 {
		t.Errorf("down for %.3f of the time, want 0.1", share)
	}
}
