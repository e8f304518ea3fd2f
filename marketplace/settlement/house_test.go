package settlement

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

const blockTime = 10 * time.Millisecond

// named returns the key that a name stands for in tests.
func named(name string) escrow.Key {
	sum := sha256.Sum256([]byte(name))
	k, err := escrow.ParseKey(hex.EncodeToString(sum[:]))
	if err != nil {
		panic(err)
	}
	return k
}

var (
	admin    = named("admin")
	poster   = named("poster")
	operator = named("operator")
	agent    = named("agent")
	quorum   = []escrow.Key{named("auditor 1"), named("auditor 2"), named("auditor 3")}
	payee    = named("payee").Address() // has no TRX: anybody may redeem for it
	fees     = named("fees").Address()
	mandate  = marketplace.Hash{1}
	torrent  = marketplace.Infohash{7}
)

func auditors() (all []marketplace.Address) {
	for _, k := range quorum {
		all = append(all, k.Address())
	}
	return all
}

// A house is a chain with a vault, a book, and the keys of everyone.
type house struct {
	*testing.T
	*orderbook.Book
	vault *escrow.Vault
	chain *devchain.Chain
	conf  escrow.Config
	rules marketplace.Rules
	first int64 // block of the deployment
	log   *journal
}

// newHouse starts one in which the poster has 1000 BTT outside the vault.
func newHouse(t *testing.T, change ...func(*house)) *house {
	t.Helper()
	t.Parallel()
	h := &house{T: t, rules: marketplace.DevnetRules(), log: &journal{}}
	h.rules.RedeemAfter = 0 // whatever the fee
	for _, f := range change {
		f(h)
	}
	genesis := map[string]int64{}
	for _, k := range []escrow.Key{admin, poster, operator, agent} {
		genesis[string(k.Address().Tron())] = 1_000_000 * escrow.Sun
	}
	var err error
	h.chain, err = devchain.Start(t.Context(), devchain.Options{
		Dir: t.TempDir(), BlockTime: blockTime, Genesis: genesis})
	h.must(err)
	t.Cleanup(func() { h.must(h.chain.Close()) })
	h.conf.GRPC, h.conf.PerSecond = h.chain.Addr(), 5000
	h.first, _ = h.chain.Head()
	h.conf.Token, h.conf.Vault, err = escrow.Deploy(t.Context(), h.conf, admin, time.Second)
	h.must(err)
	h.vault, err = escrow.Dial(t.Context(), h.conf)
	h.must(err)
	t.Cleanup(func() { h.must(h.vault.Close()) })
	h.Book, err = orderbook.Open(t.Context(), devstack.TestDatabase(t),
		orderbook.Options{Rules: h.rules, FeePayee: fees})
	h.must(err)
	t.Cleanup(h.Book.Close)
	h.must(h.ConfigureAuditors(t.Context(), auditors(), time.Now()))
	t.Cleanup(func() {
		wrong, err := h.AuditBooks(context.Background()) // the test's own context is over
		if err != nil || len(wrong) > 0 {
			t.Errorf("books: %v, %v", wrong, err)
		}
	})
	h.await("the vault is solid", func() bool {
		_, err := h.vault.Obligations(t.Context())
		return err == nil
	})
	h.onChain(h.vault.BuildMint(t.Context(), admin, poster.Address(), marketplace.BTT(1000)))
	h.onChain(h.vault.BuildApprove(t.Context(), poster, marketplace.BTT(1000)))
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// onChain waits until a transaction is in a block.
func (h *house) onChain(s escrow.Staged, err error) {
	h.Helper()
	h.must(err)
	_, err = h.vault.Await(h.Context(), s, false)
	h.must(err)
}

// withdraw takes out all that the poster put in, as soon as the vault's thaw is over by the chain's clock.
func (h *house) withdraw() {
	h.Helper()
	h.onChain(h.vault.BuildThaw(h.Context(), poster, marketplace.BTT(500)))
	h.await("the thaw is over", func() bool {
		s, err := h.vault.BuildWithdraw(h.Context(), poster)
		if err == nil {
			_, err = h.vault.Await(h.Context(), s, false)
		}
		return err == nil
	})
}

// settler returns one that has just been started.
func (h *house) settler() *Settler {
	return &Settler{Book: h.Book, Vault: h.vault, Key: operator, First: h.first,
		Beacon: Beacon{Key: [32]byte{42}}, Every: blockTime, Rest: blockTime,
		Log: slog.New(h.log)}
}

// await waits for a condition that comes by itself.
func (h *house) await(what string, holds func() bool) {
	h.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(blockTime) {
		if time.Now().After(deadline) {
			h.Fatalf("after 30 s still not: %s", what)
		}
	}
}

// until lets a settler that dies after every step work until a condition holds.
func (h *house) until(what string, holds func() bool) {
	h.Helper()
	h.await(what, func() bool {
		if holds() {
			return true
		}
		_, err := h.settler().Step(h.Context(), time.Now())
		h.must(err)
		return false
	})
}

// fund deposits BTT, opens a mandate over all of it and waits until the book knows.
func (h *house) fund(amount marketplace.Amount) {
	h.Helper()
	h.onChain(h.vault.BuildDepositAndOpen(h.Context(), poster, amount, marketplace.Mandate{
		ID: mandate, Signers: auditors(), Threshold: 2, Cap: amount,
		Expiry: time.Now().Add(marketplace.Day * 30)}))
	h.until("the deposit is in the ledger", func() bool {
		return h.account(poster.Address()).Free == amount
	})
}

func (h *house) account(a marketplace.Address) marketplace.Account {
	h.Helper()
	x, err := h.Account(h.Context(), a)
	h.must(err)
	return x
}

// lease posts a bounty, gives it to the agent, who has it all at once.
func (h *house) lease() marketplace.Lease {
	h.Helper()
	ctx, now, size := h.Context(), time.Now(), int64(64<<20)
	_, err := h.RegisterTorrent(ctx, poster.Address(), marketplace.Torrent{Infohash: torrent,
		Name: "museum", Size: size, PieceLength: 1 << 18, Pieces: 256, Files: 1}, []byte("de"), now)
	h.must(err)
	b, _, err := h.Post(ctx, orderbook.Key{Account: poster.Address()}, marketplace.BountyTerms{
		Instrument: marketplace.Keepalive, Infohash: torrent, Replicas: 1, Mandate: mandate,
		PriceMax: marketplace.BTT(100_000), KeepFor: marketplace.Span(time.Minute),
		GoodFor: marketplace.Span(time.Minute)}, now)
	h.must(err)
	o, err := h.PutOffer(ctx, agent.Address(), marketplace.OfferTerms{Storage: 1 << 30, UploadRate: 1,
		LeasesMax: 1, PriceMin: marketplace.BTT(1), TermMax: marketplace.Span(time.Hour),
		TorrentMax: 1 << 30, Region: "asia", Peer: "127.0.0.1:6881", Payee: payee}, now)
	h.must(err)
	lead, err := h.Lead(ctx, "matcher")
	h.must(err)
	defer lead.Resign()
	_, err = h.RecordCall(ctx, lead.Fence(), marketplace.Call{Fills: []marketplace.Fill{
		{Bounty: b.ID, Offer: o.ID, Price: b.Terms.PriceMax}}}, orderbook.Reasons{}, now)
	h.must(err)
	all, err := h.Leases(ctx, orderbook.LeaseFilter{Bounty: b.ID}, orderbook.Page{})
	h.must(err)
	_, err = h.Accept(ctx, agent.Address(), all[0].ID, now)
	h.must(err)
	l, err := h.Ready(ctx, agent.Address(), all[0].ID, marketplace.Hash{}, now)
	h.must(err)
	return l
}

// OpenEpoch opens an epoch whose secret was promised in time, by the settler or else by us.
func (h *house) OpenEpoch(ctx context.Context, e marketplace.AuditEpoch, now time.Time) error {
	before := h.rules.EpochStart(e.Epoch).Add(-time.Millisecond)
	h.must(h.Promise(ctx, e.Epoch, e.Commit, before))
	p, err := h.Promised(ctx, e.Epoch)
	h.must(err)
	e.Commit = p.Commit
	return h.Book.OpenEpoch(ctx, e, now)
}

// SaveReport hands a report in: committed to while its epoch runs, revealed when all must have
// committed.
func (h *house) SaveReport(ctx context.Context, r marketplace.Report) error {
	no, err := h.Commit(ctx, r.Epoch, []marketplace.Commitment{r.Sealed()}, h.rules.EpochStart(r.Epoch))
	if err == nil && len(no) == 0 {
		no, err = h.SaveReports(ctx, []marketplace.Report{r}, h.rules.CommitBy(r.Epoch))
	}
	if len(no) > 0 {
		err = no[0].Kind.Errorf("%s", no[0].Detail)
	}
	return err
}

// pass reports for two of the three auditors that a lease passed an epoch.
func (h *house) pass(lease, epoch int64) {
	h.Helper()
	for _, a := range auditors()[:2] {
		h.must(h.SaveReport(h.Context(), marketplace.Report{Lease: lease, Epoch: epoch, Auditor: a,
			Outcome: marketplace.Pass, Tries: []marketplace.Outcome{marketplace.Pass}}))
	}
}

// owe funds the poster and lets two coming epochs be over and passed, so that the agent and the
// fee payee are owed cheques. It returns the agent's.
func (h *house) owe() marketplace.SignedCheque {
	h.Helper()
	h.fund(marketplace.BTT(500))
	h.earn(h.lease())
	return h.owed()
}

func (h *house) earn(l marketplace.Lease) {
	h.Helper()
	soon := h.rules.EpochAt(time.Now()) + 1
	for epoch := soon; epoch < soon+2; epoch++ {
		h.must(h.OpenEpoch(h.Context(), marketplace.AuditEpoch{Epoch: epoch,
			Auditors: marketplace.SignersPanel(auditors())},
			h.rules.EpochStart(epoch)))
		h.pass(l.ID, epoch)
		after := h.rules.EpochStart(epoch + 1).Add(2 * h.rules.ReportSlack.Duration())
		_, err := h.JudgeEpochs(h.Context(), after)
		h.must(err)
	}
}

// owed returns the agent's newest cheque.
func (h *house) owed() marketplace.SignedCheque {
	h.Helper()
	all, err := h.Cheques(h.Context(), orderbook.ChequeFilter{Payee: payee}, orderbook.Page{Limit: 1})
	h.must(err)
	if len(all) == 0 {
		h.Fatal("the agent is owed nothing")
	}
	return all[0]
}

// sign lets two auditors sign every draft.
func (h *house) sign() {
	h.Helper()
	d, err := h.vault.Domain(h.Context())
	h.must(err)
	for _, k := range quorum[:2] {
		drafts, err := h.Drafts(h.Context(), k.Address())
		h.must(err)
		for _, draft := range drafts {
			s, err := k.SignCheque(d, draft.Cheque)
			h.must(err)
			_, err = h.SignCheque(h.Context(), draft.ID, k.Address(), s, time.Now())
			h.must(err)
		}
	}
}

// signed is owe with signatures.
func (h *house) signed() marketplace.SignedCheque {
	h.Helper()
	h.owe()
	h.sign()
	return h.owed()
}

// waits returns why a cheque does not move on.
func (h *house) waits(id int64) marketplace.WaitReason {
	h.Helper()
	if w := h.cheque(id).Wait; w != nil {
		return w.Reason
	}
	return ""
}

func (h *house) cheque(id int64) marketplace.SignedCheque {
	h.Helper()
	c, err := h.Cheque(h.Context(), id)
	h.must(err)
	return c
}

// paidOnce checks that a payee has exactly what its cheque says, by one redemption.
func (h *house) paidOnce(c marketplace.SignedCheque) {
	h.Helper()
	h.until("the cheque is solid and nothing is under way", func() bool {
		flying, err := h.InFlight(h.Context())
		h.must(err)
		return h.cheque(c.ID).State == marketplace.ChequeSolid && len(flying) == 0
	})
	got, err := h.vault.TokenBalance(h.Context(), c.Cheque.To)
	h.must(err)
	if n := h.redemptions(c.Cheque.To); got != c.Cheque.Cumulative || n != 1 {
		h.Errorf("payee has %s by %d redemptions, its cheque says %s", got, n, c.Cheque.Cumulative)
	}
	if a := h.account(c.Cheque.To); a.Redeemed != got || !a.Payable.IsZero() {
		h.Errorf("the ledger says %s was redeemed and %s is left", a.Redeemed, a.Payable)
	}
}

func (h *house) redemptions(to marketplace.Address) (n int) {
	h.Helper()
	blocks, err := h.vault.Events(h.Context(), 1, 1_000_000)
	h.must(err)
	for _, b := range blocks {
		for _, e := range b.Events {
			if e.Kind == escrow.Redeemed && e.Cheque.To == to {
				n++
			}
		}
	}
	return n
}

// A journal is a log that a test can look into.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	line := fmt.Sprint(r.Level, " ", r.Message)
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	return nil
}

func (j *journal) count(part string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}
