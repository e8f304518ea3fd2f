package orderbook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const (
	// listensFor is how long after an agent's last sign of life it is taken to listen.
	listensFor = 2 * time.Minute
	// carriedFor is how long it is remembered whose line was lent to visit whom.
	carriedFor = 30 * 24 * time.Hour
	// carriersMax is among how many a carrier is drawn.
	carriersMax = 200
)

// carriers finds who could carry a visit to the agent of a lease: vetted agents first, because names are
// to be had for nothing, then those whose line that agent saw the longest time ago, or never.
// Nobody is asked who may be the same owner: the same payee, or agents that fail together. Where the
// agent comes to the carrier, that one must be reachable, and have nothing to do with the torrent:
// others would come for it. Who shall come again goes before all, if it carried a visit there just now: it
// is no way for an auditor to choose.
const carriers = `SELECT o.agent, o.terms->>'peer', o.standing = 'vetted', c.at IS NOT NULL,
	(o.agent = $9 AND c.at > $10) IS TRUE
	FROM offers o LEFT JOIN carried c ON c.agent = $1 AND c.carrier = o.agent
	WHERE (o.agent = $9 AND c.at > $10 OR o.agent <> ALL($3)) AND (o.terms->>'carry')::boolean
		AND o.state <> 'closed' AND o.standing IN ('new', 'vetted')
		AND o.seen_at > $2 AND o.agent <> $1 AND o.terms->>'payee' <> $4
		AND NOT EXISTS (SELECT FROM together WHERE score >= $5
			AND (a = $1 AND b = o.agent OR a = o.agent AND b = $1))
		AND ($6 OR o.terms->>'peer' NOT LIKE '%:0' AND NOT coalesce(o.terms->'held', '[]') @> to_jsonb($7::text)
			AND NOT EXISTS (SELECT FROM leases l WHERE l.agent = o.agent AND l.infohash = $7
				AND l.state IN ` + live + `))
	ORDER BY 5 DESC, o.standing = 'vetted' DESC, c.at NULLS FIRST, random() LIMIT $8`

// A lender is an agent whose line may carry a visit.
type lender struct {
	agent  marketplace.Address
	peer   string
	vetted bool
	known  bool // the agent that is visited saw it before
	again  bool // ... in this epoch, and shall see it again
}

// Carry draws who carries a visit, and has it told so. NotFound: the lease does not live, or nobody is there
// whose line could be lent.
func (b *Book) Carry(ctx context.Context, c marketplace.Carry, w marketplace.CarrierWish, now time.Time) (
	found marketplace.Carrier, err error) {
	err = b.act(ctx, now, func(a *act) error {
		l, err := lease(ctx, a.Tx, c.Lease)
		if err != nil {
			return err
		}
		if !l.State.Live() {
			return marketplace.NotFound.Errorf("lease %d is %s", l.ID, l.State)
		}
		if found.Agent, err = a.drawCarrier(l, w); err != nil {
			return err
		}
		if _, err := a.exec(`WITH old AS (DELETE FROM notices WHERE at < $5)
			INSERT INTO notices (agent, kind, data, at) VALUES ($1, $2, $3, $4)`, found.Agent,
			marketplace.CarryKind, mustJSON(c), a.now, a.now.Add(-noticeFor)); err != nil {
			return fmt.Errorf("write notice: %w", err)
		}
		_, err = a.exec(`WITH old AS (DELETE FROM carried WHERE at < $4)
			INSERT INTO carried (agent, carrier, at) VALUES ($1, $2, $3)
			ON CONFLICT (agent, carrier) DO UPDATE SET at = $3`, l.Agent, found.Agent, a.now,
			a.now.Add(-carriedFor))
		return err
	})
	return found, err
}

func (a *act) drawCarrier(l marketplace.Lease, w marketplace.CarrierWish) (who marketplace.Address, err error) {
	at, err := netip.ParseAddrPort(l.Peer)
	if err != nil {
		return who, marketplace.Invalid.Errorf("lease %d is served at %q", l.ID, l.Peer)
	}
	var again marketplace.Address
	if w.Again != nil {
		again = *w.Again
	}
	lenders, err := many(a.ctx, a.Tx, "carriers", func(row pgx.CollectableRow) (x lender, err error) {
		return x, row.Scan(&x.agent, &x.peer, &x.vetted, &x.known, &x.again)
	}, carriers, l.Agent, a.now.Add(-listensFor), append([]marketplace.Address{}, w.Not...), l.Payee,
		a.rules.OneOwnerBps, at.Port() != 0, l.Infohash, carriersMax, again, a.now.Add(-a.rules.Epoch.Duration()))
	if err != nil {
		return who, err
	}
	if len(lenders) > 0 && lenders[0].again {
		return again, nil
	}
	who, ok := drawLender(a.rules, at.Addr(), lenders)
	if !ok {
		return who, marketplace.NotFound.Errorf("no agent is there that could carry a visit to lease %d", l.ID)
	}
	return who, nil
}

// Carries says whether an agent was just asked to carry a visit to another one.
func (b *Book) Carries(ctx context.Context, carrier, to marketplace.Address, now time.Time) (bool, error) {
	return one(ctx, b.pool, "carried visit", pgx.RowTo[bool], `SELECT EXISTS (SELECT FROM carried
		WHERE agent = $1 AND carrier = $2 AND at > $3)`, to, carrier, now.Add(-noticeFor))
}

// drawLender draws one of the best lines, each network as likely as the next, and never that of the agent
// that is visited. Of lines that it saw before, the first is the best. Whose address is of another family may
// not get there.
func drawLender(r marketplace.Rules, visited netip.Addr, all []lender) (who marketplace.Address, ok bool) {
	var best []lender
	seen := map[netip.Prefix]bool{r.Network(visited.Unmap()): true}
	for _, x := range all {
		at, err := netip.ParseAddrPort(x.peer)
		if err != nil || at.Addr().Unmap().Is4() != visited.Unmap().Is4() || seen[r.Network(at.Addr().Unmap())] {
			continue
		}
		if len(best) > 0 && (x.known || x.vetted != best[0].vetted) {
			break
		}
		seen[r.Network(at.Addr().Unmap())] = true
		if best = append(best, x); x.known {
			break
		}
	}
	if len(best) == 0 {
		return who, false
	}
	return best[rand.IntN(len(best))].agent, true // #nosec G404 -- what it draws is known to both at once
}
