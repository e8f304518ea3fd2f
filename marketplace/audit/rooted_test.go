package audit_test

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent/swarm"
)

// committed returns a v1 torrent as it is for whoever asks an agent that committed to its root.
func committed(t *testing.T, e *swarm.Engine, meta *metainfo.Torrent) *metainfo.Torrent {
	t.Helper()
	c, ok := meta.Committed(rootOf(t, e, meta))
	if !ok {
		t.Fatal("the agent has no root")
	}
	return c
}

func rootOf(t *testing.T, e *swarm.Engine, meta *metainfo.Torrent) marketplace.Hash {
	t.Helper()
	if err := e.Wait(t.Context(), meta.Infohash); err != nil {
		t.Fatal(err)
	}
	root, err := e.Root(t.Context(), meta.Infohash)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// withPath asks for a proof by the root, too.
func withPath(asks []audit.Challenge) []audit.Challenge {
	for i := range asks {
		asks[i].Path = true
	}
	return asks
}

// ask is a try of patience.
func ask(t *testing.T, peer netip.AddrPort, meta *metainfo.Torrent, asks []audit.Challenge) audit.Finding {
	t.Helper()
	return audit.Probe(t.Context(), devnet, 20*time.Second, peer, meta, asks, nil)
}

func TestABlockOfAV1TorrentIsProvenAloneByTheRootThatItsAgentCommittedTo(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), agent(t, parent, raw)
	asks := blocks(t, parent, meta)
	f := ask(t, e.Addr(), committed(t, e, meta), unknown(asks))
	if f.Outcome != pass || f.Bytes != meta.Stored() || len(f.Answers) != len(asks) {
		t.Fatalf("%s, %d bytes for %+v (%v)", f.Outcome, f.Bytes, f.Answers, f.Err)
	}
	for i, a := range f.Answers {
		if a.Block != asks[i].Block || a.Hash != asks[i].Leaf {
			t.Errorf("%+v answers %+v", a, asks[i])
		}
	}
	const layers = 2 + 3 // four blocks a piece, five pieces
	if more := f.Wire - f.Bytes; more > 4000+int64(len(asks))*(40+2*(4+3+48)+(1+layers)*32) {
		t.Errorf("%d bytes on the wire beside content", more)
	}
}

func TestWhatCameIsProvenToBeOfTheRoot(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{16 << 10, 64 << 10, 1 << 20} { // the last is one piece
		parent, raw, _ := content(t, length, 192<<10, 100_000)
		meta, e := parse(t, raw), agent(t, parent, raw)
		c := committed(t, e, meta)
		asks := withPath(whole(meta.Pieces-1, 0))
		f := ask(t, e.Addr(), c, asks[:min(2, meta.Pieces)])
		if f.Outcome != pass || f.Answers[0].Hash.IsZero() {
			t.Errorf("pieces of %d: %+v (%v)", length, f.Answers, f.Err)
		}
	}
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), agent(t, parent, raw)
	f := ask(t, e.Addr(), committed(t, e, meta), withPath(blocks(t, parent, meta)))
	if f.Outcome != pass {
		t.Errorf("known blocks: %+v (%v)", f.Answers, f.Err)
	}
}

// liar holds content and commits to a root that has something else in place of piece 2.
func liar(t *testing.T, parent string, raw []byte) *swarm.Engine {
	t.Helper()
	meta, source, dir := parse(t, raw), agent(t, parent, raw), t.TempDir()
	config := swarm.Config{Dir: dir, Listen: "127.0.0.1:0", KeepFree: 1, AllowLoopback: true, NoDHT: true}
	honest, err := swarm.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := honest.Add(meta.Infohash, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	right := rootOf(t, honest, meta)
	if err := honest.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "torrents", meta.Infohash.String(), "roots")
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pieces := kept[:meta.Pieces*sha256.Size]
	pieces[2*sha256.Size]++
	root, _, _ := meta.Sum(pieces)
	if err := os.WriteFile(file, append(pieces, root[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := swarm.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if err := e.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if is := rootOf(t, e, meta); is != root || is == right {
		t.Fatal("it does not lie")
	}
	return e
}

func TestWhoCommittedToSomethingElseThanItSendsHasADataFault(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), liar(t, parent, raw)
	c := committed(t, e, meta)
	f := ask(t, e.Addr(), c, withPath(whole(2, 1)))
	want(t, f, bad, bad, pass)
	honest := ask(t, agent(t, parent, raw).Addr(), meta, whole(2))
	want(t, honest, pass, pass)
	if f.Answers[0].Hash == honest.Answers[0].Hash || f.Answers[0].Hash.IsZero() {
		t.Error("its answer does not tell what it committed to")
	}
	// It cannot prove a block there, so that it is asked for the piece, which is right.
	f = ask(t, e.Addr(), c, []audit.Challenge{{Piece: 2, Block: 1}, {Piece: 3, Block: 1}})
	want(t, f, pass, pass, pass)
	if f.Answers[0].Block != marketplace.WholePiece || f.Answers[1].Block != 1 {
		t.Errorf("asked was %+v", f.Answers)
	}
}

func TestABlockThatIsSpoiledAfterItsAgentCommittedIsFoundOut(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), agent(t, parent, raw)
	c := committed(t, e, meta)
	spoil(t, filepath.Join(parent, "things", "a"), 70_000) // piece 1, block 0
	f := ask(t, e.Addr(), c, []audit.Challenge{{Piece: 1, Block: 0}, {Piece: 2, Block: 0}})
	want(t, f, bad, bad, pass)
}

func TestWhoGivesNoPathPassesNothingAndHasNoDataFault(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, e := parse(t, raw), agent(t, parent, raw)
	rootOf(t, e, meta)
	other, _ := meta.Committed(marketplace.Hash{1}) // not a root that it can prove anything by
	known := blocks(t, parent, meta)[:1]
	want(t, ask(t, e.Addr(), other, withPath(append(whole(1), known...))), timeout, timeout, timeout)
	want(t, ask(t, e.Addr(), other, withPath([]audit.Challenge{{Piece: 1, Block: 2}})), timeout, timeout)
	// Of a root that is believed blocks need no path: it is asked for the piece instead, as of a v2 torrent.
	f := ask(t, e.Addr(), other, []audit.Challenge{{Piece: 1, Block: 2}})
	want(t, f, pass, pass)
	if f.Answers[0].Block != marketplace.WholePiece {
		t.Errorf("%+v passes without a proof", f.Answers[0])
	}
	want(t, ask(t, e.Addr(), meta, whole(1)), pass, pass) // who committed to nothing
}

func TestStockClientsProveNothingByARoot(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta, addr := parse(t, raw), libtorrent(t, parent, raw, `{}`)
	c, _ := meta.Committed(marketplace.Hash{1})
	want(t, ask(t, addr, c, []audit.Challenge{{Piece: 1, Block: 2}}), pass, pass)
	want(t, ask(t, addr, c, withPath(whole(1))), timeout, timeout)
}

func TestAsManyPathsAsABurstHasAreAskedForInTurns(t *testing.T) {
	t.Parallel()
	parent, raw, _ := content(t, 16<<10, 1_500_000, 9)
	meta, e := parse(t, raw), agent(t, parent, raw)
	var all []int
	for piece := range meta.Pieces {
		all = append(all, piece)
	}
	f := ask(t, e.Addr(), committed(t, e, meta), withPath(whole(all...)))
	if f.Outcome != pass || len(f.Answers) != len(all) {
		t.Errorf("%s after %s: %v", f.Outcome, f.Took, f.Err)
	}
}

func TestAnAuditorAsksForWholePiecesAsLongAsARootIsNotBelieved(t *testing.T) {
	t.Parallel()
	parent, raw := built(t, metainfo.V1)
	meta := parse(t, raw)
	e := agent(t, parent, raw)
	disputed, disputedRaw, _ := content(t, 64<<10, 300_003, 5)
	twice := parse(t, disputedRaw)
	other, liar := agent(t, disputed, disputedRaw), liar(t, disputed, disputedRaw)
	r := rules()
	r.ProbeTimeout = marketplace.Span(time.Second)
	r.WholeEvery = 0
	r.AuditBps *= 10 // all of such a small torrent
	lease := func(id int64, meta *metainfo.Torrent, e *swarm.Engine, root marketplace.Hash, clean int,
	) marketplace.Lease {
		return marketplace.Lease{ID: id, Infohash: meta.Infohash, Peer: e.Addr().String(), Root: root,
			Clean: clean, CleanMin: 12}
	}
	root := rootOf(t, e, meta)
	d := &desk{
		rules: r, auditors: []marketplace.Address{{1}}, heard: make(chan struct{}, 1),
		torrents: map[marketplace.Infohash][]byte{meta.Infohash: raw, twice.Infohash: disputedRaw},
		leases: []marketplace.Lease{
			lease(1, meta, e, root, 12), lease(2, meta, e, root, 0), // believed of both
			{ID: 3, Infohash: meta.Infohash, Peer: e.Addr().String()}, // committed to nothing
			lease(4, twice, other, rootOf(t, other, twice), 11),
			lease(5, twice, liar, rootOf(t, liar, twice), 11),
		},
		tried: map[[2]int64]bool{},
	}
	a := &audit.Auditor{Address: d.auditors[0], Market: d, Rules: r, Guard: devnet, Sign: sign}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	reports := d.wait(t, 5)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	for _, rep := range reports {
		wholes := slices.ContainsFunc(rep.Answers, func(a marketplace.Answer) bool {
			return a.Block == marketplace.WholePiece
		})
		blocks := slices.ContainsFunc(rep.Answers, func(a marketplace.Answer) bool {
			return a.Block != marketplace.WholePiece
		})
		if believed := rep.Lease <= 2; believed == wholes || believed != blocks {
			t.Errorf("lease %d was asked for %+v", rep.Lease, rep.Answers)
		}
		if rep.Lease != 5 && rep.Outcome != pass {
			t.Errorf("lease %d: %+v", rep.Lease, rep)
		}
		// That its root has something else shows as soon as that piece is asked for.
		told := slices.ContainsFunc(rep.Answers, func(a marketplace.Answer) bool { return a.Piece == 2 })
		if rep.Lease == 5 && told != (rep.Outcome == bad) {
			t.Errorf("lease 5, with another root: %+v", rep)
		}
	}
}

// rootedEpoch is a past of two leases on a v1 torrent with one root, which so many audits in a row have shown of
// the first one.
func rootedEpoch(t *testing.T, clean int) *past {
	t.Helper()
	p := pastEpochOf(t, metainfo.V1)
	p.Log.Earlier = nil // nobody knows a piece
	p.Rules.Seasoned = 12
	for i := range p.Log.Epoch.Leases {
		l := &p.Log.Epoch.Leases[i]
		l.Root, l.CleanMin = marketplace.Hash{4}, p.Rules.CleanMin(p.t.PieceLength, p.t.Pieces)
	}
	p.Log.Epoch.Leases[0].Clean = clean
	p.Log.Reports, p.Log.Commitments, p.Log.Before, p.Log.Proofs = nil, nil, nil, nil
	p.known = func(int) bool { return true }
	p.tell()
	return p
}

func TestALogOfBlocksByARootReplaysAndWhoAskedThemTooSoonIsNamed(t *testing.T) {
	t.Parallel()
	p := rootedEpoch(t, 2)
	if r := p.Judge(); len(r.Faults) > 0 || r.Reports != 6 {
		t.Fatalf("a true log: %+v", r.Faults)
	}
	p.lie(func(r *marketplace.Report) { // a peer that proves nothing
		at := p.whole(false)
		piece := r.Answers[at].Piece
		r.Answers[at] = p.answer(piece, marketplace.WholePiece)
		r.Answers = append(r.Answers[:at+1], slices.DeleteFunc(r.Answers[at+1:],
			func(a marketplace.Answer) bool { return a.Piece == piece })...)
	})
	if r := p.Judge(); len(r.Faults) > 0 {
		t.Errorf("a piece in place of a block: %+v", r.Faults)
	}
	l := p.Log.Epoch.Leases
	for name, spoil := range map[string]func(){
		"not believed yet": func() { l[0].Clean-- },
		"without a root":   func() { l[0].Root, l[1].Root = marketplace.Hash{}, marketplace.Hash{} },
		"roots in dispute": func() { l[1].Root = marketplace.Hash{5} },
	} {
		was := slices.Clone(l)
		spoil()
		named := map[int64]bool{}
		for _, f := range p.Judge().Faults {
			named[f.Lease] = named[f.Lease] || f.Kind == audit.BadChallenges
		}
		if named[1] != (l[1].Root != marketplace.Hash{5}) || !named[2] {
			t.Errorf("%s: %+v", name, p.Judge().Faults)
		}
		copy(l, was)
	}
	p.lie(func(r *marketplace.Report) { r.Answers = r.Answers[1:] })
	if r := p.Judge(); len(r.Faults) == 0 || r.Faults[0].Kind != audit.BadChallenges {
		t.Errorf("less than was due: %+v", r.Faults)
	}
}

func TestAMarketThatPaysByARootThatNobodyShowedIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clean int // of the first lease, of two audits that are needed
		spoil func(*past)
		fault bool
	}{
		"the audits of this epoch show it": {0, func(*past) {}, false},
		"... and it pays for this epoch":   {0, func(p *past) { p.Log.Proofs[0].Seconds = 5 }, true},
		"those of the last one did, which was judged when this one had opened": {0, func(p *past) {
			l := &p.Log.Epoch.Leases[0]
			l.State, l.ActiveAt, l.EndsAt = marketplace.Proving, time.Time{}, time.Time{}
			p.Log.Before[0].Clean, p.Log.Proofs[0].Seconds = 2, 5
		}, false},
		"another lease has shown it":       {2, func(*past) {}, false},
		"... and pays before a first pass": {2, func(p *past) { p.Log.Proofs[1].Seconds = 5 }, true},
		"a silent audit is counted": {0, func(p *past) {
			p.lie(func(r *marketplace.Report) { r.Outcome, r.Tries = timeout, []marketplace.Outcome{timeout} })
			p.Log.Proofs[0].Passes = 2
		}, true},
		"less audits are asked for": {1, func(p *past) { p.Log.Epoch.Leases[0].CleanMin = 1 }, true},
	} {
		p := rootedEpoch(t, c.clean)
		c.spoil(p)
		r := p.Judge()
		if named := slices.ContainsFunc(r.Faults, func(f audit.Fault) bool { return f.Kind == audit.BadRoot }); named !=
			c.fault || !c.fault && len(r.Faults) > 0 {
			t.Errorf("%s: %+v", name, r.Faults)
		}
	}
}
