package orderbook_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A stage is a book with a clock that the test moves.
type stage struct {
	tester
	*orderbook.Book
	rules marketplace.Rules
	now   time.Time
	block int64
	calls int
	url   string // of the database
}

// A tester is what a stage needs of a test, be it one of rapid's.
type tester interface {
	Helper()
	Context() context.Context
	Fatal(args ...any)
	Errorf(format string, args ...any)
	Cleanup(f func())
}

var (
	poster   = person("poster")
	fees     = person("fees")
	auditors = []marketplace.Address{person("auditor 1"), person("auditor 2"), person("auditor 3")}
	panel    = marketplace.SignersPanel(auditors)
	mandate  = marketplace.Hash(sha256.Sum256([]byte("mandate")))
	infohash = marketplace.Infohash{1, 2, 3}
)

const size = 64 << 20

func person(name string) (a marketplace.Address) {
	sum := sha256.Sum256([]byte(name))
	copy(a[:], sum[:])
	return a
}

// aStage is a fresh book at the start of an epoch, with a torrent, and a poster who has 1000 BTT
// in the vault and a mandate for all of it.
func aStage(t *testing.T, canaries ...marketplace.Canaries) *stage {
	t.Helper()
	s := emptyStage(t, t, canaries...)
	s.chain(deposit(poster, marketplace.BTT(1000)), s.aMandate(poster, auditors, 2))
	return s
}

// emptyStage is a stage without a poster, on a database that lives as long as owner.
func emptyStage(owner testing.TB, t tester, canaries ...marketplace.Canaries) *stage {
	t.Helper()
	rules := marketplace.DevnetRules()
	url := devstack.TestDatabase(owner)
	options := orderbook.Options{Rules: rules, FeePayee: fees}
	if len(canaries) > 0 {
		options.Canaries = canaries[0]
	}
	book, err := orderbook.Open(t.Context(), url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(book.Close)
	s := &stage{tester: t, Book: book, rules: rules, url: url,
		now: rules.EpochStart(360_000_000)}
	_, err = s.RegisterTorrent(t.Context(), poster, marketplace.Torrent{Infohash: infohash,
		Name: "museum", Size: size, PieceLength: 1 << 18, Pieces: 256, Files: 3}, []byte("d4:infoe"), s.now)
	s.must(err)
	t.Cleanup(s.balanced)
	t.Cleanup(s.discreet)
	return s
}

func deposit(who marketplace.Address, amount marketplace.Amount) orderbook.ChainEvent {
	return orderbook.ChainEvent{Kind: orderbook.ChainDeposit, Account: who, Amount: amount}
}

// aMandate is a mandate of 1000 BTT for a year.
func (s *stage) aMandate(of marketplace.Address, signers []marketplace.Address,
	threshold int) orderbook.ChainEvent {
	return orderbook.ChainEvent{Kind: orderbook.ChainMandate, Account: of,
		Mandate: marketplace.Mandate{ID: mandate, Signers: signers, Threshold: threshold,
			Cap: marketplace.BTT(1000), Expiry: s.now.Add(365 * marketplace.Day)}}
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// chain applies one solid block with events.
func (s *stage) chain(events ...orderbook.ChainEvent) {
	s.Helper()
	s.block++
	for i := range events {
		events[i].Tx, events[i].Index = fmt.Sprint("tx ", s.block), i
	}
	s.must(s.Apply(s.Context(), []orderbook.ChainBlock{{Number: s.block, At: s.now,
		Events: events}}, s.now))
}

// balanced holds the stored books against the transfers.
func (s *stage) balanced() {
	wrong, err := s.AuditBooks(context.Background()) // the test's own context is over by then
	if err != nil || len(wrong) > 0 {
		s.Errorf("books: %v, %v", wrong, err)
	}
}

// discreet holds events to what they may tell: whatever happened, none says where an agent serves.
func (s *stage) discreet() {
	n, err := s.EventsThatSay(context.Background(), `"peer":`)
	if err != nil || n > 0 {
		s.Errorf("%d events say where an agent serves, %v", n, err)
	}
}

func terms(replicas int) marketplace.BountyTerms {
	return marketplace.BountyTerms{Instrument: marketplace.Keepalive, Infohash: infohash,
		Replicas: replicas, PriceMax: marketplace.BTT(5000), KeepFor: marketplace.Span(time.Minute),
		Mandate: mandate, GoodFor: marketplace.Span(time.Hour)}
}

func (s *stage) post(replicas int) marketplace.Bounty {
	s.Helper()
	return s.postTerms(terms(replicas))
}

func (s *stage) postTerms(t marketplace.BountyTerms) marketplace.Bounty {
	s.Helper()
	b, _, err := s.Post(s.Context(), orderbook.Key{Account: poster}, t, s.now)
	s.must(err)
	return b
}

// agent puts up an offer in a network of its own and returns it.
func (s *stage) agent(n int) marketplace.Offer {
	s.Helper()
	a := person(fmt.Sprint("agent ", n))
	o, err := s.PutOffer(s.Context(), a, selling(a, fmt.Sprintf("10.0.%d.1:6881", n)), s.now)
	s.must(err)
	return o
}

func selling(payee marketplace.Address, peer string) marketplace.OfferTerms {
	return marketplace.OfferTerms{Storage: 1 << 30, UploadRate: 1 << 20, LeasesMax: 10,
		PriceMin: marketplace.BTT(1000), TermMax: marketplace.Span(marketplace.Day),
		TorrentMax: 1 << 30, Region: "europe", Peer: peer, Payee: payee}
}

// clear records a call that gives replicas of a bounty to offers at 2000 BTT.
func (s *stage) clear(b marketplace.Bounty, offers ...marketplace.Offer) []marketplace.Lease {
	s.Helper()
	leases, err := s.tryClear(b, offers...)
	s.must(err)
	return leases
}

func (s *stage) tryClear(b marketplace.Bounty, offers ...marketplace.Offer) (
	[]marketplace.Lease, error) {
	s.Helper()
	lead, err := s.Lead(s.Context(), "matcher")
	s.must(err)
	defer lead.Resign()
	s.calls++
	c := marketplace.Call{Hash: marketplace.Hash{byte(s.calls)}, Bounties: 1, Offers: len(offers)}
	for _, o := range offers {
		c.Fills = append(c.Fills, marketplace.Fill{Bounty: b.ID, Offer: o.ID,
			Price: marketplace.BTT(2000)})
	}
	if _, err := s.RecordCall(s.Context(), lead.Fence(), c, orderbook.Reasons{}, s.now); err != nil {
		return nil, err
	}
	all, err := s.Leases(s.Context(), orderbook.LeaseFilter{Bounty: b.ID, Live: true}, orderbook.Page{})
	s.must(err)
	slices.Reverse(all)
	return all, nil
}

// fetched brings reserved leases to proving.
func (s *stage) fetched(leases ...marketplace.Lease) {
	s.Helper()
	for _, l := range leases {
		_, err := s.Accept(s.Context(), l.Agent, l.ID, s.now)
		s.must(err)
		_, err = s.Ready(s.Context(), l.Agent, l.ID, marketplace.Hash{}, s.now)
		s.must(err)
	}
}

// OpenEpoch opens an epoch whose secret was promised in time.
func (s *stage) OpenEpoch(ctx context.Context, e marketplace.AuditEpoch, now time.Time) error {
	s.must(s.Promise(ctx, e.Epoch, e.Commit, s.rules.EpochStart(e.Epoch).Add(-time.Second)))
	return s.Book.OpenEpoch(ctx, e, now)
}

// SaveReport hands a report in: committed to at a moment, revealed when all must have committed.
func (s *stage) SaveReport(ctx context.Context, r marketplace.Report, now time.Time) error {
	no, err := s.Commit(ctx, r.Epoch, []marketplace.Commitment{r.Sealed()}, now)
	if err != nil || len(no) > 0 {
		return errors.Join(err, refusal(no))
	}
	no, err = s.SaveReports(ctx, []marketplace.Report{r}, s.rules.CommitBy(r.Epoch))
	return errors.Join(err, refusal(no))
}

// refusal is why the first of what was handed in was not taken.
func refusal(all []marketplace.NotTaken) error {
	if len(all) == 0 {
		return nil
	}
	return all[0].Kind.Errorf("%s", all[0].Detail)
}

// epoch lives through one epoch in which each lease's auditors find what is given (pass when it
// is not), and judges it.
func (s *stage) epoch(found map[int64]marketplace.Outcome) {
	s.Helper()
	k := s.rules.EpochAt(s.now)
	s.must(s.OpenEpoch(s.Context(), marketplace.AuditEpoch{Epoch: k, Block: s.block,
		Auditors: panel}, s.now))
	e, err := s.AuditEpoch(s.Context(), k)
	s.must(err)
	for _, l := range e.Leases {
		o, ok := found[l.ID]
		if !ok {
			o = marketplace.Pass
		}
		s.report(l.ID, k, o)
	}
	s.now = s.rules.EpochStart(k + 1)
	_, err = s.JudgeEpochs(s.Context(), s.now)
	s.must(err)
	_, err = s.Sweep(s.Context(), s.now)
	s.must(err)
}

// drawn returns the auditors of a lease in an open epoch.
func (s *stage) drawn(lease, epoch int64) []marketplace.Address {
	s.Helper()
	e, err := s.AuditEpoch(s.Context(), epoch)
	s.must(err)
	return s.rules.Draw(e)[lease]
}

// report lets every auditor of a lease find the same.
func (s *stage) report(lease, epoch int64, found marketplace.Outcome) {
	s.Helper()
	for _, auditor := range s.drawn(lease, epoch) {
		s.must(s.SaveReport(s.Context(), marketplace.Report{Lease: lease, Epoch: epoch, Auditor: auditor,
			Outcome: found, Tries: []marketplace.Outcome{found}, At: s.now}, s.now))
	}
}

func (s *stage) lease(id int64) marketplace.Lease {
	s.Helper()
	l, err := s.Lease(s.Context(), id)
	s.must(err)
	return l
}

func (s *stage) bounty(id int64) marketplace.Bounty {
	s.Helper()
	b, err := s.Bounty(s.Context(), id)
	s.must(err)
	return b
}

func (s *stage) account(who marketplace.Address) marketplace.Account {
	s.Helper()
	a, err := s.Account(s.Context(), who)
	s.must(err)
	return a
}

// quorum signs every draft with two auditors.
func (s *stage) quorum() {
	s.Helper()
	for _, auditor := range auditors[:2] {
		drafts, err := s.Drafts(s.Context(), auditor)
		s.must(err)
		for _, d := range drafts {
			_, err := s.SignCheque(s.Context(), d.ID, auditor, marketplace.Signature{1}, s.now)
			s.must(err)
		}
	}
}
