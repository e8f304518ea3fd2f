package audit_test

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A desk is a market that hands out duties from memory.
type desk struct {
	rules    marketplace.Rules
	auditors []marketplace.Address
	caller   int // who of them asks for its parts
	leases   []marketplace.Lease
	torrents map[marketplace.Infohash][]byte
	early    bool // opens epochs and takes reports as soon as it is asked
	knocked  func(marketplace.Knock)
	reach    func(address string) (bool, error)
	carries  func(marketplace.Carry, marketplace.CarrierWish) (marketplace.Carrier, error)

	mu        sync.Mutex // guards the fields below
	tried     map[[2]int64]bool
	committed map[marketplace.Hash]bool
	reports   []marketplace.Report
	heard     chan struct{}
}

func (d *desk) AuditEpoch(_ context.Context, k int64) (marketplace.AuditEpoch, error) {
	secret := marketplace.Hash{byte(k), 1}
	if !d.early && time.Since(d.rules.EpochStart(k)) < d.rules.Epoch.Duration()/10 {
		return marketplace.AuditEpoch{}, marketplace.NotFound.Errorf("epoch %d is not open", k)
	}
	e := marketplace.AuditEpoch{
		Epoch: k, Hash: marketplace.Hash{2}, Secret: secret, Commit: audit.Commit(secret),
		Auditors: marketplace.SignersPanel(d.auditors), Leases: d.leases,
		PromisedAt: d.rules.EpochStart(k - 1), NamedAt: d.rules.EpochStart(k - 1),
		Next: &marketplace.Promise{Epoch: k + 1, Commit: audit.Commit(marketplace.Hash{byte(k + 1), 1}),
			PromisedAt: d.rules.EpochStart(k - 1)},
	}
	if time.Now().Before(d.rules.EpochStart(k + 1)) {
		e.Parts = audit.PartsOf(d.rules, e, d.rules.Draw(e), d.auditors[d.caller])
		e.Secret = marketplace.Hash{}
	}
	return e, nil
}

func (d *desk) Metainfo(ctx context.Context, h marketplace.Infohash) ([]byte, error) {
	if d.torrents == nil {
		<-ctx.Done()
	}
	if raw := d.torrents[h]; raw != nil {
		return raw, nil
	}
	return nil, marketplace.NotFound.Errorf("torrent %s is unknown", h)
}

// busy refuses the first call of each sort and epoch.
func (d *desk) busy(sort, epoch int64) error {
	if key := [2]int64{sort, epoch}; !d.tried[key] {
		d.tried[key] = true
		return marketplace.Unavailable.Errorf("the desk is closed for a moment")
	}
	return nil
}

func (d *desk) Commit(_ context.Context, epoch int64, all []marketplace.Commitment) (
	[]marketplace.NotTaken, error,
) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.busy(1, epoch); err != nil {
		return nil, err
	}
	if !time.Now().Before(d.rules.CommitBy(epoch)) {
		return nil, marketplace.Conflict.Errorf("too late")
	}
	if d.committed == nil {
		d.committed = map[marketplace.Hash]bool{}
	}
	for _, c := range all {
		d.committed[c.Hash] = true
	}
	return nil, nil
}

func (d *desk) Reveal(_ context.Context, all []marketplace.Report) (
	refused []marketplace.NotTaken, err error,
) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, epoch := time.Now(), all[0].Epoch
	if err := d.busy(2, epoch); err != nil {
		return nil, err
	}
	if now.Before(d.rules.CommitBy(epoch)) && !d.early || now.After(d.rules.ReportBy(epoch)) {
		return nil, marketplace.Conflict.Errorf("not at this time")
	}
	for _, r := range all {
		if !d.committed[r.Commitment()] || r.Signature != stamp {
			refused = append(refused, marketplace.NotTaken{Lease: r.Lease, Kind: marketplace.Forbidden})
			continue
		}
		d.reports = append(d.reports, r)
	}
	select {
	case d.heard <- struct{}{}:
	default:
	}
	return refused, nil
}

// stamp stands for a signature: what keys there are is not the auditor's concern.
var stamp = marketplace.Signature{1, 2, 3}

func sign(string) (marketplace.Signature, error) { return stamp, nil }

// Knock is what an agent of its own stream would be told.
func (d *desk) Knock(_ context.Context, k marketplace.Knock) error {
	if d.knocked == nil {
		return marketplace.Unavailable.Errorf("the desk passes nothing on")
	}
	d.knocked(k)
	return nil
}

// Carry is what a carrier would be told.
func (d *desk) Carry(_ context.Context, c marketplace.Carry, w marketplace.CarrierWish) (
	marketplace.Carrier, error) {
	if d.carries == nil {
		return marketplace.Carrier{}, marketplace.NotFound.Errorf("the desk knows no carrier")
	}
	return d.carries(c, w)
}

// Reach is what a market would find that connects to us.
func (d *desk) Reach(_ context.Context, address string) (bool, error) {
	if d.reach == nil {
		return false, marketplace.Unavailable.Errorf("the desk connects to nobody")
	}
	return d.reach(address)
}

// wait returns n reports of one epoch, the first that begins from now on.
func (d *desk) wait(t *testing.T, n int) []marketplace.Report {
	t.Helper()
	now := d.rules.EpochAt(time.Now())
	for end := time.After(20 * time.Second); ; {
		select {
		case <-d.heard:
		case <-end:
			t.Fatalf("only these reports came: %+v", d.reports)
		}
		d.mu.Lock()
		by := map[int64][]marketplace.Report{}
		for _, r := range d.reports {
			if by[r.Epoch] = append(by[r.Epoch], r); r.Epoch > now && len(by[r.Epoch]) == n {
				d.mu.Unlock()
				return by[r.Epoch]
			}
		}
		d.mu.Unlock()
	}
}

func rules() marketplace.Rules {
	r := marketplace.DevnetRules()
	r.Epoch, r.AttemptGap = marketplace.Span(3*time.Second), marketplace.Span(100*time.Millisecond)
	r.ProbeTimeout = marketplace.Span(500 * time.Millisecond)
	r.QuietEvery = 0 // in a quiet window blocks are asked for twice, and some epochs have one
	return r
}

func TestAnAuditorReportsEveryLeaseOfTheEpoch(t *testing.T) {
	t.Parallel()
	parent, raw, _ := content(t, 64<<10, 300_000, 5)
	rotten, rottenRaw, _ := content(t, 64<<10, 300_001, 5)
	meta := parse(t, raw)
	good, lost := agent(t, parent, raw), agent(t, rotten, rottenRaw)
	for at := int64(0); at < 300_000; at += 64 << 10 {
		spoil(t, rotten+"/things/a", at)
	}
	gone := peer(t, nil)
	lease := func(id int64, h marketplace.Infohash, addr string) marketplace.Lease {
		return marketplace.Lease{ID: id, Infohash: h, Peer: addr}
	}
	d := &desk{
		rules: rules(), auditors: []marketplace.Address{{1}, {2}, {3}}, caller: 1,
		heard: make(chan struct{}, 1),
		torrents: map[marketplace.Infohash][]byte{
			meta.Infohash: raw, parse(t, rottenRaw).Infohash: rottenRaw,
		},
		leases: []marketplace.Lease{
			lease(1, meta.Infohash, good.Addr().String()),
			lease(2, parse(t, rottenRaw).Infohash, lost.Addr().String()),
			lease(3, meta.Infohash, lost.Addr().String()),
			lease(4, meta.Infohash, "no address"),
			lease(5, marketplace.Infohash{9}, gone.String()),
		},
		tried: map[[2]int64]bool{},
	}
	a := &audit.Auditor{Address: d.auditors[1], Market: d, Rules: d.rules, Guard: devnet,
		Sign: sign}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	reports := d.wait(t, 5)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	for _, r := range reports { // a peer that does not know the torrent may hang up or just wait
		if r.Lease == 3 && (len(r.Tries) != 3 || r.Outcome != away && r.Outcome != timeout) {
			t.Errorf("lease 3, without the torrent: %+v", r)
		}
	}
	for id, want := range map[int64][]marketplace.Outcome{
		1: {pass},
		2: {bad, bad, bad},
		4: {away, away, away},
		5: {marketplace.AuditorFault, marketplace.AuditorFault, marketplace.AuditorFault},
	} {
		i := slices.IndexFunc(reports, func(r marketplace.Report) bool { return r.Lease == id })
		if i < 0 {
			t.Errorf("lease %d was not reported", id)
			continue
		}
		r := reports[i]
		if !slices.Equal(r.Tries, want) || r.Outcome != want[0] || r.Auditor != a.Address {
			t.Errorf("lease %d: got %+v, want tries %v", id, r, want)
		}
		start := d.rules.EpochStart(r.Epoch)
		if r.At.Before(start) || r.At.After(d.rules.EpochStart(r.Epoch+1)) ||
			!r.At.Equal(r.At.Truncate(time.Microsecond)) {
			t.Errorf("lease %d: reported as of %s", id, r.At)
		}
		open, err := d.AuditEpoch(t.Context(), r.Epoch)
		if err != nil {
			t.Fatal(err)
		}
		times := audit.Plan(d.rules, open)[id]
		for i, began := range r.Began {
			planned := times[slices.IndexFunc(times, func(v audit.Visit) bool {
				return v.Auditor == a.Address
			})].Tries[i]
			if began.Before(planned.Truncate(time.Microsecond)) || !began.Before(r.At) {
				t.Errorf("lease %d: try %d began %s, planned was %s", id, i, began, planned)
			}
		}
		if len(r.Began) != len(r.Tries) {
			t.Errorf("lease %d: %d tries, %d beginnings", id, len(r.Tries), len(r.Began))
		}
		if id <= 2 && len(r.Answers) == 0 || id == 1 && r.Bytes != asked(meta, r) || r.Wire < r.Bytes {
			t.Errorf("lease %d: %d bytes, %d on the wire, for %+v", id, r.Bytes, r.Wire, r.Answers)
		}
		for _, ans := range r.Answers {
			if ans.Outcome != want[0] || ans.Hash.IsZero() == (id <= 2) {
				t.Errorf("lease %d: %+v", id, ans)
			}
		}
	}
}

// asked returns how many bytes the challenges of a report have.
func asked(meta *metainfo.Torrent, r marketplace.Report) (n int64) {
	for _, a := range r.Answers {
		if a.Block == marketplace.WholePiece {
			n += meta.PieceSize(a.Piece)
			continue
		}
		n += min(metainfo.BlockSize, meta.PieceSize(a.Piece)-int64(a.Block)*metainfo.BlockSize)
	}
	return n
}

// told says whether a report of an earlier epoch tells that a whole piece passed.
func (d *desk) told(before int64, piece int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.reports {
		for _, a := range r.Answers {
			if r.Epoch < before && a.Piece == piece && a.Block == marketplace.WholePiece &&
				a.Outcome == pass {
				return true
			}
		}
	}
	return false
}

func TestAnAuditorAsksForBlocksOfPiecesThatItKnows(t *testing.T) {
	t.Parallel()
	parent, raw, all := content(t, 64<<10, 300_000, 9)
	meta := parse(t, raw)
	good := agent(t, parent, raw)
	d := &desk{
		rules: rules(), auditors: []marketplace.Address{{1}}, heard: make(chan struct{}, 1),
		torrents: map[marketplace.Infohash][]byte{meta.Infohash: raw},
		leases:   []marketplace.Lease{{ID: 1, Infohash: meta.Infohash, Peer: good.Addr().String()}},
		tried:    map[[2]int64]bool{},
	}
	leaves, err := audit.OpenLeaves(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer leaves.Close()
	a := &audit.Auditor{Address: d.auditors[0], Market: d, Rules: d.rules, Guard: devnet,
		Leaves: leaves, Sign: sign}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	blocks := 0
	for epoch := 0; epoch < 6 && blocks == 0; epoch++ {
		r := d.wait(t, 1)[0]
		if r.Outcome != pass || r.Bytes != asked(meta, r) {
			t.Errorf("%+v", r)
		}
		for _, ans := range r.Answers {
			if ans.Block == marketplace.WholePiece {
				continue
			}
			blocks++
			at := ans.Piece<<16 + ans.Block<<14
			block := all[at:min(len(all), at+metainfo.BlockSize)]
			if !d.told(r.Epoch, ans.Piece) || ans.Hash != sha256.Sum256(block) {
				t.Errorf("%+v was asked", ans)
			}
		}
	}
	stop()
	if err := <-ended; err != nil || blocks == 0 {
		t.Errorf("%d blocks were asked for, %v", blocks, err)
	}
}

func TestAnAuditorMistrustsAnEpochThatBreaksItsPromise(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*marketplace.AuditEpoch){
		"a secret already":               func(e *marketplace.AuditEpoch) { e.Secret[5]++ },
		"no promise":                     func(e *marketplace.AuditEpoch) { e.PromisedAt = time.Time{} },
		"a late panel":                   func(e *marketplace.AuditEpoch) { e.NamedAt = rules().EpochStart(e.Epoch) },
		"no panel named":                 func(e *marketplace.AuditEpoch) { e.NamedAt = time.Time{} },
		"a late promise":                 func(e *marketplace.AuditEpoch) { e.PromisedAt = rules().EpochStart(e.Epoch) },
		"another promise than it showed": func(e *marketplace.AuditEpoch) { e.Commit[6]++ },
	} {
		d := &broken{desk{rules: rules(), auditors: []marketplace.Address{{1}}, early: true},
			spoil}
		a := &audit.Auditor{Address: d.auditors[0], Market: d, Rules: d.rules, Guard: devnet,
			Sign: sign}
		now := d.rules.EpochStart(honest).Add(time.Second)
		if _, err := a.Step(t.Context(), now); err != nil {
			t.Errorf("%s: an honest epoch: %v", name, err)
		}
		if n, err := a.Step(t.Context(), now.Add(d.rules.Epoch.Duration())); n != 0 || err == nil {
			t.Errorf("%s: began %d, %v", name, n, err)
		}
	}
}

// honest is the last epoch that broken opens as it should. It is not over yet.
const honest = 700_000_000

// broken opens epochs otherwise than it promised.
type broken struct {
	desk
	spoil func(*marketplace.AuditEpoch)
}

func (b *broken) AuditEpoch(ctx context.Context, k int64) (marketplace.AuditEpoch, error) {
	e, err := b.desk.AuditEpoch(ctx, k)
	if k > honest {
		b.spoil(&e)
	}
	return e, err
}

func TestThousandsOfLeasesWaitInOneQueue(t *testing.T) {
	t.Parallel()
	d := &desk{rules: marketplace.DefaultRules(), early: true,
		auditors: []marketplace.Address{{1}, {2}, {3}}}
	for id := range int64(20_000) {
		d.leases = append(d.leases, marketplace.Lease{ID: id, Peer: "127.0.0.1:1"})
	}
	a := &audit.Auditor{Address: d.auditors[0], Market: d, Rules: d.rules, Guard: devnet,
		Sign: sign}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	k := d.rules.EpochAt(time.Now()) + 1
	now := d.rules.EpochStart(k).Add(time.Minute)
	before := time.Now()
	n, err := a.Step(ctx, now)
	if n != 0 || err != nil {
		t.Fatalf("began %d before any was due, %v", n, err)
	}
	t.Logf("20,000 duties taken up in %s", time.Since(before))
	later := now.Add(2 * time.Hour)
	if n, err = a.Step(ctx, later); n != 32 || err != nil {
		t.Fatalf("began %d tries at a time, %v; want 32", n, err)
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
