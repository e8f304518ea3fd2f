package seederagent

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/api"
	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A fair is a market's API over a real book.
type fair struct {
	t      *testing.T
	book   *orderbook.Book
	web    *httptest.Server
	info   marketplace.MarketInfo
	height int64 // of the chain

	carriers []marketplace.Address
}

func newFair(t *testing.T) *fair {
	t.Helper()
	f := &fair{t: t, web: httptest.NewUnstartedServer(nil)}
	f.info = marketplace.MarketInfo{Rules: marketplace.DevnetRules(), ChainID: 9, Quorum: 1,
		Auditors: []marketplace.Address{newKey(t).Address()}, FeePayee: newKey(t).Address()}
	f.info.Rules.Epoch = marketplace.Span(time.Hour) // so that no test waits too long for it
	var err error
	f.book, err = orderbook.Open(t.Context(), devstack.TestDatabase(t),
		orderbook.Options{Rules: f.info.Rules, FeePayee: f.info.FeePayee})
	must(t, err)
	server := api.New(api.Config{Book: f.book, Info: f.info, Domain: f.web.Listener.Addr().String()})
	f.web.Config.Handler = server.Handler()
	f.web.Start()
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = server.Run(ctx) })
	t.Cleanup(func() {
		stop()
		run.Wait()
		f.web.Close()
		f.book.Close()
	})
	return f
}

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

func (f *fair) as(k escrow.Key) *client.Client {
	f.t.Helper()
	c := client.New(f.web.URL)
	c.HTTP = f.web.Client()
	must(f.t, c.Login(f.t.Context(), k))
	return c
}

// auditor registers a new auditor, which is admitted or not.
func (f *fair) auditor(admitted bool) escrow.Key {
	f.t.Helper()
	k := newKey(f.t)
	terms := marketplace.AuditorTerms{Auditor: k.Address(), Capacity: 10, Payee: k.Address(),
		At: time.Now().UTC()}
	var err error
	terms.Signature, err = k.SignText(terms.Text())
	must(f.t, err)
	_, err = f.as(k).RegisterAuditor(f.t.Context(), terms)
	must(f.t, err)
	if admitted {
		f.move(k, marketplace.Admitted)
	}
	return k
}

func (f *fair) move(auditor escrow.Key, to marketplace.AuditorState) {
	f.t.Helper()
	_, err := f.book.MoveAuditor(f.t.Context(), auditor.Address(), to, "", time.Now())
	must(f.t, err)
}

// lease gives an agent the lease of a torrent, as a call of the matcher would.
func (f *fair) lease(agent *Agent, raw []byte) marketplace.Lease {
	f.t.Helper()
	ctx, poster, now := f.t.Context(), newKey(f.t), time.Now()
	mandate := marketplace.Mandate{Poster: poster.Address(), ID: marketplace.Hash{1}, Threshold: 1,
		Cap: marketplace.BTT(1000), Signers: f.info.Auditors, Expiry: now.Add(90 * marketplace.Day)}
	f.height++
	block := orderbook.ChainBlock{Number: f.height, Hash: marketplace.Hash{9, byte(f.height)}, At: now}
	tx := block.Hash.String()
	block.Events = []orderbook.ChainEvent{
		{Kind: orderbook.ChainDeposit, Tx: tx, Account: mandate.Poster, Amount: mandate.Cap},
		{Kind: orderbook.ChainMandate, Tx: tx, Index: 1, Account: mandate.Poster, Mandate: mandate},
	}
	must(f.t, f.book.Apply(ctx, []orderbook.ChainBlock{block}, now))
	c := f.as(poster)
	torrent, err := c.AddTorrent(ctx, raw)
	must(f.t, err)
	b, err := c.PostBounty(ctx, "", marketplace.BountyTerms{Instrument: marketplace.Keepalive,
		Infohash: torrent.Infohash, Replicas: 1, PriceMax: marketplace.BTT(1000),
		KeepFor: marketplace.Span(time.Hour), Mandate: mandate.ID})
	must(f.t, err)
	o, err := f.as(agent.Key).PutOffer(ctx, agent.Config.Offer(agent.Key.Address(), nil))
	must(f.t, err)
	leader, err := f.book.Lead(ctx, "matcher")
	must(f.t, err)
	defer leader.Resign()
	price := o.Terms.PriceMin
	_, err = f.book.RecordCall(ctx, leader.Fence(), marketplace.Call{Hash: block.Hash, At: now, Bounties: 1, Offers: 1,
		Fills:     []marketplace.Fill{{Bounty: b.ID, Offer: o.ID, Price: price}},
		Clearings: []marketplace.Price{{Signature: "1", Price: price, Replicas: 1}},
	}, orderbook.Reasons{}, now)
	must(f.t, err)
	leases, err := c.LeasesOf(ctx, b.ID)
	if err != nil || len(leases) != 1 {
		f.t.Fatalf("%v %v", leases, err)
	}
	return leases[0]
}

func sign(t *testing.T, by escrow.Key, ticket marketplace.Ticket) marketplace.Ticket {
	t.Helper()
	var err error
	ticket.Signature, err = by.SignText(ticket.Text())
	must(t, err)
	return ticket
}

// show connects to an agent as a downloader does, shows a ticket and returns the answer.
func show(t *testing.T, a *Agent, h marketplace.Infohash, ticket marketplace.Ticket) byte {
	t.Helper()
	c, err := net.Dial("tcp", a.Engine.Addr().String())
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(time.Minute)))
	hello := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x00"), h[:]...)
	hello = append(hello, "-XX0001-"+rand.Text()[:12]...)
	extended := func(m []byte) {
		b := binary.BigEndian.AppendUint32(nil, uint32(1+len(m)))
		_, err := c.Write(append(append(b, 20), m...))
		must(t, err)
	}
	_, err = c.Write(hello)
	must(t, err)
	extended([]byte("\x00d1:md8:es_quieti7eee"))
	_, err = io.ReadFull(c, make([]byte, len(hello)))
	must(t, err)
	for {
		size := make([]byte, 4)
		_, err := io.ReadFull(c, size)
		must(t, err)
		m := make([]byte, binary.BigEndian.Uint32(size))
		_, err = io.ReadFull(c, m)
		must(t, err)
		switch {
		case len(m) < 3 || m[0] != 20:
		case m[1] == 0:
			id := metainfo.ExtensionID(m[2:], metainfo.QuietExtension)
			extended(metainfo.AppendTicket([]byte{id, metainfo.TicketMessage}, ticket))
		case m[1] == 7:
			return m[2]
		}
	}
}

// itself stands for where an agent listens.
const itself = "itself"

// employed returns an agent at a market, for a torrent that it has already. Others connect to it at an
// address, or cannot if that is empty.
func employed(t *testing.T, f *fair, peer string) (*Agent, marketplace.Lease) {
	t.Helper()
	a, raw, h := holder(t, true)
	a.Market, a.info = f.as(a.Key), f.info
	a.Config = DefaultConfig()
	if a.Config.Peer = peer; peer == itself {
		a.Config.Peer = a.Engine.Addr().String()
	}
	a.Config.Dir, a.Config.KeepFree, a.Config.TermMin = t.TempDir(), 1, marketplace.Span(time.Second)
	l := f.lease(a, raw)
	if l.Infohash != h {
		t.Fatal("the lease is of another torrent")
	}
	return a, l
}

func TestAnAgentIsQuietForTheAuditorsOfItsLeaseAndForNobodyElse(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	a, l := employed(t, f, "")
	auditor, colleague := f.auditor(true), f.auditor(true)
	applicant, stranger := f.auditor(false), newKey(t)
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer run.Wait()
	defer stop()
	visitor, end := f.as(stranger), time.Now().Add(time.Minute)
	for l.State != marketplace.Proving || !a.state.holds(l.ID, l.Infohash) ||
		!a.roll.has(auditor.Address()) {
		if time.Now().After(end) {
			t.Fatalf("the lease is %s, and the auditor known: %v", l.State, a.roll.has(auditor.Address()))
		}
		time.Sleep(10 * time.Millisecond)
		var err error
		l, err = visitor.Lease(ctx, l.ID)
		must(t, err)
	}

	good := marketplace.Ticket{Lease: l.ID, Epoch: f.info.Rules.EpochAt(time.Now()),
		Auditor: auditor.Address()}
	another, past, future, stale := good, good, good, sign(t, auditor, good)
	another.Lease++
	past.Epoch -= 3
	future.Epoch += 3
	stale.Epoch--
	of := func(who escrow.Key) marketplace.Ticket {
		ticket := good
		ticket.Auditor = who.Address()
		return sign(t, who, ticket)
	}
	for what, ticket := range map[string]marketplace.Ticket{
		"a stranger's":     of(stranger),
		"an applicant's":   of(applicant),
		"a forged":         sign(t, stranger, good),
		"a colleague's":    sign(t, colleague, good),
		"an unsigned":      good,
		"another lease's":  sign(t, auditor, another),
		"an old epoch's":   sign(t, auditor, past),
		"a later epoch's":  sign(t, auditor, future),
		"another epoch's":  stale,
		"nobody's, no key": {Lease: l.ID, Epoch: good.Epoch},
	} {
		if got := show(t, a, l.Infohash, ticket); got != metainfo.LoudMessage {
			t.Errorf("%s ticket is answered with %d", what, got)
		}
	}
	if got := show(t, a, l.Infohash, sign(t, auditor, good)); got != metainfo.QuietMessage {
		t.Errorf("a good ticket is answered with %d", got)
	}
	if s, err := a.Status(); err != nil || s.Quiet != 1 {
		t.Errorf("the owner is told of %d windows, %v", s.Quiet, err)
	}
}

func TestAnAgentLooksTheAuditorsUpNowAndThen(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	a, _, _ := holder(t, true)
	a.Market, a.info = f.as(a.Key), f.info
	now, ctx := time.Now(), t.Context()
	old, paused := f.auditor(true), f.auditor(true)
	knows := func(who escrow.Key, at time.Time) bool {
		t.Helper()
		err := a.checkAuditor(ctx, who.Address(), at)
		if err != nil && !errors.Is(err, marketplace.Forbidden) {
			t.Error(err)
		}
		return err == nil
	}
	if !knows(old, now) || !knows(paused, now) {
		t.Error("an auditor that was admitted before is not known")
	}
	young := f.auditor(true)
	f.move(paused, marketplace.PausedAuditor)
	if knows(young, now.Add(59*time.Second)) {
		t.Error("the list is read again within a minute")
	}
	if !knows(young, now.Add(time.Minute)) || !knows(paused, now.Add(time.Minute)) {
		t.Error("after a minute an auditor that was admitted, or pauses, is not known")
	}
	f.move(old, marketplace.Barred)
	step := func(at time.Time) error { return a.callRoll(ctx, at, f.info.Rules.Epoch.Duration()) }
	must(t, step(now.Add(time.Hour)))
	if !knows(old, now.Add(time.Hour)) {
		t.Error("each step reads the list")
	}
	must(t, step(now.Add(time.Hour+time.Minute)))
	if knows(old, now.Add(time.Hour+time.Minute)) {
		t.Error("a list is used for longer than an epoch")
	}
	f.web.Close()
	if err := step(now.Add(4 * time.Hour)); err == nil {
		t.Error("nobody is told that the list cannot be read")
	}
	if !knows(young, now.Add(5*time.Hour)) || knows(newKey(t), now.Add(5*time.Hour)) {
		t.Error("without the market the old list does not do")
	}
}
