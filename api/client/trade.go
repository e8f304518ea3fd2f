package client

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"

	"github.com/everseed/everseed/marketplace"
)

// AddTorrent registers a .torrent file, so that bounties can name it.
func (c *Client) AddTorrent(ctx context.Context, metainfo []byte) (marketplace.Torrent, error) {
	var t marketplace.Torrent
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/torrents", body: metainfo,
		kind: "application/x-bittorrent", once: rand.Text()}, &t)
	return t, err
}

// Quote returns what a bounty would cost and get.
func (c *Client) Quote(ctx context.Context, t marketplace.BountyTerms) (marketplace.Quote, error) {
	return send[marketplace.Quote](ctx, c, http.MethodPost, "/v1/quote", "", t)
}

// PostBounty posts a bounty. Posting again with the same once returns the first bounty; an empty
// once makes this call safe to repeat inside, but not by the caller.
func (c *Client) PostBounty(
	ctx context.Context, once string, t marketplace.BountyTerms,
) (marketplace.Bounty, error) {
	return send[marketplace.Bounty](ctx, c, http.MethodPost, "/v1/bounties", once, t)
}

// FundBounty pledges money to a bounty that lacks some. It opens when nothing is missing. The same
// once pledges once.
func (c *Client) FundBounty(
	ctx context.Context, once string, id int64, f marketplace.Fund,
) (marketplace.Bounty, error) {
	return send[marketplace.Bounty](ctx, c, http.MethodPost,
		"/v1/bounties/"+itoa(id)+"/fund", once, f)
}

// TakeBack takes the account's pledge back, as long as the bounty has not opened.
func (c *Client) TakeBack(ctx context.Context, id int64) (marketplace.Bounty, error) {
	return send[marketplace.Bounty](ctx, c, http.MethodDelete,
		"/v1/bounties/"+itoa(id)+"/fund", "", nil)
}

// CancelBounty ends a bounty: what is unfilled at once, what is leased after the notice.
func (c *Client) CancelBounty(
	ctx context.Context, once string, id int64,
) (marketplace.Bounty, error) {
	return send[marketplace.Bounty](ctx, c, http.MethodPost,
		"/v1/bounties/"+itoa(id)+"/cancel", once, nil)
}

// PutOffer puts up or changes the account's offer.
func (c *Client) PutOffer(
	ctx context.Context, t marketplace.OfferTerms,
) (marketplace.Offer, error) {
	return send[marketplace.Offer](ctx, c, http.MethodPut, "/v1/offer", "", t)
}

// SetOfferState makes the account's offer live, paused or closed.
func (c *Client) SetOfferState(
	ctx context.Context, state marketplace.OfferState,
) (marketplace.Offer, error) {
	return send[marketplace.Offer](ctx, c, http.MethodPost, "/v1/offer/state", "",
		map[string]marketplace.OfferState{"state": state})
}

// Accept takes a reserved lease on.
func (c *Client) Accept(ctx context.Context, id int64) (marketplace.Lease, error) {
	return c.lease(ctx, id, "accept", nil)
}

// Decline refuses a reserved lease.
func (c *Client) Decline(ctx context.Context, id int64, why string) (marketplace.Lease, error) {
	return c.lease(ctx, id, "decline", map[string]string{"reason": why})
}

// Ready says that the agent holds and serves all of a lease's data, and commits to its root, unless that
// is zero. A lease whose .torrent tells no roots needs one: Invalid.
func (c *Client) Ready(
	ctx context.Context, id int64, root marketplace.Hash,
) (marketplace.Lease, error) {
	if root.IsZero() {
		return c.lease(ctx, id, "ready", nil)
	}
	return c.lease(ctx, id, "ready", map[string]marketplace.Hash{"root": root})
}

// Abandon gives a lease up before its end; its holdback is forfeited.
func (c *Client) Abandon(ctx context.Context, id int64, why string) (marketplace.Lease, error) {
	return c.lease(ctx, id, "abandon", map[string]string{"reason": why})
}

func (c *Client) lease(
	ctx context.Context, id int64, verb string, in any,
) (marketplace.Lease, error) {
	return send[marketplace.Lease](ctx, c, http.MethodPost,
		"/v1/leases/"+itoa(id)+"/"+verb, "", in)
}

// Knock has an agent told to connect to the caller. Knocking again is harmless.
func (c *Client) Knock(ctx context.Context, k marketplace.Knock) error {
	_, err := send[struct{}](ctx, c, http.MethodPost, "/v1/knocks", "", k)
	return err
}

// Carry has another agent's line lent for a visit of the caller, an auditor, and returns whose it is. NotFound:
// there is none.
func (c *Client) Carry(ctx context.Context, carry marketplace.Carry, w marketplace.CarrierWish) (
	marketplace.Carrier, error) {
	return send[marketplace.Carrier](ctx, c, http.MethodPost, "/v1/carries", "", struct {
		marketplace.Carry
		marketplace.CarrierWish
	}{carry, w})
}

// Reach has the market connect to where the caller, an auditor, listens, and says whether it could.
func (c *Client) Reach(ctx context.Context, address string) (bool, error) {
	s, err := send[marketplace.DoorState](ctx, c, http.MethodPost, "/v1/knocks/door", "",
		marketplace.Door{Address: address})
	return s.Reached, err
}

// RegisterAuditor registers the account as an auditor, or changes its terms, which it has signed.
func (c *Client) RegisterAuditor(
	ctx context.Context, t marketplace.AuditorTerms,
) (marketplace.Auditor, error) {
	return send[marketplace.Auditor](ctx, c, http.MethodPut, "/v1/auditor", "", t)
}

// SetAuditorState pauses the account's work as an auditor, resumes it ("admitted"), or leaves.
func (c *Client) SetAuditorState(
	ctx context.Context, state marketplace.AuditorState,
) (marketplace.Auditor, error) {
	return send[marketplace.Auditor](ctx, c, http.MethodPost, "/v1/auditor/state", "",
		map[string]marketplace.AuditorState{"state": state})
}

// Commit hands in an auditor's commitments for an epoch, and returns those that are refused.
func (c *Client) Commit(
	ctx context.Context, epoch int64, all []marketplace.Commitment,
) ([]marketplace.NotTaken, error) {
	in := struct {
		Epoch       int64                    `json:"epoch"`
		Commitments []marketplace.Commitment `json:"commitments"`
	}{epoch, all}
	out, err := send[marketplace.HandIn](ctx, c, http.MethodPost, "/v1/audit/commitments", "", in)
	return out.Refused, err
}

// Reveal hands in an auditor's signed findings that it has committed to, and returns those that are
// refused. Conflict means that their epoch takes none yet, or no more.
func (c *Client) Reveal(
	ctx context.Context, all []marketplace.Report,
) ([]marketplace.NotTaken, error) {
	in := struct {
		Reports []marketplace.Report `json:"reports"`
	}{slices.Clone(all)}
	for i, r := range in.Reports {
		if r.Answers == nil {
			in.Reports[i].Answers = []marketplace.Answer{}
		}
		if r.Tries == nil {
			in.Reports[i].Tries = []marketplace.Outcome{}
		}
	}
	out, err := send[marketplace.HandIn](ctx, c, http.MethodPost, "/v1/audit/reports", "", in)
	return out.Refused, err
}

// Drafts returns the cheques that wait for the signature of the account, an auditor.
func (c *Client) Drafts(ctx context.Context) ([]marketplace.Draft, error) {
	return whole[marketplace.Draft](ctx, c, "/v1/audit/drafts")
}

// SignCheque adds the account's signature to an owed cheque.
func (c *Client) SignCheque(
	ctx context.Context, id int64, s marketplace.Signature,
) (marketplace.SignedCheque, error) {
	return send[marketplace.SignedCheque](ctx, c, http.MethodPost,
		"/v1/cheques/"+itoa(id)+"/signatures", "",
		map[string]marketplace.Signature{"signature": s})
}
