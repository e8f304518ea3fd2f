package audit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A past is an epoch that was, and the keys of who audited it.
type past struct {
	*testing.T
	audit.Case
	keys map[marketplace.Address]escrow.Key
	all  []byte // the content
	file string // ... on disk
	t    *metainfo.Torrent

	known func(piece int) bool // what blocks are asked of alone
}

// pastEpoch is an epoch of two leases on a v2 torrent.
func pastEpoch(t *testing.T) *past {
	t.Helper()
	return pastEpochOf(t, metainfo.V2)
}

// pastEpochOf is the same of a format. Each auditor knows the even pieces.
func pastEpochOf(t *testing.T, format metainfo.Format) *past {
	t.Helper()
	p := &past{T: t, keys: map[marketplace.Address]escrow.Key{}, all: make([]byte, 300_000),
		known: func(piece int) bool { return piece%2 == 0 }}
	for i := range p.all {
		p.all[i] = byte(i * i >> 3)
	}
	file := filepath.Join(t.TempDir(), "a")
	p.file = file
	if err := os.WriteFile(file, p.all, 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := format.Build(t.Context(), file, 32<<10, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.t = parse(t, raw)
	const epoch = 400_000_000
	p.Rules = marketplace.DevnetRules()
	p.Rules.CarriedBps = 10_000                        // all, but in quiet windows
	p.Rules.WholeEvery = marketplace.Span(time.Second) // so that everybody asks for a whole piece
	p.Signer = escrow.RecoverText
	p.Torrents = map[marketplace.Infohash]*metainfo.Torrent{p.t.Infohash: p.t}
	began := p.Rules.EpochStart(epoch)
	e := marketplace.AuditEpoch{Epoch: epoch, Hash: marketplace.Hash{2}, Secret: marketplace.Hash{3},
		Commit: audit.Commit(marketplace.Hash{3}), PromisedAt: began.Add(-time.Second),
		NamedAt: began.Add(-time.Second), OpenedAt: began.Add(time.Millisecond)}
	p.Log.Shown = &marketplace.Promise{Epoch: epoch, Commit: e.Commit, PromisedAt: e.PromisedAt}
	var who []marketplace.Address
	for i := range byte(4) { // the same ones always, so that the draw is the same
		k, err := escrow.ParseKey(strings.Repeat("00", 31) + hex.EncodeToString([]byte{i + 1}))
		if err != nil {
			t.Fatal(err)
		}
		p.keys[k.Address()] = k
		who = append(who, k.Address())
	}
	e.Auditors = marketplace.SignersPanel(who)
	for id := range int64(2) {
		e.Leases = append(e.Leases, marketplace.Lease{ID: id + 1, Infohash: p.t.Infohash,
			Agent: marketplace.Address{byte(id + 1)}, State: marketplace.Active,
			ActiveAt: began.Add(-time.Hour), EndsAt: began.Add(time.Hour)})
	}
	e.Canaries = []marketplace.Canary{{Lease: 2, Agent: marketplace.Address{2}}} // a sound one
	e.CanarySalt = marketplace.Hash{4}
	e.CanarySeal = marketplace.Seal(e.Canaries, e.CanarySalt)
	p.Log.Epoch = e
	for _, who := range who {
		p.Log.Earlier = append(p.Log.Earlier, p.earlier(who))
	}
	p.tell()
	return p
}

// earlier is a report of the epoch before in which the even pieces answered whole.
func (p *past) earlier(who marketplace.Address) marketplace.Earlier {
	r := marketplace.Report{Lease: 7, Epoch: p.Log.Epoch.Epoch - 1, Auditor: who, Outcome: pass,
		Tries: []marketplace.Outcome{pass}}
	for piece := 0; piece < p.t.Pieces; piece += 2 {
		r.Answers = append(r.Answers, p.answer(piece, marketplace.WholePiece))
	}
	return marketplace.Earlier{Infohash: p.t.Infohash, Report: p.signed(r)}
}

func (p *past) answer(piece, block int) marketplace.Answer {
	a := marketplace.Answer{Piece: piece, Block: block, Outcome: pass}
	if block == marketplace.WholePiece {
		a.Hash = p.t.Root(piece, p.leaves(piece))
		return a
	}
	at := piece*int(p.t.PieceLength) + block*metainfo.BlockSize
	a.Hash = sha256.Sum256(p.all[at:min(len(p.all), at+metainfo.BlockSize)])
	return a
}

func (p *past) leaves(piece int) (all []marketplace.Hash) {
	for block := range int(p.t.PieceSize(piece)+metainfo.BlockSize-1) / metainfo.BlockSize {
		all = append(all, p.answer(piece, block).Hash)
	}
	return all
}

func (p *past) signed(r marketplace.Report) marketplace.Report {
	p.Helper()
	var err error
	if r.Signature, err = p.keys[r.Auditor].SignText(r.Text()); err != nil {
		p.Fatal(err)
	}
	return r
}

// tell lets all auditors pass all leases, and pays for it.
func (p *past) tell() {
	e := p.Log.Epoch
	plan, believed := audit.Plan(p.Rules, e), e.Believed()
	for _, l := range e.Leases {
		share := audit.RationOf(p.Rules, p.t, l, believed[l.ID])
		for _, v := range plan[l.ID] {
			at := v.Tries[0].Add(time.Millisecond)
			r := marketplace.Report{Lease: l.ID, Epoch: e.Epoch, Auditor: v.Auditor, Outcome: pass,
				Tries: []marketplace.Outcome{pass}, Began: []time.Time{at}, At: at.Add(time.Millisecond)}
			asks := audit.Challenges(share, v.Seed, p.t, p.known)
			if asks = audit.Again(share, l, p.t, asks); v.InWindow() {
				asks = audit.Burst(share, v.Burst, p.t, asks)
			}
			if audit.IsCarried(p.Rules, v.Part) {
				r.Carriers = []marketplace.Address{{77}}
			}
			for _, c := range asks {
				r.Answers = append(r.Answers, p.answer(c.Piece, c.Block))
			}
			r = p.signed(r)
			c := r.Sealed()
			c.At, c.OpenedAt = r.At, p.Rules.CommitBy(e.Epoch)
			p.Log.Reports, p.Log.Commitments = append(p.Log.Reports, r), append(p.Log.Commitments, c)
		}
		p.Log.Before = append(p.Log.Before, marketplace.Proof{Lease: l.ID, Epoch: e.Epoch - 1,
			Verdict: marketplace.VerdictPass, Clean: l.Clean})
		proof := marketplace.Proof{Lease: l.ID, Epoch: e.Epoch,
			Verdict: marketplace.VerdictPass, Passes: 3, Reports: 3, Clean: l.CleanMin}
		if l.Shown() {
			proof.Seconds = 5
		}
		if l.Accused.Waits() {
			proof.Hearing = &marketplace.Hearing{Epoch: l.Accused.Epoch, Auditor: l.Accused.Auditor,
				Outcome: marketplace.Refuted}
		}
		p.Log.Proofs = append(p.Log.Proofs, proof)
	}
	p.watch()
}

// watch tells what the epoch made of its auditors, of whom each was without fault before.
func (p *past) watch() {
	e := p.Log.Epoch
	due := p.Rules.Duties(e, p.Log.Reports, marketplace.Truths(e.Canaries))
	for _, proof := range p.Log.Proofs {
		if proof.Hearing != nil {
			d := due[proof.Hearing.Auditor]
			d.Refuted++
			due[proof.Hearing.Auditor] = d
		}
	}
	p.Log.Shifts = nil
	for _, seat := range e.Auditors {
		before := p.Rules.NewRecord(p.Rules.EpochStart(e.Epoch - 2))
		after := p.Rules.Watch(before, e.Epoch, due[seat.Auditor])
		p.Log.Shifts = append(p.Log.Shifts,
			marketplace.Shift{Epoch: e.Epoch - 1, Auditor: seat.Auditor, Is: marketplace.New, After: &before},
			marketplace.Shift{Epoch: e.Epoch, Auditor: seat.Auditor, Duties: due[seat.Auditor],
				Was: marketplace.New, Before: &before, After: &after,
				Is: p.Rules.Standing(marketplace.New, after, e.Epoch)})
	}
}

// accuse lets an auditor accuse a piece of a lease in an earlier epoch, alone.
func (p *past) accuse(lease, ago int64, who marketplace.Address, piece int) *marketplace.Accusation {
	r := marketplace.Report{Lease: lease, Epoch: p.Log.Epoch.Epoch - ago, Auditor: who, Outcome: bad,
		Tries:   []marketplace.Outcome{bad},
		Answers: []marketplace.Answer{{Piece: piece, Block: marketplace.WholePiece, Outcome: bad}}}
	p.Log.Accusers = append(p.Log.Accusers, p.signed(r))
	return &marketplace.Accusation{Epoch: r.Epoch, Auditor: who, Pieces: r.Wrong()}
}

// trial puts all leases on trial, accused two epochs before, and tells the epoch anew.
func (p *past) trial() (accuser marketplace.Address) {
	accuser = p.Log.Reports[0].Auditor
	for i := range p.Log.Epoch.Leases {
		l := &p.Log.Epoch.Leases[i]
		l.Accused = p.accuse(l.ID, 2, accuser, 3)
	}
	p.Log.Reports, p.Log.Commitments = nil, nil
	p.Log.Before, p.Log.Proofs = nil, nil
	p.tell()
	return accuser
}

// accusedBefore has the first lease accused in the epoch before, which was judged when this one had
// opened, by one of its auditors.
func (p *past) accusedBefore() *marketplace.Proof {
	of := p.accuse(1, 1, p.Log.Reports[0].Auditor, 3)
	before := &p.Log.Before[0]
	before.Verdict, before.Accuser = marketplace.VerdictAccused, of.Auditor
	before.At = p.Log.Epoch.OpenedAt.Add(time.Second)
	p.Log.Proofs[0].Seconds = 0
	return before
}

// tried has the first report tell of more tries, the later ones at the end of the epoch.
func (p *past) tried(all ...marketplace.Outcome) {
	p.lie(func(r *marketplace.Report) {
		for i := len(all) - 2; i >= 0; i-- {
			r.At = p.Rules.EpochStart(r.Epoch + 1).Add(-time.Second - time.Duration(i)*p.Rules.AttemptGap.Duration())
			r.Began = append(r.Began, r.At)
		}
		r.Tries = all
	})
}

// lie lets the author of the first report say something else, which it signs and commits to.
func (p *past) lie(change func(*marketplace.Report)) {
	change(&p.Log.Reports[0])
	p.Log.Reports[0] = p.signed(p.Log.Reports[0])
	p.Log.Commitments[0].Hash = p.Log.Reports[0].Commitment()
}

// whole returns the index of an answer of a whole piece, or of a block.
func (p *past) whole(whole bool) int {
	i := slices.IndexFunc(p.Log.Reports[0].Answers, func(a marketplace.Answer) bool {
		return (a.Block == marketplace.WholePiece) == whole
	})
	if i < 0 {
		p.Fatal("the draw has none")
	}
	return i
}

// reseal has the market seal other canaries from the beginning.
func (p *past) reseal(all ...marketplace.Canary) {
	e := &p.Log.Epoch
	e.Canaries, e.CanarySeal = all, marketplace.Seal(all, e.CanarySalt)
}

// gaveUp lets the author of the first report try in vain, each time as planned and over at once.
func (p *past) gaveUp(found marketplace.Outcome, tries int) {
	p.lie(func(r *marketplace.Report) {
		plan := audit.Plan(p.Rules, p.Log.Epoch)[r.Lease]
		i := slices.IndexFunc(plan, func(v audit.Visit) bool { return v.Auditor == r.Auditor })
		r.Outcome, r.Tries = found, slices.Repeat([]marketplace.Outcome{found}, tries)
		r.Carriers = []marketplace.Address{{77}, {77}, {78}}[:tries]
		r.Began, r.Answers = slices.Clone(plan[i].Tries[:tries]), slices.Clone(r.Answers)
		for j := range r.Began {
			r.Began[j] = r.Began[j].Add(time.Millisecond)
		}
		r.At = r.Began[tries-1]
		for j := range r.Answers {
			r.Answers[j].Outcome, r.Answers[j].Hash = found, marketplace.Hash{}
		}
	})
	p.Log.Proofs[0].Passes = 2
	p.watch()
}

func TestWhoTriedAsOftenAsThereWasTimeForMayGiveUp(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	p.gaveUp(away, p.Rules.Attempts)
	if r := p.Judge(); len(r.Faults) > 0 {
		t.Errorf("after all its tries: %+v", r.Faults)
	}
	p = pastEpoch(t)
	p.gaveUp(timeout, 1)
	p.lie(func(r *marketplace.Report) { // it came to it late, and the next would be later still
		last := p.Rules.EpochStart(r.Epoch + 1).Add(-p.Rules.ProbeTimeout.Duration())
		r.Began[0] = last.Add(time.Millisecond - p.Rules.AttemptGap.Duration())
		r.At = r.Began[0]
	})
	if r := p.Judge(); len(r.Faults) > 0 {
		t.Errorf("there was no more time: %+v", r.Faults)
	}
}

func TestALeaseAccusedInTheEpochBeforeIsJudgedByWhoAccusedIt(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	accuser := p.accusedBefore().Accuser
	if r := p.Judge(); len(r.Faults) > 0 {
		t.Fatalf("passed by all: %+v", r.Faults)
	}
	// The second one that accuses it is believed at once, and the first one is not again.
	for i, verdict := range map[int]marketplace.Verdict{0: marketplace.VerdictPass,
		1: marketplace.VerdictDataFault} {
		p := pastEpoch(t)
		p.accusedBefore()
		says := &p.Log.Reports[i]
		says.Outcome, says.Tries = bad, []marketplace.Outcome{bad}
		at := slices.IndexFunc(says.Answers, func(a marketplace.Answer) bool {
			return a.Block != marketplace.WholePiece
		})
		says.Answers[at].Outcome, says.Answers[at].Hash = bad, marketplace.Hash{5}
		*says = p.signed(*says)
		p.Log.Commitments[i].Hash = says.Commitment()
		p.Log.Proofs[0].Passes, p.Log.Proofs[0].Verdict = 2, verdict
		if verdict == marketplace.VerdictDataFault {
			p.Log.Proofs[0].Hearing = &marketplace.Hearing{Epoch: p.Log.Epoch.Epoch - 1, Auditor: accuser,
				Outcome: marketplace.Confirmed}
		}
		if r := p.Judge(); len(r.Faults) > 0 {
			t.Errorf("auditor %d accuses it: %+v", i, r.Faults)
		}
		p.Log.Proofs[0].Verdict = map[marketplace.Verdict]marketplace.Verdict{
			marketplace.VerdictPass:      marketplace.VerdictDataFault,
			marketplace.VerdictDataFault: marketplace.VerdictPass}[verdict]
		if r := p.Judge(); !slices.ContainsFunc(r.Faults, func(f audit.Fault) bool {
			return f.Kind == audit.BadVerdict
		}) {
			t.Errorf("auditor %d accuses it, and it is told to be %s: %+v", i, p.Log.Proofs[0].Verdict,
				r.Faults)
		}
	}
}

func TestAnAccusationIsHeardOnce(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	p.trial()
	for i := range p.Log.Proofs { // refuted in the epoch before, which was judged when this one had opened
		p.Log.Before[i].Hearing, p.Log.Proofs[i].Hearing = p.Log.Proofs[i].Hearing, nil
	}
	p.watch()
	if r := p.Judge(); len(r.Faults) > 0 {
		t.Errorf("%+v", r.Faults)
	}
	p.Log.Proofs[0].Hearing = p.Log.Before[0].Hearing
	p.watch()
	if r := p.Judge(); len(r.Faults) != 1 || r.Faults[0].Kind != audit.BadAccusation {
		t.Errorf("refuted twice: %+v", r.Faults)
	}
}

func TestWhatASealHidesIsUncheckedUntilItIsToBeOpen(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	p.Log.Epoch.Canaries, p.Log.Epoch.CanarySalt = nil, marketplace.Hash{}
	for i, s := range p.Log.Shifts[2:] { // of the others it may have been opened while we read
		p.Log.Shifts[2+i] = s.Sealed()
	}
	p.At = p.Rules.EpochStart(p.Log.Epoch.Epoch + 2)
	if r := p.Judge(); len(r.Faults) > 0 || len(r.Unchecked) != 1 ||
		!strings.Contains(r.Unchecked[0], "sealed until") {
		t.Errorf("sealed: %+v, not checked %q", r.Faults, r.Unchecked)
	}
	p.Log.Shifts[1].Done--
	if r := p.Judge(); len(r.Faults) != 1 || r.Faults[0].Kind != audit.BadStanding {
		t.Errorf("and of a duty that was done is told nothing: %+v", r.Faults)
	}
}

func TestATrueEpochReplaysWithoutFault(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	r := p.Judge()
	if len(r.Faults) > 0 || len(r.Unchecked) > 0 || r.Due != 6 || r.Reports != 6 || r.Leases != 2 ||
		r.Proven == 0 || r.Answers <= r.Proven {
		t.Errorf("%+v", r)
	}
	p.Lease = 2
	if r := p.Judge(); len(r.Faults) > 0 || r.Due != 3 || r.Reports != 3 || r.Leases != 1 {
		t.Errorf("one lease: %+v", r)
	}
}

// falsifications are what can be wrong with the log of an epoch, and how it is named.
var falsifications = map[string]struct {
	kind audit.FaultKind
	make func(*past)
}{
	"another secret than was promised": {audit.BadPromise, func(p *past) {
		p.Log.Epoch.Commit[0]++
		p.Log.Shown.Commit[0]++
	}},
	"a promise that the epoch before does not show": {audit.BadPromise, func(p *past) {
		p.Log.Shown.Commit[0]++
	}},
	"a promise made when the epoch had begun": {audit.BadPromise, func(p *past) {
		p.Log.Epoch.PromisedAt = p.Rules.EpochStart(p.Log.Epoch.Epoch)
	}},
	"a duty that nobody did": {audit.Missing, func(p *past) {
		p.Log.Reports, p.Log.Commitments = p.Log.Reports[1:], p.Log.Commitments[1:]
		p.Log.Proofs[0].Passes, p.Log.Proofs[0].Reports = 2, 2
	}},
	"a commitment that was never opened": {audit.Missing, func(p *past) {
		p.Log.Reports, p.Log.Commitments[0].OpenedAt = p.Log.Reports[1:], time.Time{}
		p.Log.Proofs[0].Passes, p.Log.Proofs[0].Reports = 2, 2
	}},
	"a late commitment": {audit.Late, func(p *past) {
		p.Log.Commitments[0].At = p.Rules.CommitBy(p.Log.Epoch.Epoch)
	}},
	"a commitment after others were revealed": {audit.Late, func(p *past) {
		over := p.Rules.EpochStart(p.Log.Epoch.Epoch + 1)
		p.Rules.ReportSlack = marketplace.Span(20 * time.Second)
		p.Log.Commitments[1].OpenedAt, p.Log.Commitments[0].At = over, over.Add(5*time.Second)
	}},
	"a late report": {audit.Late, func(p *past) {
		p.Log.Commitments[0].OpenedAt = p.Rules.ReportBy(p.Log.Epoch.Epoch).Add(2 * time.Second)
	}},
	"a report revealed while the epoch ran": {audit.Late, func(p *past) {
		p.Log.Commitments[0].OpenedAt = p.Rules.EpochStart(p.Log.Epoch.Epoch).Add(4 * time.Second)
	}},
	"a report that was changed": {audit.Forged, func(p *past) { p.Log.Reports[0].Bytes++ }},
	"a report in another's name": {audit.Forged, func(p *past) {
		other := p.Log.Reports[1]
		other.Auditor = p.Log.Reports[0].Auditor
		p.Log.Reports[0] = other
	}},
	"an auditor that was not drawn": {audit.Undrawn, func(p *past) {
		r := p.Log.Reports[0]
		plan := audit.Plan(p.Rules, p.Log.Epoch)[r.Lease]
		for who := range p.keys {
			if !slices.ContainsFunc(plan, func(v audit.Visit) bool { return v.Auditor == who }) {
				r.Auditor = who
			}
		}
		r = p.signed(r)
		p.Log.Reports = append(p.Log.Reports, r)
		p.Log.Commitments = append(p.Log.Commitments, r.Sealed())
	}},
	"another report than was committed to": {audit.Unopened, func(p *past) {
		p.Log.Commitments[0].Hash[0]++
	}},
	"a report without a commitment": {audit.Unopened, func(p *past) {
		p.Log.Commitments = p.Log.Commitments[1:]
	}},
	"too few challenges": {audit.BadChallenges, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Answers = r.Answers[:len(r.Answers)-1] })
	}},
	"a challenge of one's own choice": {audit.BadChallenges, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Answers = append(r.Answers, p.answer(0, 0)) })
	}},
	"a whole piece in place of one that was due": {audit.BadChallenges, func(p *past) {
		p.lie(func(r *marketplace.Report) {
			at := p.whole(true)
			r.Answers[at] = p.answer((r.Answers[at].Piece+1)%p.t.Pieces, marketplace.WholePiece)
		})
	}},
	"more tries than were due": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Tries = []marketplace.Outcome{away, away, away, pass} })
	}},
	"a try after a pass": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) {
			late := p.Rules.EpochStart(r.Epoch + 1).Add(-time.Second) // and at a good time
			r.Tries, r.Began, r.At = []marketplace.Outcome{pass, pass}, append(r.Began, late), late
		})
	}},
	"an outcome that its tries do not come to": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Tries = []marketplace.Outcome{timeout} })
	}},
	"a pass whose answers failed": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Answers[0].Outcome = timeout })
	}},
	"a try before its time": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Began[0] = r.Began[0].Add(-2 * time.Millisecond) })
	}},
	"a try after the epoch": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) {
			r.Began[0] = p.Rules.EpochStart(r.Epoch + 1)
			r.At = r.Began[0]
		})
	}},
	"a line that was not to be lent": {audit.BadTries, func(p *past) { p.Rules.CarriedBps = 0 }},
	"more lines than tries": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Carriers = append(r.Carriers, marketplace.Address{78}) })
	}},
	"the line of whom it visited": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Carriers[0] = p.Log.Epoch.Leases[0].Agent })
	}},
	"one line for every try": {audit.BadTries, func(p *past) {
		p.tried(away, away, pass)
		p.lie(func(r *marketplace.Report) {
			r.Carriers = []marketplace.Address{{77}, {77}, {77}}
		})
	}},
	"tries closer than the gap": {audit.BadTries, func(p *past) {
		p.lie(func(r *marketplace.Report) {
			late := p.Rules.EpochStart(r.Epoch + 1).Add(-200 * time.Millisecond)
			r.Tries = []marketplace.Outcome{away, pass}
			r.Began, r.At = []time.Time{late, late.Add(100 * time.Millisecond)}, late.Add(time.Second)
		})
	}},
	"a hash that the torrent contradicts": {audit.BadAnswer, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Answers[p.whole(true)].Hash[0]++ })
	}},
	"an accusation with the right hash": {audit.BadAnswer, func(p *past) {
		p.lie(func(r *marketplace.Report) {
			r.Answers[p.whole(true)].Outcome = bad
			r.Outcome, r.Tries = bad, []marketplace.Outcome{bad}
		})
		p.Log.Proofs[0] = marketplace.Proof{Lease: 1, Epoch: p.Log.Epoch.Epoch, Passes: 2, Reports: 3,
			Verdict: marketplace.VerdictAccused, Accuser: p.Log.Reports[0].Auditor}
	}},
	"a pass of nothing": {audit.BadAnswer, func(p *past) {
		p.lie(func(r *marketplace.Report) { r.Answers[p.whole(false)].Hash = marketplace.Hash{} })
	}},
	"a verdict of two who were outvoted": {audit.BadVerdict, func(p *past) {
		p.Log.Proofs[0] = marketplace.Proof{Lease: 1, Epoch: p.Log.Epoch.Epoch, Passes: 3, Reports: 3,
			Verdict: marketplace.VerdictFail}
	}},
	"a verdict that the reports do not bear": {audit.BadVerdict, func(p *past) {
		p.lie(func(r *marketplace.Report) {
			r.Outcome, r.Tries = bad, []marketplace.Outcome{bad}
			a := &r.Answers[p.whole(false)]
			a.Outcome, a.Hash = bad, marketplace.Hash{5}
		})
	}},
	"a panel that was named when the epoch had begun": {audit.BadPanel, func(p *past) {
		p.Log.Epoch.NamedAt = p.Rules.EpochStart(p.Log.Epoch.Epoch)
	}},
	"a panel that was never named": {audit.BadPanel, func(p *past) {
		p.Log.Epoch.NamedAt = time.Time{}
	}},
	"other canaries than were sealed": {audit.BadCanaries, func(p *past) {
		p.Log.Epoch.Canaries[0].Silent = true
	}},
	"canaries where nothing was sealed": {audit.BadCanaries, func(p *past) {
		p.Log.Epoch.CanarySeal = marketplace.Hash{}
	}},
	"a canary that its agent does not keep": {audit.BadCanaries, func(p *past) {
		p.reseal(marketplace.Canary{Lease: 2, Agent: marketplace.Address{2}},
			marketplace.Canary{Lease: 9, Agent: marketplace.Address{2}})
	}},
	"a lease of a canary that is kept out of the seal": {audit.BadCanaries, func(p *past) {
		p.Log.Epoch.Leases[0].Agent = marketplace.Address{2}
	}},
	"a seal that is never opened": {audit.BadCanaries, func(p *past) {
		p.Log.Epoch.Canaries, p.Log.Epoch.CanarySalt = nil, marketplace.Hash{}
		p.At = p.Rules.EpochStart(p.Log.Epoch.Epoch).Add(p.Rules.CanarySealed.Duration() + time.Hour)
	}},
	"a lie to a canary that costs nothing": {audit.BadStanding, func(p *past) {
		p.reseal(marketplace.Canary{Lease: 2, Agent: marketplace.Address{2}, Silent: true})
	}},
	"duties that an auditor did not do": {audit.BadStanding, func(p *past) { p.Log.Shifts[1].Done++ }},
	"a record that what was done does not come to": {audit.BadStanding, func(p *past) {
		p.Log.Shifts[1].After.Reputation.Bad++
	}},
	"a record that is not the one of the epoch before": {audit.BadStanding, func(p *past) {
		other := *p.Log.Shifts[0].After
		other.Passed++
		p.Log.Shifts[0].After = &other
	}},
	"a standing that the record does not bear": {audit.BadStanding, func(p *past) {
		p.Log.Shifts[1].Is = marketplace.Disqualified
	}},
	"an auditor whose duties are kept silent about": {audit.BadStanding, func(p *past) {
		p.Log.Shifts = p.Log.Shifts[2:]
	}},
	"another accuser than accused in the epoch before": {audit.BadAccusation, func(p *past) {
		p.accusedBefore().Accuser = p.Log.Reports[1].Auditor
	}},
	"an accusation that nobody made": {audit.BadAccusation, func(p *past) {
		p.accusedBefore()
		p.Log.Accusers = nil
	}},
	"an accusation in another's name": {audit.BadAccusation, func(p *past) {
		p.trial()
		p.Log.Accusers[0].Bytes++
	}},
	"an accusation by who found nothing": {audit.BadAccusation, func(p *past) {
		p.trial()
		said := p.Log.Accusers[0]
		said.Outcome, said.Tries = pass, []marketplace.Outcome{pass}
		p.Log.Accusers[0] = p.signed(said)
	}},
	"a hearing that asks for other pieces": {audit.BadAccusation, func(p *past) {
		p.trial()
		said := p.Log.Accusers[0]
		said.Answers = slices.Clone(said.Answers)
		said.Answers[0].Piece = 5
		p.Log.Accusers[0] = p.signed(said)
	}},
	"an accusation that was known and is not heard": {audit.BadAccusation, func(p *past) {
		before := p.accusedBefore()
		before.At = p.Log.Epoch.OpenedAt.Add(-time.Minute)
	}},
	"a hearing of another than accused": {audit.BadAccusation, func(p *past) {
		p.trial()
		p.Log.Before[0].Verdict, p.Log.Before[0].Accuser = marketplace.VerdictAccused,
			p.Log.Reports[0].Auditor
		p.Log.Proofs[0].Seconds = 0
	}},
	"an accusation that was refuted and stands": {audit.BadAccusation, func(p *past) {
		p.trial()
		p.Log.Proofs[0].Hearing = nil
	}},
	"an accusation that the reports confirm and that is told refuted": {audit.BadAccusation, func(p *past) {
		p.trial()
		p.Log.Proofs[0].Hearing.Outcome = marketplace.Confirmed
	}},
	"an accuser that the reports do not have": {audit.BadAccusation, func(p *past) {
		p.lie(func(r *marketplace.Report) {
			r.Outcome, r.Tries = bad, []marketplace.Outcome{bad}
			a := &r.Answers[p.whole(false)]
			a.Outcome, a.Hash = bad, marketplace.Hash{5}
		})
		p.Log.Proofs[0] = marketplace.Proof{Lease: 1, Epoch: p.Log.Epoch.Epoch, Passes: 2, Reports: 3,
			Verdict: marketplace.VerdictAccused, Accuser: p.Log.Reports[1].Auditor}
	}},
	"a try that was due and not made": {audit.BadTries, func(p *past) { p.gaveUp(away, 1) }},
	"a last try that was not made":    {audit.BadTries, func(p *past) { p.gaveUp(timeout, 2) }},
	"pay for more than the epoch has": {audit.BadPay, func(p *past) { p.Log.Proofs[0].Seconds++ }},
	"pay without a pass before":       {audit.BadPay, func(p *past) { p.Log.Before = nil }},
}

func TestEveryFalsificationOfALogIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range falsifications {
		p := pastEpoch(t)
		c.make(p)
		r := p.Judge()
		var told []string
		for _, f := range r.Faults {
			told = append(told, string(f.Kind)+": "+f.Detail)
		}
		if !slices.ContainsFunc(r.Faults, func(f audit.Fault) bool { return f.Kind == c.kind }) {
			t.Errorf("%s: want %s, got %s", name, c.kind, strings.Join(told, "\n"))
		}
		for _, f := range r.Faults { // what follows from it may be named too, and nothing else
			follows := f.Kind == audit.Missing || f.Kind == audit.BadVerdict || f.Kind == audit.BadPay ||
				f.Kind == audit.BadStanding
			if f.Kind != c.kind && !follows && c.kind != audit.BadTries {
				t.Errorf("%s: also %s: %s", name, f.Kind, f.Detail)
			}
		}
	}
}

func TestABlockThatItsAuditorCouldNotCheckIsNamed(t *testing.T) {
	t.Parallel()
	p := pastEpochOf(t, metainfo.V1)
	if r := p.Judge(); len(r.Faults) > 0 || r.Proven > 0 || r.Agreed == 0 {
		t.Fatalf("a true log of a v1 torrent: %+v", r)
	}
	known := p.Log.Earlier
	p.Log.Earlier = nil
	if r := p.Judge(); len(r.Faults) == 0 || r.Faults[0].Kind != audit.BadChallenges {
		t.Errorf("nobody knew a piece: %+v", r.Faults)
	}
	for i := range known { // what one says of the same epoch shows nothing
		known[i].Report.Epoch++
		known[i].Report = p.signed(known[i].Report)
	}
	p.Log.Earlier = known
	if r := p.Judge(); len(r.Faults) == 0 {
		t.Error("a report of the same epoch shows what was known in it")
	}
}

func TestAPeerThatProvesNoBlockIsAskedForThePiece(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	p.lie(func(r *marketplace.Report) {
		at := p.whole(false)
		piece := r.Answers[at].Piece
		r.Answers[at] = p.answer(piece, marketplace.WholePiece)
		r.Answers = append(r.Answers[:at+1], slices.DeleteFunc(r.Answers[at+1:],
			func(a marketplace.Answer) bool { return a.Piece == piece })...)
	})
	if r := p.Judge(); len(r.Faults) > 0 {
		t.Errorf("%+v", r.Faults)
	}
}

// wholeOf returns which answer is the first of a whole piece.
func wholeOf(r marketplace.Report) int {
	return slices.IndexFunc(r.Answers, func(a marketplace.Answer) bool {
		return a.Block == marketplace.WholePiece
	})
}

func TestALeaseOnTrialIsJudgedByWhatItsEpochWasAskedFor(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	accuser := p.trial()
	if r := p.Judge(); len(r.Faults) > 0 || r.Reports != 6 {
		t.Errorf("%+v", r)
	}
	for _, r := range p.Log.Reports {
		first := r.Answers[wholeOf(r)] // of the pieces; in a quiet window blocks come before them
		if r.Auditor == accuser || first.Piece != 3 {
			t.Errorf("%s is asked first for %+v", r.Auditor, first)
		}
	}
	p.lie(func(r *marketplace.Report) { r.Answers = slices.Delete(r.Answers, wholeOf(*r), wholeOf(*r)+1) })
	if r := p.Judge(); len(r.Faults) != 1 || r.Faults[0].Kind != audit.BadChallenges {
		t.Errorf("without the piece in question: %+v", r.Faults)
	}
}

func TestAuditorsOfAV1TorrentThatDisagreeAreNamed(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	at := slices.IndexFunc(p.Log.Reports[0].Answers, func(a marketplace.Answer) bool {
		return a.Block != marketplace.WholePiece &&
			slices.ContainsFunc(p.Log.Reports[1:], func(r marketplace.Report) bool {
				return slices.Contains(r.Answers, a)
			})
	})
	if at < 0 {
		t.Fatal("no two auditors were drawn the same block")
	}
	p.lie(func(r *marketplace.Report) { r.Answers[at].Hash[0]++ })
	if r := p.Judge(); len(r.Faults) != 1 || r.Faults[0].Kind != audit.BadAnswer {
		t.Errorf("%+v", r.Faults)
	}
}

func TestARootTellsABlockOnlyWhereItIsTheWholePiece(t *testing.T) {
	t.Parallel()
	for size, tells := range map[int]bool{metainfo.BlockSize: true, 100: true,
		metainfo.BlockSize + 1: false, 5 * metainfo.BlockSize: false} {
		file := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(file, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		raw, err := metainfo.V2.Build(t.Context(), file, 32<<10, nil)
		if err != nil {
			t.Fatal(err)
		}
		meta := parse(t, raw)
		h, ok := audit.Told(meta, 0, 0)
		if ok != tells || ok && h != sha256.Sum256(make([]byte, size)) {
			t.Errorf("%d bytes: %s %v", size, h, ok)
		}
	}
}

func TestVisitsThatWereCarriedAreCounted(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	carried := 0
	for _, r := range p.Log.Reports {
		carried += len(r.Carriers)
	}
	if r := p.Judge(); len(r.Faults) > 0 || carried == 0 || r.Carried != carried || r.Carriable != carried {
		t.Errorf("%d visits were carried: %+v", carried, r)
	}
	p.tried(away, away, pass)
	p.lie(func(r *marketplace.Report) { // nobody was there at first
		r.Carriers = []marketplace.Address{r.Auditor, {78}, {78}}
	})
	if r := p.Judge(); len(r.Faults) > 0 || r.Carried != carried+1 || r.Carriable != carried+2 {
		t.Errorf("%d of %d tries were carried: %+v", carried+1, carried+2, r)
	}
}
