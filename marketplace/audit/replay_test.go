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
	p.Rules.WholeEvery = marketplace.Span(time.Second) // so that everybody asks for a whole piece
	p.Signer = escrow.RecoverText
	p.Torrents = map[marketplace.Infohash]*metainfo.Torrent{p.t.Infohash: p.t}
	began := p.Rules.EpochStart(epoch)
	e := marketplace.AuditEpoch{Epoch: epoch, Hash: marketplace.Hash{2}, Secret: marketplace.Hash{3},
		Commit: audit.Commit(marketplace.Hash{3}), PromisedAt: began.Add(-time.Second)}
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
			State: marketplace.Active, ActiveAt: began.Add(-time.Hour), EndsAt: began.Add(time.Hour)})
	}
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
	seed, plan := e.Seed(), audit.Plan(p.Rules, e)
	for _, l := range e.Leases {
		for _, v := range plan[l.ID] {
			at := v.Tries[0].Add(time.Millisecond)
			r := marketplace.Report{Lease: l.ID, Epoch: e.Epoch, Auditor: v.Auditor, Outcome: pass,
				Tries: []marketplace.Outcome{pass}, Began: []time.Time{at}, At: at.Add(time.Millisecond)}
			asks := audit.Challenges(p.Rules, seed, l.ID, v.Auditor, p.t, p.known)
			for _, c := range audit.Again(l, p.t, asks) {
				r.Answers = append(r.Answers, p.answer(c.Piece, c.Block))
			}
			r = p.signed(r)
			c := r.Sealed()
			c.At, c.OpenedAt = r.At, p.Rules.CommitBy(e.Epoch)
			p.Log.Reports, p.Log.Commitments = append(p.Log.Reports, r), append(p.Log.Commitments, c)
		}
		p.Log.Before = append(p.Log.Before, marketplace.Proof{Lease: l.ID, Epoch: e.Epoch - 1,
			Verdict: marketplace.VerdictPass})
		p.Log.Proofs = append(p.Log.Proofs, marketplace.Proof{Lease: l.ID, Epoch: e.Epoch,
			Verdict: marketplace.VerdictPass, Passes: 3, Reports: 3, Seconds: 5})
	}
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
			Verdict: marketplace.VerdictAccused}
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
			follows := f.Kind == audit.Missing || f.Kind == audit.BadVerdict || f.Kind == audit.BadPay
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

func TestALeaseOnTrialIsJudgedByWhatItsEpochWasAskedFor(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	accuser := p.Log.Reports[0].Auditor
	for i := range p.Log.Epoch.Leases {
		p.Log.Epoch.Leases[i].Accused = &marketplace.Accusation{Epoch: p.Log.Epoch.Epoch - 2,
			Auditor: accuser, Pieces: []int{3}}
	}
	p.Log.Reports, p.Log.Commitments = nil, nil
	p.Log.Before, p.Log.Proofs = nil, nil
	p.tell()
	if r := p.Judge(); len(r.Faults) > 0 || r.Reports != 6 {
		t.Errorf("%+v", r)
	}
	for _, r := range p.Log.Reports {
		if r.Auditor == accuser || r.Answers[0].Piece != 3 {
			t.Errorf("%s is asked first for %+v", r.Auditor, r.Answers[0])
		}
	}
	p.lie(func(r *marketplace.Report) { r.Answers = r.Answers[1:] })
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
