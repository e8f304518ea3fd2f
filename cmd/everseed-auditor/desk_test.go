package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/api"
	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T) escrow.Key {
	t.Helper()
	k, err := escrow.NewKey()
	must(t, err)
	return k
}

// A court is a market with three auditors and a bounty whose replicas await their first audit.
type court struct {
	*testing.T
	book     *orderbook.Book
	info     marketplace.MarketInfo
	auditors []escrow.Key
	leases   []marketplace.Lease
	web      string
	now      time.Time
	promised marketplace.Hash // of every epoch's secret
}

func newCourt(t *testing.T) *court {
	t.Helper()
	c := &court{T: t, promised: audit.Commit(marketplace.Hash{5}), info: marketplace.MarketInfo{Rules: marketplace.DevnetRules(), ChainID: 9,
		Quorum: 2, Vault: newKey(t).Address(), FeePayee: newKey(t).Address()}}
	for range 3 {
		k := newKey(t)
		c.auditors = append(c.auditors, k)
		c.info.Auditors = append(c.info.Auditors, k.Address())
	}
	var err error
	c.book, err = orderbook.Open(t.Context(), devstack.TestDatabase(t),
		orderbook.Options{Rules: c.info.Rules, FeePayee: c.info.FeePayee})
	must(t, err)
	t.Cleanup(c.book.Close)
	web := httptest.NewUnstartedServer(nil)
	web.Config.Handler = api.New(api.Config{Book: c.book, Info: c.info,
		Domain: web.Listener.Addr().String()}).Handler()
	web.Start()
	t.Cleanup(web.Close)
	c.web, c.now = web.URL, c.info.Rules.EpochStart(c.info.Rules.EpochAt(time.Now())-10)
	c.lease(c.post(4), 4)
	return c
}

func (c *court) post(replicas int) marketplace.Bounty {
	c.Helper()
	ctx, poster, mandate := c.Context(), newKey(c.T).Address(), marketplace.Hash{1}
	must(c.T, c.book.Apply(ctx, []orderbook.ChainBlock{{Number: 1, At: c.now,
		Events: []orderbook.ChainEvent{
			{Kind: orderbook.ChainDeposit, Tx: "a", Account: poster, Amount: marketplace.BTT(100_000)},
			{Kind: orderbook.ChainMandate, Tx: "b", Account: poster, Mandate: marketplace.Mandate{
				Poster: poster, ID: mandate, Threshold: 2, Cap: marketplace.BTT(100_000),
				Signers: c.info.Auditors, Expiry: c.now.Add(90 * marketplace.Day)}},
		}}}, c.now))
	infohash := marketplace.Infohash{1}
	_, err := c.book.RegisterTorrent(ctx, poster, marketplace.Torrent{Infohash: infohash, Name: "a",
		Size: 64 << 20, PieceLength: 1 << 18, Pieces: 256, Files: 1}, []byte("d4:infoe"), c.now)
	must(c.T, err)
	b, _, err := c.book.Post(ctx, orderbook.Key{Account: poster}, marketplace.BountyTerms{
		Instrument: marketplace.Keepalive, Infohash: infohash, Replicas: replicas,
		PriceMax: marketplace.BTT(5000), KeepFor: marketplace.Span(time.Hour), Mandate: mandate,
		GoodFor: marketplace.Span(time.Hour)}, c.now)
	must(c.T, err)
	return b
}

// lease gives a bounty to as many agents.
func (c *court) lease(b marketplace.Bounty, replicas int) {
	c.Helper()
	ctx := c.Context()
	lead, err := c.book.Lead(ctx, "matcher")
	must(c.T, err)
	defer lead.Resign()
	call := marketplace.Call{Hash: marketplace.Hash{1}, Bounties: 1, Offers: replicas}
	for i := range replicas {
		a := newKey(c.T).Address()
		o, err := c.book.PutOffer(ctx, a, marketplace.OfferTerms{Storage: 1 << 30, UploadRate: 1 << 20,
			LeasesMax: 10, PriceMin: marketplace.BTT(1000), TermMax: marketplace.Span(marketplace.Day),
			TorrentMax: 1 << 30, Region: "europe", Peer: fmt.Sprintf("10.0.%d.1:6881", i), Payee: a}, c.now)
		must(c.T, err)
		call.Fills = append(call.Fills, marketplace.Fill{Bounty: b.ID, Offer: o.ID,
			Price: marketplace.BTT(2000)})
	}
	_, err = c.book.RecordCall(ctx, lead.Fence(), call, orderbook.Reasons{}, c.now)
	must(c.T, err)
	c.leases, err = c.book.Leases(ctx, orderbook.LeaseFilter{Bounty: b.ID}, orderbook.Page{})
	must(c.T, err)
	for _, l := range c.leases {
		_, err = c.book.Accept(ctx, l.Agent, l.ID, c.now)
		must(c.T, err)
		_, err = c.book.Ready(ctx, l.Agent, l.ID, marketplace.Hash{}, c.now)
		must(c.T, err)
	}
}

// epoch lives through one in which all leases pass, but the first auditor may say otherwise.
func (c *court) epoch(first marketplace.Outcome) {
	c.Helper()
	c.epochOf(c.auditors, first, c.leases...)
}

// epochOf is one with a panel of three, whom the market calls signers; the first may say otherwise of
// some leases.
func (c *court) epochOf(panel []escrow.Key, first marketplace.Outcome, some ...marketplace.Lease) {
	c.Helper()
	said := map[int64]bool{}
	for _, l := range some {
		said[l.ID] = true
	}
	ctx, k := c.Context(), c.info.Rules.EpochAt(c.now)
	var who []marketplace.Address
	for _, key := range panel {
		who = append(who, key.Address())
	}
	secret := marketplace.Hash{5}
	must(c.T, c.book.Promise(ctx, k, c.promised, c.info.Rules.EpochStart(k-1)))
	must(c.T, c.book.OpenEpoch(ctx, marketplace.AuditEpoch{Epoch: k, Block: k, Secret: secret,
		Commit: c.promised, Auditors: marketplace.SignersPanel(who)}, c.now))
	e, err := c.book.AuditEpoch(ctx, k)
	must(c.T, err)
	drawn := c.info.Rules.Draw(e)
	for _, l := range c.leases {
		for i, key := range panel {
			if !slices.Contains(drawn[l.ID], key.Address()) {
				continue // its accusation is heard
			}
			found := marketplace.Pass
			if i == 0 && said[l.ID] {
				found = first
			}
			rep := marketplace.Report{Lease: l.ID, Epoch: k, Auditor: key.Address(), Outcome: found,
				Tries: []marketplace.Outcome{found}, At: c.now.UTC().Truncate(time.Microsecond)}
			rep.Signature, err = key.SignText(rep.Text())
			must(c.T, err)
			none, err := c.book.Commit(ctx, k, []marketplace.Commitment{rep.Sealed()}, c.now)
			must(c.T, err)
			nor, err := c.book.SaveReports(ctx, []marketplace.Report{rep}, c.info.Rules.CommitBy(k))
			must(c.T, err)
			if len(none)+len(nor) > 0 {
				c.Fatalf("not taken: %v %v", none, nor)
			}
		}
	}
	c.now = c.info.Rules.EpochStart(k + 1)
	_, err = c.book.JudgeEpochs(ctx, c.now)
	must(c.T, err)
}

func TestADeskSignsForAgentsThatALiarAccuses(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	for _, first := range []marketplace.Outcome{marketplace.Pass, marketplace.Pass,
		marketplace.BadData, marketplace.Pass} {
		c.epoch(first)
	}
	var log strings.Builder
	for _, key := range c.auditors[1:] {
		d := &desk{key: key, market: client.New(c.web), log: slog.New(slog.NewTextHandler(&log, nil))}
		must(t, d.open(t.Context()))
		must(t, d.signDrafts(t.Context()))
	}
	signed, err := c.book.Cheques(t.Context(),
		orderbook.ChequeFilter{State: marketplace.ChequeSigned}, orderbook.Page{})
	must(t, err)
	payees := map[marketplace.Address]bool{}
	for _, s := range signed {
		payees[s.Cheque.To] = true
	}
	for _, l := range c.leases {
		if !payees[l.Agent] {
			t.Errorf("the agent of lease %d has no signed cheque\n%s", l.ID, log.String())
		}
	}
}

func TestAMarketThatSeatsItsOwnPeopleGetsNothingSigned(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	puppets := []escrow.Key{newKey(t), newKey(t), newKey(t)}
	for range 3 {
		c.epochOf(puppets, marketplace.Pass, c.leases...)
	}
	for _, key := range c.auditors {
		c.refuses(&desk{key: key, market: client.New(c.web)}, "no auditor that signs cheques passed it")
	}
}

func TestADeskSignsNothingThatFollowsFromReportsOfWhoWasNotSent(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	for range 3 {
		c.epoch(marketplace.Pass)
	}
	d := &desk{key: c.auditors[0], market: client.New(c.web), log: slog.New(slog.DiscardHandler)}
	must(t, d.open(t.Context()))
	epoch := c.info.Rules.EpochAt(c.now) - 1
	reports, err := d.market.Reports(t.Context(), c.leases[0].ID, epoch)
	must(t, err)
	must(t, d.genuine(t.Context(), reports, epoch))
	d.sent.to[c.leases[0].ID] = []marketplace.Address{c.auditors[0].Address()}
	if err := d.genuine(t.Context(), reports, epoch); err == nil {
		t.Error("it believes an auditor that was not sent")
	}
}

func TestADeskSignsNothingForALeaseWhoseRootWasNotShown(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	for range 3 {
		c.epoch(marketplace.Pass)
	}
	d := &desk{key: c.auditors[0], market: client.New(c.web), log: slog.New(slog.DiscardHandler)}
	must(t, d.open(t.Context()))
	drafts, err := d.market.Drafts(t.Context())
	must(t, err)
	paid := slices.IndexFunc(drafts[0].Proofs, func(p marketplace.Proof) bool { return p.Seconds > 0 })
	p := drafts[0].Proofs[paid]
	l := drafts[0].Leases[slices.IndexFunc(drafts[0].Leases, func(l marketplace.Lease) bool { return l.ID == p.Lease })]
	must(t, d.checkProof(t.Context(), p, l))
	l.Clean, l.CleanMin = 11, 12
	if err := d.checkProof(t.Context(), p, l); err == nil || !strings.Contains(err.Error(), "11 audits") {
		t.Errorf("it says %v", err)
	}
}

func TestADeskSignsNothingOfAnEpochWithAnotherSecretThanWasPromised(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.promised = marketplace.Hash{6}
	for range 3 {
		c.epoch(marketplace.Pass)
	}
	c.refuses(&desk{key: c.auditors[0], market: client.New(c.web)}, "not the promised one")
}

func TestADeskSignsNothingOfAnEpochThatToldItAFalsePart(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	for range 3 {
		c.epoch(marketplace.Pass)
	}
	k := c.info.Rules.EpochAt(c.now) - 1
	e, err := c.book.AuditEpoch(t.Context(), k)
	must(t, err)
	who := c.auditors[0].Address()
	told := audit.Roster{Commit: e.Commit,
		Parts: audit.PartsOf(c.info.Rules, e, c.info.Rules.Draw(e), who)}
	dir := t.TempDir()
	keep := func() *desk {
		text, err := json.Marshal(told)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.roster", k)), text, 0o600))
		kept, err := audit.OpenEnvelopes(dir)
		must(t, err)
		t.Cleanup(func() { _ = kept.Close() })
		return &desk{key: c.auditors[0], market: client.New(c.web), sealed: kept}
	}
	d := keep()
	must(t, d.open(t.Context()))
	must(t, d.schedule(t.Context(), k)) // what is told is true
	told.Parts[0].Seed[0]++
	c.refuses(keep(), "does not follow from its secret")
}

// refuses fails if a desk signs any draft, or does not say why not.
func (c *court) refuses(d *desk, why string) {
	c.Helper()
	var log strings.Builder
	d.log = slog.New(slog.NewTextHandler(&log, nil))
	must(c.T, d.open(c.Context()))
	must(c.T, d.signDrafts(c.Context()))
	drafts, err := c.book.Cheques(c.Context(), orderbook.ChequeFilter{State: marketplace.ChequeOwed},
		orderbook.Page{})
	must(c.T, err)
	if len(drafts) == 0 || !strings.Contains(log.String(), why) {
		c.Errorf("%d drafts were not signed\n%s", len(drafts), log.String())
	}
	for _, draft := range drafts {
		if len(draft.Signers) > 0 {
			c.Errorf("cheque %d has signatures of %v", draft.ID, draft.Signers)
		}
	}
}

func TestADeskSignsOnlyWhatPaysTheAuditorsThatPassed(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	for range 3 {
		c.epoch(marketplace.Pass)
	}
	d := &desk{key: c.auditors[0], market: client.New(c.web), log: slog.New(slog.DiscardHandler)}
	must(t, d.open(t.Context()))
	proofs, err := d.market.Proofs(t.Context(), client.ProofFilter{Lease: c.leases[0].ID})
	must(t, err)
	l, err := d.market.Lease(t.Context(), c.leases[0].ID)
	must(t, err)
	p := proofs[0]
	if len(p.Paid) != 3 || p.Seconds == 0 {
		t.Fatalf("%d auditors are paid for %d s", len(p.Paid), p.Seconds)
	}
	must(t, d.checkProof(t.Context(), p, l))
	other := p
	other.Paid = slices.Clone(p.Paid)
	other.Paid[1].Payee = newKey(t).Address()
	fewer := p
	fewer.Paid = p.Paid[:2]
	for name, q := range map[string]marketplace.Proof{"to another payee": other, "to fewer": fewer} {
		if err := d.checkProof(t.Context(), q, l); err == nil {
			t.Errorf("it bears pay %s", name)
		}
	}
}

func TestAnAuditorsChequeIsRecomputedAndSigned(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	for range 3 {
		c.epoch(marketplace.Pass)
	}
	var log strings.Builder
	for _, key := range c.auditors[:2] {
		d := &desk{key: key, market: client.New(c.web), log: slog.New(slog.NewTextHandler(&log, nil))}
		must(t, d.open(t.Context()))
		must(t, d.signDrafts(t.Context()))
	}
	for _, key := range c.auditors {
		signed, err := c.book.Cheques(t.Context(), orderbook.ChequeFilter{Payee: key.Address(),
			State: marketplace.ChequeSigned}, orderbook.Page{})
		must(t, err)
		if len(signed) != 1 || signed[0].Cheque.Cumulative.IsZero() {
			t.Errorf("auditor %s has %d signed cheques\n%s", key.Address(), len(signed), log.String())
		}
	}
}

func TestADeskSignsForAnAgentThatOneAuditorKeepsAccusing(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.epoch(marketplace.Pass)
	c.epoch(marketplace.Pass)
	for range 4 { // accused, heard and cleared by the others, and accused again in vain
		c.epochOf(c.auditors, marketplace.BadData, c.leases[0])
	}
	l, err := c.book.Lease(t.Context(), c.leases[0].ID)
	must(t, err)
	if l.State != marketplace.Active || l.Accused == nil || l.Accused.Refuted == 0 {
		t.Fatalf("it is %+v, %+v", l, l.Accused)
	}
	var log strings.Builder
	for _, key := range c.auditors[1:] {
		d := &desk{key: key, market: client.New(c.web), log: slog.New(slog.NewTextHandler(&log, nil))}
		must(t, d.open(t.Context()))
		must(t, d.signDrafts(t.Context()))
	}
	if strings.Contains(log.String(), "cheque refused") {
		t.Errorf("a desk refuses what the others found: %s", log.String())
	}
}
