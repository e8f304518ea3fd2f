package client

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

const (
	logMax   = 1_000_000 // rows of one epoch
	knownMax = 100       // pieces in one question
)

// EpochLog returns all that is public of an audit epoch that is closed, for audit.Case to replay. With
// a lease, only what is said of that one; zero means all.
func (c *Client) EpochLog(ctx context.Context, epoch, lease int64) (l marketplace.EpochLog, err error) {
	if l.Epoch, err = c.AuditEpoch(ctx, epoch); err != nil {
		return l, err
	}
	if l.Epoch.ClosedAt.IsZero() {
		return l, marketplace.Conflict.Errorf("epoch %d is not closed yet: its reports come in when the next"+
			" one has begun", epoch)
	}
	before, err := c.AuditEpoch(ctx, epoch-1)
	if err != nil && !errors.Is(err, marketplace.NotFound) {
		return l, err
	}
	l.Shown = before.Next
	of := url.Values{"epoch": number(epoch), "lease": number(lease)}
	if l.Commitments, err = list[marketplace.Commitment](ctx, c, "/v1/audit/commitments", of,
		logMax); err != nil {
		return l, err
	}
	if l.Reports, err = list[marketplace.Report](ctx, c, "/v1/reports", of, logMax); err != nil {
		return l, err
	}
	if l.Proofs, err = c.proofsOf(ctx, epoch, lease); err != nil {
		return l, err
	}
	for _, k := range []int64{epoch - 2, epoch - 1} {
		proofs, err := c.proofsOf(ctx, k, lease)
		if err != nil {
			return l, err
		}
		l.Before = append(l.Before, proofs...)
	}
	if max(len(l.Commitments), len(l.Reports), len(l.Proofs)) >= logMax {
		return l, marketplace.TooMany.Errorf("epoch %d has more than %d reports", epoch, logMax)
	}
	if l.Accusers, err = c.accusers(ctx, l, lease); err != nil {
		return l, err
	}
	if lease == 0 {
		for _, k := range []int64{epoch - 1, epoch} {
			shifts, err := list[marketplace.Shift](ctx, c, "/v1/audit/shifts",
				url.Values{"epoch": number(k)}, logMax)
			if err != nil {
				return l, err
			}
			l.Shifts = append(l.Shifts, shifts...)
		}
	}
	l.Earlier, err = c.earlier(ctx, l)
	return l, err
}

// accusers returns the reports behind accusations that were not heard when the epoch opened, of all
// leases or of one.
func (c *Client) accusers(ctx context.Context, l marketplace.EpochLog, lease int64) (
	[]marketplace.Report, error) {
	found := []marketplace.Report{}
	for _, of := range l.Accusations() {
		if lease != 0 && of.Lease != lease {
			continue
		}
		said, err := list[marketplace.Report](ctx, c, "/v1/reports", url.Values{
			"lease": number(of.Lease), "epoch": number(of.Accusation.Epoch)}, wholeMax)
		if err != nil {
			return found, err
		}
		for _, r := range said {
			if r.Auditor == of.Accusation.Auditor {
				found = append(found, r)
			}
		}
	}
	return found, nil
}

// Trail returns all that is behind one epoch's pay for a lease.
func (c *Client) Trail(ctx context.Context, lease, epoch int64) (marketplace.Trail, error) {
	return get[marketplace.Trail](ctx, c, "/v1/proofs/"+itoa(lease)+"/"+itoa(epoch), nil)
}

// proofsOf returns an epoch's proofs, or those of one lease.
func (c *Client) proofsOf(ctx context.Context, epoch, lease int64) ([]marketplace.Proof, error) {
	q := url.Values{"epoch": number(epoch)}
	most := logMax
	if lease != 0 { // the page that begins with it
		q.Set("after", itoa(lease+1))
		most = 1
	}
	all, err := list[marketplace.Proof](ctx, c, "/v1/proofs", q, most)
	return slices.DeleteFunc(all, func(p marketplace.Proof) bool {
		return lease != 0 && p.Lease != lease
	}), err
}

// earlier returns the reports that show which of the pieces that blocks were asked of were known.
func (c *Client) earlier(ctx context.Context, l marketplace.EpochLog) ([]marketplace.Earlier, error) {
	type mind struct {
		who      marketplace.Address
		infohash marketplace.Infohash
	}
	asked, infohashes := map[mind][]int{}, map[int64]marketplace.Infohash{}
	for _, lease := range l.Epoch.Leases {
		infohashes[lease.ID] = lease.Infohash
	}
	for _, r := range l.Reports {
		m := mind{r.Auditor, infohashes[r.Lease]}
		for _, a := range r.Answers {
			if a.Block != marketplace.WholePiece {
				asked[m] = append(asked[m], a.Piece)
			}
		}
	}
	found := []marketplace.Earlier{}
	for m, pieces := range asked {
		slices.Sort(pieces)
		for some := range slices.Chunk(slices.Compact(pieces), knownMax) {
			p, err := get[page[marketplace.Report]](ctx, c, "/v1/audit/known", url.Values{
				"auditor": {m.who.String()}, "infohash": {m.infohash.String()},
				"before": {itoa(l.Epoch.Epoch)}, "pieces": {commas(some)}})
			if err != nil {
				return found, err
			}
			for _, r := range p.Items {
				found = append(found, marketplace.Earlier{Infohash: m.infohash, Report: r})
			}
		}
	}
	return found, nil
}

func commas(numbers []int) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}
