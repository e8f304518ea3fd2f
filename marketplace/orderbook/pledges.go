package orderbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// Reserved and held back money is kept by who paid it.
func accountReserved(bounty int64, funder marketplace.Address) string {
	return fmt.Sprintf("reserved:%d:%s", bounty, funder)
}

func accountHoldback(lease int64, funder marketplace.Address) string {
	return fmt.Sprintf("holdback:%d:%s", lease, funder)
}

// jsonPledges makes one column of pledges p, in the order of pledging.
const jsonPledges = `coalesce(jsonb_agg(jsonb_build_object('poster', p.poster, 'mandate', p.mandate,
	'state', p.state, 'pledged', p.pledged::text, 'drawn', p.drawn::text, 'refunded',
	p.refunded::text, 'pledged_at', p.pledged_at) ORDER BY p.id), '[]') FROM pledges p`

// pledges reads a column made by jsonPledges.
type pledges struct{ to *[]marketplace.Pledge }

func (s pledges) Scan(src any) error {
	var rows []struct {
		marketplace.Pledge
		Pledged  string `json:"pledged"` // base units, as the other two
		Drawn    string `json:"drawn"`
		Refunded string `json:"refunded"`
	}
	text, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("scan pledges: %T is no JSON", src)
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return fmt.Errorf("scan pledges: %w", err)
	}
	*s.to = make([]marketplace.Pledge, len(rows))
	for i, r := range rows {
		p := &(*s.to)[i]
		*p = r.Pledge
		p.PledgedAt = p.PledgedAt.UTC()
		if err := errors.Join(p.Pledged.Scan(r.Pledged), p.Drawn.Scan(r.Drawn),
			p.Refunded.Scan(r.Refunded)); err != nil {
			return err
		}
	}
	return nil
}

// funders reads the same column of a lease.
type funders struct{ to *marketplace.Funders }

func (s funders) Scan(src any) error {
	var all []marketplace.Pledge
	if err := (pledges{&all}).Scan(src); err != nil {
		return err
	}
	*s.to = make(marketplace.Funders, len(all))
	for i, p := range all {
		(*s.to)[i] = p.Funder
	}
	return nil
}

// Fund pledges money of the caller to a bounty that lacks some. When nothing is missing any more
// the bounty opens, and no pledge can be taken back. Who pledges again raises its pledge.
func (b *Book) Fund(ctx context.Context, k Key, id int64, f marketplace.Fund, now time.Time) (
	out marketplace.Bounty, replayed bool, err error) {
	err = b.act(ctx, now, func(a *act) error {
		before, err := a.repeated(k)
		if replayed = before != 0; err != nil || replayed {
			if err == nil {
				out, err = bounty(ctx, a.Tx, before)
			}
			return err
		}
		if out, err = a.lockBounty(id); err != nil {
			return err
		}
		if out.State != marketplace.Unfunded || !out.GoodTill.After(a.now) {
			return marketplace.Conflict.Errorf("bounty %d is %s; it takes no pledges", id, out.State)
		}
		one := marketplace.Funder{Poster: k.Account, Mandate: f.Mandate, Pledged: f.Amount}
		if out, err = a.pledge(out, one); err != nil {
			return err
		}
		return a.answer(k, id)
	})
	return out, replayed, err
}

// pledge sets one funder's money aside for an unfunded bounty, and opens it when that was the last
// that it needed.
func (a *act) pledge(b marketplace.Bounty, f marketplace.Funder) (marketplace.Bounty, error) {
	if err := a.rules.CheckPledge(f.Pledged, b.Needed); err != nil {
		return b, err
	}
	last := b.GoodTill.Add(b.Terms.KeepFor.Duration() + a.rules.RedeemAfter.Duration())
	if err := a.checkPurse(f, last); err != nil {
		return b, err
	}
	if err := a.joinFunders(b, f); err != nil {
		return b, err
	}
	if f.Pledged == b.Needed {
		if err := a.openFunded(b.ID); err != nil {
			return b, err
		}
	}
	b, err := bounty(a.ctx, a.Tx, b.ID)
	if err == nil {
		a.happened("bounty."+string(b.State), b.ID, b, payers(b)...)
	}
	return b, err
}

// joinFunders writes the pledge, or raises the one that is there, and reserves its money.
func (a *act) joinFunders(b marketplace.Bounty, f marketplace.Funder) error {
	there := func(p marketplace.Pledge) bool { return p.Poster == f.Poster && p.State.Live() }
	if i := slices.IndexFunc(b.Funders, there); i >= 0 && b.Funders[i].Mandate != f.Mandate {
		return marketplace.Conflict.Errorf("you pledged under mandate %s before; raise that pledge, or"+
			" take it back first", b.Funders[i].Mandate)
	} else if i < 0 && len(b.Funders) >= a.rules.FundersMax {
		return marketplace.TooMany.Errorf("bounty %d has %d funders; at most %d", b.ID, len(b.Funders),
			a.rules.FundersMax)
	}
	var id int64
	var all marketplace.Amount
	err := a.QueryRow(a.ctx, `INSERT INTO pledges AS p (bounty, poster, mandate, state, pledged,
			pledged_at, moved_at) VALUES ($1, $2, $3, 'pending', $4, $5, $5)
		ON CONFLICT (bounty, poster) WHERE state IN ('pending', 'posted')
			DO UPDATE SET pledged = p.pledged + $4 WHERE p.state = 'pending' RETURNING id, pledged`,
		b.ID, f.Poster, f.Mandate, f.Pledged, a.now).Scan(&id, &all)
	if err != nil {
		return fmt.Errorf("write pledge: %w", err)
	}
	a.enter(transfer{debit: accountFree(f.Poster), credit: accountReserved(b.ID, f.Poster),
		amount: f.Pledged, code: "reserve", bounty: b.ID}, id, all)
	return a.post()
}

// openFunded binds all pledges of a bounty and opens it for calls.
func (a *act) openFunded(id int64) error {
	if err := a.movePledges(id, marketplace.PledgePending, marketplace.PledgePosted); err != nil {
		return err
	}
	return a.move(fmt.Sprint("bounty ", id), `UPDATE bounties SET state = 'open'
		WHERE id = $1 AND state = 'unfunded'`, id)
}

// movePledges moves all pledges of a bounty that are in one state.
func (a *act) movePledges(bounty int64, from, to marketplace.PledgeState) error {
	if !marketplace.PledgeMoves.Allow(from, to) {
		panic(fmt.Sprintf("pledge: %s → %s is no move", from, to))
	}
	if _, err := a.exec(`UPDATE pledges SET state = $3, moved_at = $4 WHERE bounty = $1
		AND state = $2`, bounty, string(from), string(to), a.now); err != nil {
		return fmt.Errorf("move pledges of bounty %d: %w", bounty, err)
	}
	return nil
}

// payers are all whom the money of a bounty concerns.
func payers(b marketplace.Bounty) []marketplace.Address {
	all := []marketplace.Address{b.Poster}
	for _, p := range b.Funders {
		if p.Poster != b.Poster {
			all = append(all, p.Poster)
		}
	}
	return all
}

// concerned are all whom a lease concerns.
func concerned(l marketplace.Lease) []marketplace.Address {
	all := []marketplace.Address{l.Agent, l.Payee, l.Poster}
	for _, f := range l.Funders {
		all = append(all, f.Poster)
	}
	slices.SortFunc(all, func(x, y marketplace.Address) int { return slices.Compare(x[:], y[:]) })
	return slices.Compact(all)
}

// TakeBack returns a co-funder's pledge in full, as long as the bounty is unfunded. The poster
// of the bounty cancels it instead.
func (b *Book) TakeBack(ctx context.Context, who marketplace.Address, id int64, now time.Time) (
	out marketplace.Bounty, err error) {
	err = b.act(ctx, now, func(a *act) error {
		if out, err = a.lockBounty(id); err != nil {
			return err
		}
		if out.Poster == who {
			return marketplace.Conflict.Errorf("bounty %d is yours; cancel it to have all pledges back", id)
		}
		if out.State != marketplace.Unfunded {
			return marketplace.Conflict.Errorf("bounty %d is %s; what is pledged to it is bound", id,
				out.State)
		}
		ever, err := one(a.ctx, a.Tx, "pledge", pgx.RowTo[bool],
			`SELECT EXISTS (SELECT FROM pledges WHERE bounty = $1 AND poster = $2)`, id, who)
		if err != nil {
			return err
		}
		if !ever {
			return marketplace.NotFound.Errorf("you pledged nothing to bounty %d", id)
		}
		if err := a.release(id, who, marketplace.PledgeVoided); err != nil {
			return err
		}
		if out, err = bounty(ctx, a.Tx, id); err == nil {
			a.happened("bounty.unfunded", id, out, append(payers(out), who)...)
		}
		return err
	})
	return out, err
}

// release returns pending pledges of a bounty in full: one funder's, or all for the zero address.
func (a *act) release(
	bounty int64, who marketplace.Address, to marketplace.PledgeState,
) error {
	type freed struct {
		id     int64
		poster marketplace.Address
		amount marketplace.Amount
	}
	all, err := many(a.ctx, a.Tx, "pledges", func(row pgx.CollectableRow) (f freed, err error) {
		return f, row.Scan(&f.id, &f.poster, &f.amount)
	}, `UPDATE pledges SET state = $3, refunded = pledged, moved_at = $4 WHERE bounty = $1
		AND state = 'pending' AND ($2 = '' OR poster = $2) RETURNING id, poster, pledged`,
		bounty, who.String(), string(to), a.now)
	if err != nil {
		return err
	}
	for _, f := range all {
		a.enter(transfer{debit: accountReserved(bounty, f.poster), credit: accountFree(f.poster),
			amount: f.amount, code: "refund", bounty: bounty}, f.id)
	}
	return a.post()
}

// recall ends what a poster's money is pledged to, under one mandate or, for the zero hash, under
// any, because it will be gone: pledges that bind nobody yet are taken back, bounties that are open
// are closed with notice, so that agents are paid before. What ends in time anyway under a mandate
// is left alone.
func (a *act) recall(poster marketplace.Address, under marketplace.Hash, gone time.Time,
	why string) error {
	mandate := ""
	if !under.IsZero() {
		mandate = under.String()
	}
	pledged, err := many(a.ctx, a.Tx, "bounties", scanBounty, selectBounty+`WHERE b.id IN (
		SELECT bounty FROM pledges WHERE poster = $1 AND state IN ('pending', 'posted')
			AND ($2 = '' OR mandate = $2)) ORDER BY b.id`, poster, mandate)
	if err != nil {
		return err
	}
	for _, b := range pledged {
		if b, err = a.lockBounty(b.ID); err != nil {
			return err
		}
		switch {
		case mandate != "" && !a.lastPay(b).After(gone):
		case b.State == marketplace.Unfunded && b.Poster != poster:
			err = a.release(b.ID, poster, marketplace.PledgeVoided)
		case len(marketplace.BountyMoves[b.State]) > 0:
			err = a.closeBefore(b, gone, why)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
