package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Case is an epoch before whoever replays it: its public log, and what is needed to read it.
type Case struct {
	Rules    marketplace.Rules
	Log      marketplace.EpochLog
	At       time.Time                                  // when the log was read
	Lease    int64                                      // look at this one only; 0: at all
	Torrents map[marketplace.Infohash]*metainfo.Torrent // answers for others are not checked
	// Content has copies, by which every answer of their torrents is checked. It may be nil.
	Content map[marketplace.Infohash]*Content
	// Signer returns who signed a text.
	Signer func(text string, s marketplace.Signature) (marketplace.Address, error)
}

// A FaultKind is what is wrong with a part of a log.
type FaultKind string

// The kinds of faults.
const (
	BadPromise    FaultKind = "promise"    // the secret was not promised in time, or another one was
	Missing       FaultKind = "missing"    // a duty without a commitment, or one that was never opened
	Late          FaultKind = "late"       // taken at a time at which the market takes none
	Forged        FaultKind = "forged"     // not signed by its author
	Undrawn       FaultKind = "undrawn"    // by an auditor that the schedule does not send
	Unopened      FaultKind = "commitment" // a report that is not the one that was committed to
	BadChallenges FaultKind = "challenges" // asked for something else than what was due
	BadTries      FaultKind = "tries"      // too many, too soon, too close, or they say something else
	BadAnswer     FaultKind = "answer"     // a hash that contradicts the .torrent or another auditor
	BadVerdict    FaultKind = "verdict"    // the proof is not what the reports say
	BadPay        FaultKind = "pay"        // the proof pays for other seconds than it may
	BadPanel      FaultKind = "panel"      // named when its epoch's block may have been known
	BadCanaries   FaultKind = "canaries"   // not what was sealed, or not opened when due
	BadAccusation FaultKind = "accusation" // by another than the reports say, or not heard as it must be
	BadRoot       FaultKind = "root"       // paid by a root that was not believed, or shown less often than said
	BadStanding   FaultKind = "standing"   // of an auditor, does not follow from what it did
)

// A Fault is one thing that is wrong with a log.
type Fault struct {
	Kind    FaultKind           `json:"kind"`
	Lease   int64               `json:"lease,omitempty"`
	Auditor marketplace.Address `json:"auditor,omitzero"`
	Detail  string              `json:"detail"`
}

// A Replay is what came of recomputing an epoch.
type Replay struct {
	Epoch     int64    `json:"epoch"`
	Leases    int      `json:"leases"`
	Due       int      `json:"due"`       // reports that the schedule asks for
	Reports   int      `json:"reports"`   // that were found
	Carriable int      `json:"carriable"` // tries in them that had to come by another agent's line, if one was there
	Carried   int      `json:"carried"`   // of these, that did
	Answers   int      `json:"answers"`   // in them that passed
	Proven    int      `json:"proven"`    // of these, by hashes that the .torrent or the content tells
	Agreed    int      `json:"agreed"`    // of the others, by auditors who saw the same
	Faults    []Fault  `json:"faults"`
	Unchecked []string `json:"unchecked"` // what could not be checked, and why
}

// A voice is who speaks of what.
type voice struct {
	lease   int64
	auditor marketplace.Address
}

// A judge replays one case.
type judge struct {
	Case
	Replay
	plan        map[int64][]Visit
	leases      map[int64]marketplace.Lease
	visits      map[voice]Visit
	believed    map[int64]bool // roots, when the epoch opened
	commitments map[voice]marketplace.Commitment
	known       map[knowledge]bool
	seen        map[spot]sighting
	genuine     []marketplace.Report
	said        map[voice]bool
	untold      map[marketplace.Infohash]bool // torrents that are not at hand
}

// A knowledge is a piece whose hashes an auditor knows.
type knowledge struct {
	who      marketplace.Address
	infohash marketplace.Infohash
	piece    int
}

// Judge recomputes an epoch from its public log: who had to ask what and when, what each auditor said
// and whether it could, and what follows from it. It names everything that does not fit.
func (c Case) Judge() Replay {
	j := &judge{Case: c, leases: map[int64]marketplace.Lease{}, visits: map[voice]Visit{},
		commitments: map[voice]marketplace.Commitment{}, known: map[knowledge]bool{},
		seen: map[spot]sighting{}, said: map[voice]bool{}, untold: map[marketplace.Infohash]bool{}}
	j.Epoch, j.Faults, j.Unchecked = c.Log.Epoch.Epoch, []Fault{}, []string{}
	if !j.promise() {
		return j.Replay
	}
	j.panel()
	j.schedule()
	j.accusations()
	j.knowledge()
	j.sealed()
	for _, rep := range c.Log.Reports {
		j.hear(rep)
	}
	j.missing()
	j.agree()
	j.verdicts()
	j.standings()
	slices.SortFunc(j.Faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Lease, b.Lease), bytes.Compare(a.Auditor[:], b.Auditor[:]),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Detail, b.Detail))
	})
	return j.Replay
}

func (j *judge) fault(kind FaultKind, of voice, format string, args ...any) {
	if j.Lease != 0 && of.lease != 0 && !j.looksAt(of.lease) {
		return
	}
	j.Faults = append(j.Faults, Fault{kind, of.lease, of.auditor, fmt.Sprintf(format, args...)})
}

func (j *judge) unchecked(format string, args ...any) {
	j.Unchecked = append(j.Unchecked, fmt.Sprintf(format, args...))
}

// looksAt says whether a lease is one to look at.
func (j *judge) looksAt(lease int64) bool { return j.Lease == 0 || j.Lease == lease }

// promise holds the secret against what was published before. Without a secret nothing can be
// recomputed.
func (j *judge) promise() bool {
	e := j.Log.Epoch
	p := marketplace.Promise{Epoch: e.Epoch, Commit: e.Commit, PromisedAt: e.PromisedAt}
	if e.Secret.IsZero() {
		j.unchecked("epoch %d has no secret yet: it is not over", e.Epoch)
		return false
	}
	if Commit(e.Secret) != e.Commit {
		j.fault(BadPromise, voice{}, "SHA-256 of the secret is %s, promised was %s", Commit(e.Secret),
			e.Commit)
	}
	if !j.Rules.InTime(p) {
		j.fault(BadPromise, voice{}, "the secret was promised %s, and the epoch began %s",
			atOrNever(e.PromisedAt), instant(j.Rules.EpochStart(e.Epoch)))
	}
	switch shown := j.Log.Shown; {
	case shown == nil:
		j.unchecked("what was promised for epoch %d is shown by no epoch before it", e.Epoch)
	case shown.Commit != e.Commit:
		j.fault(BadPromise, voice{}, "epoch %d shows %s as what is promised, and %s was used", e.Epoch-1,
			shown.Commit, e.Commit)
	}
	return true
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func atOrNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return "at " + instant(t)
}

// schedule draws who audits what.
func (j *judge) schedule() {
	e := j.Log.Epoch
	j.plan, j.believed = Plan(j.Rules, e), e.Believed()
	for _, l := range e.Leases {
		j.leases[l.ID] = l
		for _, v := range j.plan[l.ID] {
			j.visits[voice{l.ID, v.Auditor}] = v
			if j.looksAt(l.ID) {
				j.Due++
			}
		}
		if j.looksAt(l.ID) {
			j.Leases++
		}
	}
}

// knowledge gathers which pieces auditors knew the hashes of: those that answered whole, with a pass,
// in their own reports of earlier epochs.
func (j *judge) knowledge() {
	for _, e := range j.Log.Earlier {
		who, err := j.Signer(e.Report.Text(), e.Report.Signature)
		if err != nil || who != e.Report.Auditor || e.Report.Epoch >= j.Log.Epoch.Epoch {
			j.fault(Forged, voice{auditor: e.Report.Auditor}, "report on lease %d in epoch %d shows nothing"+
				" of what was known", e.Report.Lease, e.Report.Epoch)
			continue
		}
		for _, a := range e.Report.Answers {
			if a.Block == marketplace.WholePiece && a.Outcome == marketplace.Pass {
				j.known[knowledge{who, e.Infohash, a.Piece}] = true
			}
		}
	}
}

// sealed looks at the commitments: whether their authors were drawn, and when they came.
func (j *judge) sealed() {
	epoch := j.Log.Epoch.Epoch
	begins, ends := j.Rules.EpochStart(epoch), j.Rules.EpochStart(epoch+1)
	var opened time.Time // the first of all
	for _, c := range j.Log.Commitments {
		if !c.OpenedAt.IsZero() && (opened.IsZero() || c.OpenedAt.Before(opened)) {
			opened = c.OpenedAt
		}
	}
	for _, c := range j.Log.Commitments {
		of := voice{c.Lease, c.Auditor}
		j.commitments[of] = c
		switch {
		case j.visits[of].Auditor.IsZero():
			j.fault(Undrawn, of, "committed to a report on it, and was not drawn")
		case c.At.Before(begins) || !c.At.Before(j.Rules.CommitBy(epoch)):
			j.fault(Late, of, "its commitment was taken at %s; they are from %s to %s", instant(c.At),
				instant(begins), instant(j.Rules.CommitBy(epoch)))
		case !opened.IsZero() && c.At.After(opened.Add(clockSlack)):
			j.fault(Late, of, "its commitment was taken at %s, when the first report had been at %s",
				instant(c.At), instant(opened))
		case !c.OpenedAt.IsZero() && (c.OpenedAt.Before(ends) ||
			c.OpenedAt.After(j.closed(epoch).Add(clockSlack))):
			j.fault(Late, of, "its report was taken at %s; they are from %s to %s", instant(c.OpenedAt),
				instant(ends), instant(j.closed(epoch)))
		}
	}
}

// clockSlack is how much the clocks of a market's processes may differ.
const clockSlack = time.Second

// closed is when an epoch took its last report. It may be judged later than the slack, after an outage.
func (j *judge) closed(epoch int64) time.Time {
	by := j.Rules.ReportBy(epoch)
	if c := j.Log.Epoch.ClosedAt; c.After(by) {
		return c
	}
	return by
}

// missing names the duties that nobody did.
func (j *judge) missing() {
	for _, l := range j.Log.Epoch.Leases {
		for _, v := range j.plan[l.ID] {
			of := voice{l.ID, v.Auditor}
			_, committed := j.commitments[of]
			switch {
			case j.said[of]:
			case committed:
				j.fault(Missing, of, "committed to a report and never opened it")
			default:
				j.fault(Missing, of, "had to report and committed to nothing")
			}
		}
	}
}
