package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/everseed/everseed/marketplace"
)

// pageMax is the most items that the market returns at once; wholeMax bounds the lists that are
// read to their end.
const (
	pageMax  = 200
	wholeMax = 100_000
)

// A page is a part of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// whole reads a list that comes in one piece.
func whole[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	p, err := get[page[T]](ctx, c, path, nil)
	return p.Items, err
}

// list reads pages of path until there is no next one or it has most items.
func list[T any](
	ctx context.Context, c *Client, path string, query url.Values, most int,
) ([]T, error) {
	q := nonEmpty(query)
	if most == 0 {
		most = pageMax
	}
	all := []T{}
	for {
		q.Set("limit", strconv.Itoa(min(most-len(all), pageMax)))
		page, err := get[page[T]](ctx, c, path, q)
		if err != nil {
			return all, err
		}
		all = append(all, page.Items...)
		if page.Next == "" || len(page.Items) == 0 || len(all) >= most {
			return all, nil
		}
		q.Set("after", page.Next)
	}
}

func nonEmpty(query url.Values) url.Values {
	q := url.Values{}
	for name, values := range query {
		if values[0] != "" {
			q[name] = values
		}
	}
	return q
}

func number(id int64) []string {
	if id == 0 {
		return []string{""}
	}
	return []string{itoa(id)}
}

func hash(h marketplace.Infohash) []string {
	if h.IsZero() {
		return []string{""}
	}
	return []string{h.String()}
}

// Rules returns the market's rules and where its vault is.
func (c *Client) Rules(ctx context.Context) (marketplace.MarketInfo, error) {
	return get[marketplace.MarketInfo](ctx, c, "/v1/rules", nil)
}

// Torrents returns the newest registered torrents.
func (c *Client) Torrents(ctx context.Context) ([]marketplace.Torrent, error) {
	return list[marketplace.Torrent](ctx, c, "/v1/torrents", nil, 0)
}

// Torrent returns a registered torrent.
func (c *Client) Torrent(
	ctx context.Context, h marketplace.Infohash,
) (marketplace.Torrent, error) {
	return get[marketplace.Torrent](ctx, c, "/v1/torrents/"+h.String(), nil)
}

// Metainfo returns a registered torrent's .torrent file. Check its infohash: the market is not
// trusted with it.
func (c *Client) Metainfo(ctx context.Context, h marketplace.Infohash) ([]byte, error) {
	var raw []byte
	err := c.do(ctx, call{method: http.MethodGet,
		path: "/v1/torrents/" + h.String() + "/metainfo"}, &raw)
	return raw, err
}

// A BountyFilter narrows a list of bounties; zero fields narrow nothing.
type BountyFilter struct {
	State    marketplace.BountyState
	Poster   marketplace.Address
	Infohash marketplace.Infohash
	Most     int // at most so many, the newest; zero means 200
}

// Bounties returns bounties, newest first.
func (c *Client) Bounties(ctx context.Context, f BountyFilter) ([]marketplace.Bounty, error) {
	return list[marketplace.Bounty](ctx, c, "/v1/bounties", url.Values{
		"state": {string(f.State)}, "poster": {f.Poster.String()}, "infohash": hash(f.Infohash),
	}, f.Most)
}

// Bounty returns one bounty.
func (c *Client) Bounty(ctx context.Context, id int64) (marketplace.Bounty, error) {
	return get[marketplace.Bounty](ctx, c, "/v1/bounties/"+itoa(id), nil)
}

// Offers returns the newest offers.
func (c *Client) Offers(ctx context.Context) ([]marketplace.Offer, error) {
	return list[marketplace.Offer](ctx, c, "/v1/offers", nil, 0)
}

// Offer returns one offer.
func (c *Client) Offer(ctx context.Context, id int64) (marketplace.Offer, error) {
	return get[marketplace.Offer](ctx, c, "/v1/offers/"+itoa(id), nil)
}

// A LeaseFilter narrows a list of leases; zero fields narrow nothing.
type LeaseFilter struct {
	Bounty   int64
	Agent    marketplace.Address
	Payee    marketplace.Address
	Infohash marketplace.Infohash
	Live     bool // only those that still bind their agent
	Most     int  // at most so many, the newest; zero means 200
}

// Leases returns leases, newest first.
func (c *Client) Leases(ctx context.Context, f LeaseFilter) ([]marketplace.Lease, error) {
	q := url.Values{"bounty": number(f.Bounty), "agent": {f.Agent.String()},
		"payee": {f.Payee.String()}, "infohash": hash(f.Infohash)}
	if f.Live {
		q.Set("live", "true")
	}
	return list[marketplace.Lease](ctx, c, "/v1/leases", q, f.Most)
}

// LiveLeases returns every lease that binds an agent now.
func (c *Client) LiveLeases(
	ctx context.Context, agent marketplace.Address,
) ([]marketplace.Lease, error) {
	return c.Leases(ctx, LeaseFilter{Agent: agent, Live: true, Most: wholeMax})
}

// LeasesOf returns every lease of a bounty.
func (c *Client) LeasesOf(ctx context.Context, bounty int64) ([]marketplace.Lease, error) {
	return c.Leases(ctx, LeaseFilter{Bounty: bounty, Most: wholeMax})
}

// Lease returns one lease.
func (c *Client) Lease(ctx context.Context, id int64) (marketplace.Lease, error) {
	return get[marketplace.Lease](ctx, c, "/v1/leases/"+itoa(id), nil)
}

// A ProofFilter narrows a list of proofs; zero fields narrow nothing.
type ProofFilter struct {
	Lease  int64
	Bounty int64
	Agent  marketplace.Address
	Most   int // at most so many, the newest; zero means 200
}

// Proofs returns proofs, newest first.
func (c *Client) Proofs(ctx context.Context, f ProofFilter) ([]marketplace.Proof, error) {
	return list[marketplace.Proof](ctx, c, "/v1/proofs", url.Values{
		"lease": number(f.Lease), "bounty": number(f.Bounty), "agent": {f.Agent.String()},
	}, f.Most)
}

// EpochReports returns all that auditors found in an epoch.
func (c *Client) EpochReports(ctx context.Context, epoch int64) ([]marketplace.Report, error) {
	return list[marketplace.Report](ctx, c, "/v1/reports", url.Values{"epoch": number(epoch)}, wholeMax)
}

// Commitments returns what auditors committed to; zero means any lease, or any epoch.
func (c *Client) Commitments(
	ctx context.Context, lease, epoch int64,
) ([]marketplace.Commitment, error) {
	return list[marketplace.Commitment](ctx, c, "/v1/audit/commitments", url.Values{
		"lease": number(lease), "epoch": number(epoch)}, wholeMax)
}

// Reports returns what auditors found of a lease, newest first; epoch 0 means any.
func (c *Client) Reports(
	ctx context.Context, lease, epoch int64,
) ([]marketplace.Report, error) {
	return list[marketplace.Report](ctx, c, "/v1/reports", url.Values{
		"lease": number(lease), "epoch": number(epoch)}, 0)
}

// Calls returns the newest calls of the matcher.
func (c *Client) Calls(ctx context.Context) ([]marketplace.Call, error) {
	return list[marketplace.Call](ctx, c, "/v1/calls", nil, 0)
}

// Call returns one call of the matcher.
func (c *Client) Call(ctx context.Context, id int64) (marketplace.Call, error) {
	return get[marketplace.Call](ctx, c, "/v1/calls/"+itoa(id), nil)
}

// Account returns what the ledger says of an address.
func (c *Client) Account(
	ctx context.Context, a marketplace.Address,
) (marketplace.Account, error) {
	return get[marketplace.Account](ctx, c, "/v1/accounts/"+a.String(), nil)
}

// Mandate returns a poster's mandate as the market knows it.
func (c *Client) Mandate(ctx context.Context, poster marketplace.Address, id marketplace.Hash) (
	marketplace.Mandate, error) {
	account, err := c.Account(ctx, poster)
	if err != nil {
		return marketplace.Mandate{}, fmt.Errorf("read poster's mandates: %w", err)
	}
	for _, m := range account.Mandates {
		if m.ID == id {
			return m, nil
		}
	}
	return marketplace.Mandate{}, marketplace.NotFound.Errorf("mandate %s is unknown", id)
}

// A ChequeFilter narrows a list of cheques; zero fields narrow nothing.
type ChequeFilter struct {
	From  marketplace.Address
	Payee marketplace.Address
	State marketplace.ChequeState
	Most  int // at most so many, the newest; zero means 200
}

// Cheques returns cheques, newest first.
func (c *Client) Cheques(
	ctx context.Context, f ChequeFilter,
) ([]marketplace.SignedCheque, error) {
	return list[marketplace.SignedCheque](ctx, c, "/v1/cheques", url.Values{
		"from": {f.From.String()}, "payee": {f.Payee.String()}, "state": {string(f.State)},
	}, f.Most)
}

// ChequesTo returns the newest cheques in favour of a payee.
func (c *Client) ChequesTo(
	ctx context.Context, payee marketplace.Address,
) ([]marketplace.SignedCheque, error) {
	return c.Cheques(ctx, ChequeFilter{Payee: payee})
}

// Solvency returns the last comparison of the ledger with the vault.
func (c *Client) Solvency(ctx context.Context) (marketplace.Solvency, error) {
	return get[marketplace.Solvency](ctx, c, "/v1/solvency", nil)
}

// Auditor returns what the market knows of an auditor.
func (c *Client) Auditor(
	ctx context.Context, a marketplace.Address,
) (marketplace.Auditor, error) {
	return get[marketplace.Auditor](ctx, c, "/v1/auditors/"+a.String(), nil)
}

// Auditors returns all auditors, newest first; an empty state means any.
func (c *Client) Auditors(
	ctx context.Context, state marketplace.AuditorState,
) ([]marketplace.Auditor, error) {
	return list[marketplace.Auditor](ctx, c, "/v1/auditors", url.Values{"state": {string(state)}},
		wholeMax)
}

// Promises returns what was promised of the newest epochs' secrets, and the secrets of those that are
// over.
func (c *Client) Promises(ctx context.Context) ([]marketplace.Promise, error) {
	return list[marketplace.Promise](ctx, c, "/v1/audit/promises", nil, 0)
}

// AuditEpoch returns what auditors work from in an epoch.
func (c *Client) AuditEpoch(
	ctx context.Context, epoch int64,
) (marketplace.AuditEpoch, error) {
	return get[marketplace.AuditEpoch](ctx, c, "/v1/audit/epochs/"+itoa(epoch), nil)
}

// Market returns the whole market at a glance.
func (c *Client) Market(ctx context.Context) (marketplace.Market, error) {
	return get[marketplace.Market](ctx, c, "/v1/market", nil)
}
