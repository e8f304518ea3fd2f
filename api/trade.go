package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/marketplace/orderbook"
)

type torrentBody struct {
	Kind    string `header:"Content-Type" hidden:"true"`
	RawBody []byte `contentType:"application/x-bittorrent"`
}

// addTorrent reads a stranger's file within limits before the book sees it.
func (s *Server) addTorrent(ctx context.Context, in *torrentBody) (marketplace.Torrent, error) {
	kind, _, _ := strings.Cut(in.Kind, ";")
	if strings.TrimSpace(kind) != torrentType {
		return marketplace.Torrent{}, newProblem(ctx, unsupported,
			"send the .torrent file itself, as "+torrentType)
	}
	t, err := metainfo.Parse(in.RawBody, metainfo.DefaultLimits())
	if err != nil {
		return marketplace.Torrent{}, err
	}
	now := time.Now()
	return s.Book.RegisterTorrent(ctx, callerOf(ctx).account, marketplace.Torrent{
		Infohash: t.Infohash, Name: t.Name, Size: t.Size, PieceLength: t.PieceLength,
		Pieces: t.Pieces, Files: len(t.Files), Private: t.Private, AddedAt: now,
	}, in.RawBody, now)
}

func (s *Server) quote(ctx context.Context, in *BountyBody) (marketplace.Quote, error) {
	if s.Quote == nil {
		return marketplace.Quote{}, marketplace.Unavailable.Errorf("this market gives no quotes now")
	}
	return s.Quote(ctx, callerOf(ctx).account, in.Body)
}

// A Once makes a request safe to repeat: a repeat carries the same text.
type Once struct {
	Once string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"200"`
}

type postBody struct {
	Once
	BountyBody
}

func (s *Server) post(ctx context.Context, in *postBody) (marketplace.Bounty, error) {
	b, replayed, err := s.Book.Post(ctx, onceKey(ctx, in.Once.Once, "/v1/bounties", in.RawBody),
		in.Body, time.Now())
	return sayReplayed(ctx, b, replayed, err)
}

// ByID is a path that names a thing by number.
type ByID struct {
	ID int64 `path:"id" minimum:"1"`
}

type fundBody struct {
	Once
	ByID
	Body    marketplace.Fund
	RawBody []byte
}

func (s *Server) fund(ctx context.Context, in *fundBody) (marketplace.Bounty, error) {
	path := fmt.Sprintf("/v1/bounties/%d/fund", in.ID)
	b, replayed, err := s.Book.Fund(ctx, onceKey(ctx, in.Once.Once, path, in.RawBody), in.ID, in.Body,
		time.Now())
	return sayReplayed(ctx, b, replayed, err)
}

func (s *Server) takeBack(ctx context.Context, in *ByID) (marketplace.Bounty, error) {
	return s.Book.TakeBack(ctx, callerOf(ctx).account, in.ID, time.Now())
}

type cancelIn struct {
	Once
	ByID
}

func (s *Server) cancel(ctx context.Context, in *cancelIn) (marketplace.Bounty, error) {
	path := fmt.Sprintf("/v1/bounties/%d/cancel", in.ID)
	b, replayed, err := s.Book.Cancel(ctx, onceKey(ctx, in.Once.Once, path, nil), in.ID, time.Now())
	return sayReplayed(ctx, b, replayed, err)
}

// onceKey tells the book which requests are repeats of one another.
func onceKey(ctx context.Context, once, path string, body []byte) orderbook.Key {
	return orderbook.Key{Account: callerOf(ctx).account, Key: once,
		Body: fingerprint(http.MethodPost, path, body)}
}

func sayReplayed[T any](ctx context.Context, v T, replayed bool, err error) (T, error) {
	if replayed {
		visitOf(ctx).header.Set(replayedHeader, "true")
	}
	return v, err
}

// putOffer puts up the caller's offer. Where the money goes is changed only by a key that may
// withdraw: a stolen trading key shall not lead the pay elsewhere.
func (s *Server) putOffer(ctx context.Context, in *OfferBody) (marketplace.Offer, error) {
	c := callerOf(ctx)
	if !c.may(client.ScopeWithdraw) {
		old, err := s.Book.OfferOf(ctx, c.account)
		if err != nil && !errors.Is(err, marketplace.NotFound) {
			return marketplace.Offer{}, err
		}
		if in.Body.Payee != c.account && in.Body.Payee != old.Terms.Payee {
			return marketplace.Offer{}, marketplace.Forbidden.Errorf(
				"naming another payee needs a key with the scope %q", client.ScopeWithdraw)
		}
	}
	return s.Book.PutOffer(ctx, c.account, in.Body.SeenFrom(visitOf(ctx).from), time.Now())
}

type stateBody struct {
	Body struct {
		State marketplace.OfferState `json:"state"`
	} `nameHint:"OfferStateBody"`
}

func (s *Server) setOfferState(ctx context.Context, in *stateBody) (marketplace.Offer, error) {
	return s.Book.SetOfferState(ctx, callerOf(ctx).account, in.Body.State, time.Now())
}

func (s *Server) accept(ctx context.Context, in *ByID) (marketplace.Lease, error) {
	return s.Book.Accept(ctx, callerOf(ctx).account, in.ID, time.Now())
}

type readyBody struct {
	ByID
	Body *struct {
		Root marketplace.Hash `json:"root,omitzero" doc:"Merkle root of the torrent, where its .torrent tells none: set once, and required"`
	} `nameHint:"ReadyBody"`
}

func (s *Server) ready(ctx context.Context, in *readyBody) (marketplace.Lease, error) {
	var root marketplace.Hash
	if in.Body != nil {
		root = in.Body.Root
	}
	if err := s.provable(ctx, in.ID, root); err != nil {
		return marketplace.Lease{}, err
	}
	return s.Book.Ready(ctx, callerOf(ctx).account, in.ID, root, time.Now())
}

// provable says why blocks of a lease cannot be proven by a root: its .torrent tells no Merkle roots and its agent
// committed to none, or it tells them itself.
func (s *Server) provable(ctx context.Context, lease int64, root marketplace.Hash) error {
	l, err := s.Book.Lease(ctx, lease)
	if err != nil || !l.Root.IsZero() {
		return err
	}
	raw, err := s.Book.Metainfo(ctx, l.Infohash)
	if err != nil {
		return err
	}
	t, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	switch {
	case err != nil:
		return err
	case root.IsZero() && !t.TellsRoots():
		return marketplace.Invalid.Errorf("root: is missing; the .torrent of lease %d tells no hashes of blocks, and"+
			" audits prove them by the root that its agent commits to", lease)
	case !root.IsZero() && t.TellsRoots():
		return marketplace.Invalid.Errorf("root: the .torrent of lease %d tells what audits prove blocks by, and its"+
			" agent nothing", lease)
	}
	return nil
}

type reasonBody struct {
	ByID
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" pattern:"^[^\\x00-\\x1f]*$"`
	} `nameHint:"ReasonBody"`
}

func (s *Server) decline(ctx context.Context, in *reasonBody) (marketplace.Lease, error) {
	return s.Book.Decline(ctx, callerOf(ctx).account, in.ID, in.Body.Reason, time.Now())
}

func (s *Server) abandon(ctx context.Context, in *reasonBody) (marketplace.Lease, error) {
	return s.Book.Abandon(ctx, callerOf(ctx).account, in.ID, in.Body.Reason, time.Now())
}
