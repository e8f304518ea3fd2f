package trial

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// A kind is a sort of agent on trial.
type kind struct {
	name   string
	begin  func(World, *rand.Rand) answer
	honest bool
	free   bool              // may earn more than limit; why says why
	few    int               // careers, where less than the world's say enough
	panel  int               // size of the panel where it is not the world's
	others []word            // auditors that are on its side
	in     func(World) World // where it lives, where that is not the trial's world
	why    string
}

// limit is the most that a cheat may earn before it is cut off, in per cent of an honest agent's
// pay over the same time.
const limit = 25

// always answers every try the same.
func always(o marketplace.Outcome) func(World, *rand.Rand) answer {
	return func(World, *rand.Rand) answer {
		return func(*visit, time.Time) marketplace.Outcome { return o }
	}
}

// sometimes answers a share of all tries one way and the others otherwise.
func sometimes(share float64, that, otherwise marketplace.Outcome) func(World, *rand.Rand) answer {
	return func(_ World, chance *rand.Rand) answer {
		return func(*visit, time.Time) marketplace.Outcome {
			if chance.Float64() < share {
				return that
			}
			return otherwise
		}
	}
}

// relays has what other paid agents have, but in quiet windows, when they serve auditors only.
func relays(World, *rand.Rand) answer {
	return func(v *visit, at time.Time) marketplace.Outcome {
		if v.quiet(at) {
			return marketplace.Timeout
		}
		return marketplace.Pass
	}
}

// home is an honest agent behind a line that is down a part of the time.
func home(up, down time.Duration) func(World, *rand.Rand) answer {
	return func(w World, chance *rand.Rand) answer {
		from := w.Rules.EpochStart(firstEpoch)
		line := newLine(chance, from, w.Rules.EpochStart(firstEpoch+w.epochs()), up, down)
		return func(_ *visit, at time.Time) marketplace.Outcome {
			if line.down(at) {
				return marketplace.Unreachable
			}
			return marketplace.Pass
		}
	}
}

// without answers for all but a share of the pieces, the same ones for as long as it lives; asked
// for one of those it does the other thing.
func without(share float64, other marketplace.Outcome) func(World, *rand.Rand) answer {
	return func(w World, chance *rand.Rand) answer {
		gone := make([]bool, w.Torrent.Pieces)
		for _, i := range chance.Perm(len(gone))[:int(share*float64(len(gone)))] {
			gone[i] = true
		}
		return func(v *visit, _ time.Time) marketplace.Outcome {
			v.wrong = nil
			for _, c := range v.asks() {
				if gone[c.Piece] {
					v.wrong = append(v.wrong, c.Piece)
				}
			}
			if v.wrong != nil {
				return other
			}
			return marketplace.Pass
		}
	}
}

// commits makes up a share of the pieces of a v1 torrent before it says that it is ready, and commits to the
// root of that: it proves each of their blocks, and no piece. Asked for one of those it does the other thing.
func commits(share float64, other marketplace.Outcome) func(World, *rand.Rand) answer {
	return func(w World, chance *rand.Rand) answer {
		made := make([]bool, w.Torrent.Pieces)
		for _, i := range chance.Perm(len(made))[:int(share*float64(len(made)))] {
			made[i] = true
		}
		return func(v *visit, _ time.Time) marketplace.Outcome {
			v.wrong = nil
			for _, c := range v.asks() {
				if made[c.Piece] && c.Block == marketplace.WholePiece {
					v.wrong = append(v.wrong, c.Piece)
				}
			}
			if v.wrong != nil {
				return other
			}
			return marketplace.Pass
		}
	}
}

// spoils answers a share of all challenges with an error in them, others each time.
func spoils(share float64) func(World, *rand.Rand) answer {
	return func(_ World, chance *rand.Rand) answer {
		return func(v *visit, _ time.Time) marketplace.Outcome {
			for _, c := range v.asks() {
				if chance.Float64() < share {
					v.wrong = []int{c.Piece}
					return marketplace.BadData
				}
			}
			return marketplace.Pass
		}
	}
}

// chooses serves auditors' own addresses, all of which it knows, and who shows a ticket, but of the lines that
// visits are carried by a share only. The second try comes by the line of the first, the third by another.
func chooses(share float64) func(World, *rand.Rand) answer {
	return func(_ World, chance *rand.Rand) answer {
		var of *visit
		var lines [2]bool // whether it serves them
		return func(v *visit, at time.Time) marketplace.Outcome {
			if v != of {
				of, lines = v, [2]bool{chance.Float64() < share, chance.Float64() < share}
			}
			if v.carried() && !lines[v.line(at)] {
				return marketplace.Unreachable
			}
			return marketplace.Pass
		}
	}
}

// turns serves everybody for a time, and so do other names of its owner, who tell it which lines they saw. Then
// it serves auditors and those lines: the market sends it none that it saw itself, as long as there are others.
func turns(after time.Duration, others int, lines float64) func(World, *rand.Rand) answer {
	return func(w World, chance *rand.Rand) answer {
		r, turned := w.Rules, w.Rules.EpochStart(firstEpoch).Add(after)
		visits := float64(r.Auditors*w.Leases*others) * after.Seconds() / r.Epoch.Duration().Seconds()
		seen := 1 - math.Exp(-visits*float64(r.CarriedBps)/10_000/lines)
		choosy := chooses(seen)(w, chance)
		return func(v *visit, at time.Time) marketplace.Outcome {
			if at.Before(turned) {
				return marketplace.Pass
			}
			return choosy(v, at)
		}
	}
}

const day = 24 * time.Hour

// agents are the sorts on trial. The first one is the measure of all others.
func agents() []kind {
	return slices.Concat(honest(), empty(), partial(), choosy())
}

func honest() []kind {
	return []kind{
		{name: "honest", honest: true, few: 1, begin: always(marketplace.Pass),
			why: "the measure: there whenever it is asked"},
		{name: "honest, one try in ten fails", honest: true, few: 3,
			begin: sometimes(0.1, marketplace.Unreachable, marketplace.Pass),
			why:   "an auditor has three tries, and two of three auditors are enough"},
		{name: "honest, line down 10 % of the time", honest: true, few: 3, begin: home(awake, asleep),
			why: "outages of 10 min on average; the rare one of hours fails an epoch"},
		{name: "honest, every second try fails", honest: true, few: 3,
			begin: sometimes(0.5, marketplace.Timeout, marketplace.Pass),
			why:   "paid for what it serves; an uptime score below 60 % gives no new leases"},
		{name: "honest, on v1", honest: true, few: 3, in: World.v1, begin: always(marketplace.Pass),
			why: "shows its root in twelve audits, the four epochs before it is paid"},
		{name: "honest, on v1, line down 10 % of the time", honest: true, few: 3, in: World.v1,
			begin: home(awake, asleep), why: "an audit that cannot reach it does not begin the twelve anew"},
	}
}

// Lines of a home are down for 10 of 100 minutes.
const (
	awake  = 90 * time.Minute
	asleep = 10 * time.Minute
)

func empty() []kind {
	return []kind{
		{name: "holds nothing, relays; nobody else has it", begin: always(marketplace.Timeout),
			why: "never passes, so that no lease becomes active"},
		{name: "holds nothing, relays from other paid agents", free: true, few: 1,
			begin: relays,
			why:   "not caught, but seen: what is fetched within a try's minute is as good as held, and in quiet windows there is nobody to fetch it from; see below"},
		{name: "answers slowly, after the time for a try", begin: always(marketplace.Timeout),
			why: "an answer after the minute is no answer"},
		{name: "holds nothing; one of three auditors colludes", begin: always(marketplace.Timeout),
			panel: 3, others: []word{vouch}, why: "one pass is not two of three"},
	}
}

func partial() []kind {
	return []kind{
		{name: "holds 90 %, refuses the rest", begin: without(0.1, marketplace.Withheld),
			why: "57 % of audits ask for it; refused at three tries it is a data fault"},
		{name: "holds 90 %, makes up the rest", begin: without(0.1, marketplace.BadData),
			why: "57 % of audits ask for it, and a hearing asks again for what was wrong"},
		{name: "holds 90 %, is silent about the rest", begin: without(0.1, marketplace.Timeout),
			why: "no data fault, but 60 % of epochs fail, and two in a row end a lease"},
		{name: "makes up 10 %; one of three auditors colludes", begin: without(0.1, marketplace.BadData),
			panel: 3, others: []word{vouch}, why: "the other two find it in four epochs of five"},
		{name: "commits to 10 % made-up data, on v1", in: World.v1, begin: commits(0.1, marketplace.BadData),
			why: "an audit asks for eight whole pieces until twelve in a row have shown its root: no lease becomes active"},
		{name: "the same, in 1,024 pieces", in: World.fewPieces, begin: commits(0.1, marketplace.BadData),
			why: "it is parts that count, not pieces"},
		{name: "commits to 10 % made-up data, on v1, and is silent about it", in: World.v1,
			begin: commits(0.1, marketplace.Timeout), why: "no data fault, but 57 % of audits begin the twelve anew"},
		{name: "the same, in 1,024 pieces and silent", in: World.fewPieces, begin: commits(0.1, marketplace.Timeout),
			why: "likewise; who stalls until the time for a try is over is silent, too"},
		{name: "5 % of its disk is corrupt", begin: without(0.05, marketplace.BadData),
			why: "34 % of audits and 71 % of epochs hit it; a hearing always does"},
		{name: "corrupts 5 % of what it sends", begin: spoils(0.05),
			why: "may survive a hearing, and not the second auditor that gets a wrong one"},
	}
}

func choosy() []kind {
	return []kind{
		{name: "serves auditors only, all of whose addresses it knows", begin: chooses(0),
			why: "two visits of three come by a line that it never saw"},
		{name: "the same; one carrier in ten is its friend", begin: chooses(0.1),
			why: "a friend tells it whom to serve, and the other nine do not"},
		{name: "from the second week on, serves auditors and the lines that nine more names saw, of 10,000",
			free: true, begin: turns(7*day, 9, 10_000),
			why: "paid for the week in which it served all; then three lines of four are strange to it"},
		{name: "the same, of 1,000", free: true, begin: turns(7*day, 9, 1000),
			why: "not caught: its names have seen nearly all of them by then; see below"},
	}
}

// vouch passes without asking.
func vouch(v *visit) (marketplace.Report, bool) { return v.report(marketplace.Pass), true }

// accuse lies that it got wrong bytes.
func accuse(v *visit) (marketplace.Report, bool) { return v.report(marketplace.BadData), true }
