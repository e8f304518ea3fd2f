package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A page is a part of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next" doc:"Send it as after to go on; empty at the end"`
}

// Paging asks for a part of a list. It and the other parts of inputs are exported because huma
// looks into no others.
type Paging struct {
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Items at most"`
	After string `query:"after" maxLength:"200" doc:"Where the part before ended"`
}

// number reads a cursor that is an id.
func (p Paging) number() (orderbook.Page, error) {
	page := orderbook.Page{Limit: p.Limit}
	if p.After == "" {
		return page, nil
	}
	after, err := strconv.ParseInt(p.After, 10, 64)
	if err != nil || after < 1 {
		return page, badCursor()
	}
	page.After = after
	return page, nil
}

func badCursor() error {
	return marketplace.Invalid.Errorf("after is not what a page said as next")
}

// numbered makes a page of a list that the book pages by number, newest first.
func numbered[T any](
	ctx context.Context, p Paging, list func(context.Context, orderbook.Page) ([]T, error),
	id func(T) int64,
) (page[T], error) {
	at, err := p.number()
	if err != nil {
		return page[T]{}, err
	}
	items, err := list(ctx, at)
	out := page[T]{Items: items}
	if len(items) == p.Limit {
		out.Next = strconv.FormatInt(id(items[len(items)-1]), 10)
	}
	return out, err
}

func (s *Server) rules(context.Context, *struct{}) (marketplace.MarketInfo, error) {
	return s.info, nil
}

func (s *Server) market(ctx context.Context, _ *struct{}) (marketplace.Market, error) {
	return s.Book.Market(ctx, time.Now())
}

func (s *Server) calls(ctx context.Context, in *Paging) (page[marketplace.Call], error) {
	return numbered(ctx, *in, s.Book.Calls, func(c marketplace.Call) int64 { return c.ID })
}

func (s *Server) call(ctx context.Context, in *ByID) (marketplace.Call, error) {
	return s.Book.Call(ctx, in.ID)
}

type eventsIn struct {
	Paging
	Who marketplace.Address `query:"who" doc:"Only what concerns this account"`
}

func (s *Server) events(ctx context.Context, in *eventsIn) (page[marketplace.Event], error) {
	var who *marketplace.Address
	if !in.Who.IsZero() {
		who = &in.Who
	}
	items, next, err := s.Book.EventsAfter(ctx, in.After, who, in.Limit)
	return page[marketplace.Event]{Items: items, Next: next}, err
}

func (s *Server) solvency(ctx context.Context, _ *struct{}) (marketplace.Solvency, error) {
	return s.Book.Solvency(ctx)
}

func (s *Server) keys(ctx context.Context, _ *struct{}) (page[client.Key], error) {
	keys, err := s.Book.Keys(ctx, callerOf(ctx).account)
	p := page[client.Key]{}
	for _, k := range keys {
		if k.RevokedAt.IsZero() && k.ExpiresAt.After(time.Now()) {
			p.Items = append(p.Items, keyView(k))
		}
	}
	return p, err
}

func keyView(k orderbook.APIKey) client.Key {
	v := client.Key{ID: k.ID, Name: k.Name, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt}
	for _, scope := range k.Scopes {
		v.Scopes = append(v.Scopes, client.Scope(scope))
	}
	return v
}

func (s *Server) revokeKey(ctx context.Context, in *ByID) error {
	return s.Book.RevokeKey(ctx, callerOf(ctx).account, in.ID, time.Now())
}

// ByAddress is a path that names an account.
type ByAddress struct {
	Address marketplace.Address `path:"address"`
}

func (s *Server) account(ctx context.Context, in *ByAddress) (marketplace.Account, error) {
	return s.Book.Account(ctx, in.Address)
}

func (s *Server) torrents(ctx context.Context, in *Paging) (page[marketplace.Torrent], error) {
	var after time.Time
	if in.After != "" {
		var err error
		if after, err = time.Parse(time.RFC3339Nano, in.After); err != nil {
			return page[marketplace.Torrent]{}, badCursor()
		}
	}
	items, err := s.Book.Torrents(ctx, after, in.Limit)
	out := page[marketplace.Torrent]{Items: items}
	if len(items) == in.Limit {
		out.Next = items[len(items)-1].AddedAt.UTC().Format(time.RFC3339Nano)
	}
	return out, err
}

type infohashIn struct {
	Infohash marketplace.Infohash `path:"infohash"`
}

func (s *Server) torrent(ctx context.Context, in *infohashIn) (marketplace.Torrent, error) {
	return s.Book.Torrent(ctx, in.Infohash)
}

// metainfo answers with the file as it was registered. An infohash names it for ever.
func (s *Server) metainfo(ctx context.Context, in *infohashIn) (func(huma.Context), error) {
	raw, err := s.Book.Metainfo(ctx, in.Infohash)
	if err != nil {
		return nil, err
	}
	return func(c huma.Context) {
		c.SetHeader("Content-Type", torrentType)
		c.SetHeader("Cache-Control", "public, max-age=31536000, immutable")
		c.SetHeader("Content-Disposition", `attachment; filename="`+in.Infohash.String()+`.torrent"`)
		c.SetStatus(http.StatusOK)
		_, _ = c.BodyWriter().Write(raw) // a reader that left needs no answer
	}, nil
}

type bountiesIn struct {
	Paging
	State    marketplace.BountyState `query:"state"`
	Poster   marketplace.Address     `query:"poster"`
	Infohash marketplace.Infohash    `query:"infohash"`
}

func (s *Server) bounties(ctx context.Context, in *bountiesIn) (page[marketplace.Bounty], error) {
	filter := orderbook.BountyFilter{State: in.State, Poster: in.Poster, Infohash: in.Infohash}
	return numbered(ctx, in.Paging, func(
		ctx context.Context, p orderbook.Page,
	) ([]marketplace.Bounty, error) {
		return s.Book.Bounties(ctx, filter, p)
	}, func(x marketplace.Bounty) int64 { return x.ID })
}

func (s *Server) bounty(ctx context.Context, in *ByID) (marketplace.Bounty, error) {
	return s.Book.Bounty(ctx, in.ID)
}

func (s *Server) offers(ctx context.Context, in *Paging) (page[marketplace.Offer], error) {
	return numbered(ctx, *in, func(ctx context.Context, p orderbook.Page) ([]marketplace.Offer, error) {
		all, err := s.Book.Offers(ctx, p)
		for i := range all {
			all[i] = own(ctx, all[i])
		}
		return all, err
	}, func(o marketplace.Offer) int64 { return o.ID })
}

func (s *Server) offer(ctx context.Context, in *ByID) (marketplace.Offer, error) {
	o, err := s.Book.Offer(ctx, in.ID)
	return own(ctx, o), err
}

type leasesIn struct {
	Paging
	Bounty   int64                `query:"bounty" minimum:"1"`
	Agent    marketplace.Address  `query:"agent"`
	Payee    marketplace.Address  `query:"payee"`
	Infohash marketplace.Infohash `query:"infohash"`
	Live     bool                 `query:"live" doc:"Only those that still bind their agent"`
}

func (s *Server) leases(ctx context.Context, in *leasesIn) (page[marketplace.Lease], error) {
	filter := orderbook.LeaseFilter{Bounty: in.Bounty, Agent: in.Agent, Payee: in.Payee,
		Infohash: in.Infohash, Live: in.Live}
	return numbered(ctx, in.Paging, func(
		ctx context.Context, p orderbook.Page,
	) ([]marketplace.Lease, error) {
		all, err := s.Book.Leases(ctx, filter, p)
		if err != nil {
			return nil, err
		}
		r, err := s.reachOf(ctx, all...)
		for i := range all {
			all[i] = r.show(all[i])
		}
		return all, err
	}, func(x marketplace.Lease) int64 { return x.ID })
}

func (s *Server) lease(ctx context.Context, in *ByID) (marketplace.Lease, error) {
	l, err := s.Book.Lease(ctx, in.ID)
	if err != nil {
		return l, err
	}
	r, err := s.carrierTo(ctx, l)
	return r.show(l), err
}

type proofsIn struct {
	Paging
	Lease  int64               `query:"lease" minimum:"1"`
	Bounty int64               `query:"bounty" minimum:"1"`
	Agent  marketplace.Address `query:"agent"`
	Epoch  int64               `query:"epoch" minimum:"1" doc:"All of an epoch; the rest is not looked at"`
}

func (s *Server) proofs(ctx context.Context, in *proofsIn) (page[marketplace.Proof], error) {
	if in.Epoch > 0 {
		return numbered(ctx, in.Paging, func(
			ctx context.Context, p orderbook.Page,
		) ([]marketplace.Proof, error) {
			return s.Book.ProofsOf(ctx, in.Epoch, p)
		}, func(x marketplace.Proof) int64 { return x.Lease })
	}
	filter := orderbook.ProofFilter{Lease: in.Lease, Bounty: in.Bounty, Agent: in.Agent}
	return numbered(ctx, in.Paging, func(
		ctx context.Context, p orderbook.Page,
	) ([]marketplace.Proof, error) {
		return s.Book.Proofs(ctx, filter, p)
	}, func(x marketplace.Proof) int64 { return x.Epoch })
}

func (s *Server) reports(ctx context.Context, in *reportsIn) (page[marketplace.Report], error) {
	filter := orderbook.ReportFilter{Lease: in.Lease, Epoch: in.Epoch,
		Reader: callerOf(ctx).account}
	return numbered(ctx, in.Paging, func(
		ctx context.Context, p orderbook.Page,
	) ([]marketplace.Report, error) {
		return s.Book.Reports(ctx, filter, p)
	}, func(x marketplace.Report) int64 { return x.ID })
}

type chequesIn struct {
	Paging
	From  marketplace.Address     `query:"from" doc:"Poster"`
	Payee marketplace.Address     `query:"payee"`
	State marketplace.ChequeState `query:"state"`
}

func (s *Server) cheques(
	ctx context.Context, in *chequesIn,
) (page[marketplace.SignedCheque], error) {
	filter := orderbook.ChequeFilter{From: in.From, Payee: in.Payee, State: in.State}
	return numbered(ctx, in.Paging, func(
		ctx context.Context, p orderbook.Page,
	) ([]marketplace.SignedCheque, error) {
		return s.Book.Cheques(ctx, filter, p)
	}, func(x marketplace.SignedCheque) int64 { return x.ID })
}
