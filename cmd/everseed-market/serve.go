package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/everseed/everseed/api"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/feed"
	"github.com/everseed/everseed/marketplace/orderbook"
	"github.com/everseed/everseed/marketplace/settlement"
	"github.com/everseed/everseed/matcher"
	"github.com/everseed/everseed/migrations"
	"github.com/everseed/everseed/web"
)

// A market is the wired process.
type market struct {
	settings
	book  *orderbook.Book
	chain *escrow.Vault
	info  marketplace.MarketInfo
	log   *slog.Logger
}

// serve wires the roles of this process and runs them until ctx is done. Any that cannot go on
// ends the process: whatever restarts it starts all anew.
func serve(ctx context.Context, c settings, log *slog.Logger) error {
	if err := migrations.Migrate(ctx, c.DatabaseURL); err != nil {
		return err
	}
	m := &market{settings: c, log: log}
	if err := m.open(ctx); err != nil {
		return err
	}
	defer m.close()
	if err := m.book.ConfigureAuditors(ctx, m.auditors, time.Now()); err != nil {
		return err
	}
	bus, err := feed.Connect(c.NATSURL, log)
	if err != nil {
		return err
	}
	defer bus.Close()
	group, ctx := errgroup.WithContext(ctx)
	for role, run := range map[string]func(context.Context, *feed.Bus) error{
		"api": m.serveAPI, "matcher": m.match, "settlement": m.settle, "feed": m.relay,
	} {
		if c.plays(role) {
			group.Go(func() error { return run(ctx, bus) })
		}
	}
	return group.Wait()
}

// match runs the matcher, woken by what changes who wants and who sells.
func (m *market) match(ctx context.Context, bus *feed.Bus) error {
	wake, err := bus.Wake(ctx, "bounty.>", "offer.>", "lease.released", "lease.failed")
	if err != nil {
		return err
	}
	return (&matcher.Matcher{Book: m.book, Wake: wake, Log: m.log}).Run(ctx)
}

// relay tells the other processes of every event from now on.
func (m *market) relay(ctx context.Context, bus *feed.Bus) error {
	after := ""
	if last, err := m.book.EventsTail(ctx, 1); err != nil {
		return err
	} else if len(last) > 0 {
		after = last[0].ID
	}
	return bus.Relay(ctx, m.book.EventsAfter, after)
}

// open connects to the book and the chain and asks the chain who it is.
func (m *market) open(ctx context.Context) (err error) {
	m.book, err = orderbook.Open(ctx, m.DatabaseURL, orderbook.Options{Rules: m.rules,
		FeePayee: m.key.Address(), Canaries: m.canaries})
	if err != nil {
		return err
	}
	c := escrow.Config{GRPC: m.TronGRPC, APIKey: m.TronAPIKey, Token: m.token, Vault: m.vault,
		FeeLimit: m.FeeLimit * escrow.Sun, Log: m.log}
	if m.devnet() { // a chain of our own, with ten blocks a second
		c.PerSecond, c.Recheck, c.Behind = 2000, time.Second, 2*time.Second
	}
	if m.chain, err = escrow.Dial(ctx, c); err != nil {
		return errors.Join(err, m.close())
	}
	domain, err := m.domain(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("ask %s for its chain: %w", m.TronGRPC, err), m.close())
	}
	m.info = marketplace.MarketInfo{Rules: m.rules, ChainID: domain.ChainID, Vault: m.vault,
		Token: m.token, Auditors: m.auditors, Quorum: m.Quorum, FeePayee: m.key.Address()}
	return nil
}

// domain asks the chain who it is. It waits for nodes that do not answer: a market that is started
// again during an outage of TRON comes back when TRON does.
func (m *market) domain(ctx context.Context) (d escrow.Domain, err error) {
	for told := false; ; told = true {
		d, err = m.chain.Domain(ctx)
		if !errors.Is(err, marketplace.Unavailable) {
			return d, err
		}
		if !told {
			m.log.ErrorContext(ctx, "market waits for TRON", "nodes", m.TronGRPC, "err", err)
		}
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (m *market) devnet() bool { return m.Rules == "devnet" }

func (m *market) close() error {
	m.book.Close()
	if m.chain == nil {
		return nil
	}
	return m.chain.Close()
}

// settle carries the money. The beacon's key follows from the market's own, so that a restart
// keeps the promises that were published.
func (m *market) settle(ctx context.Context, bus *feed.Bus) error {
	wake, err := bus.Wake(ctx, "cheque.signed")
	if err != nil {
		return err
	}
	s := &settlement.Settler{Book: m.book, Vault: m.chain, Key: m.key, Wake: wake, Log: m.log,
		First: m.First, TRX: m.trx,
		Beacon: settlement.Beacon{Key: sha256.Sum256([]byte("everseed beacon " + m.key.Hex()))}}
	if m.devnet() {
		s.Every, s.Rest = 200*time.Millisecond, time.Second
	}
	return s.Run(ctx)
}

const shutdownWithin = 5 * time.Second

// serveAPI answers HTTP until ctx is done, and lets requests under way finish.
func (m *market) serveAPI(ctx context.Context, bus *feed.Bus) error {
	wake, err := bus.Wake(ctx)
	if err != nil {
		return err
	}
	limits := api.DefaultLimits()
	if m.devnet() {
		limits = api.Limits{}
	}
	server := api.New(api.Config{Book: m.book, Info: m.info, Domain: m.Domain, Quote: m.quote,
		Web: web.Handler(), Wake: wake, Limits: limits, Log: m.log})
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", m.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	m.log.InfoContext(ctx, "market serves", "listen", ln.Addr().String(), "roles", m.Roles)
	door := &http.Server{Handler: server.Handler(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error {
		if err := door.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWithin)
		defer cancel()
		if door.Shutdown(last) != nil { // streams do not end by themselves
			return door.Close()
		}
		return nil
	})
	return group.Wait()
}

// quote asks the matcher what a bounty would get now, and the book whether it could be paid.
func (m *market) quote(ctx context.Context, poster marketplace.Address,
	t marketplace.BountyTerms) (q marketplace.Quote, err error) {
	torrent, err := m.book.Torrent(ctx, t.Infohash)
	if err != nil {
		return q, err
	}
	frozen, err := m.book.Freeze(ctx, time.Now())
	if err != nil {
		return q, err
	}
	q = matcher.NewQuote(frozen, m.rules, poster, t, torrent.Size)
	if poster.IsZero() {
		return q, nil
	}
	account, err := m.book.Account(ctx, poster)
	if err != nil {
		return q, err
	}
	pledge := q.WorstCase
	if !t.Fund.IsZero() {
		pledge = t.Fund
	}
	for _, mandate := range account.Mandates {
		if mandate.ID == t.Mandate {
			q.Sufficient = account.Free.SubFloor(account.Thawing).Cmp(pledge) >= 0 &&
				mandate.Cap.SubFloor(mandate.Committed).Cmp(pledge) >= 0
		}
	}
	return q, nil
}
