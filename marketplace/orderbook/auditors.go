package orderbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const selectAuditor = `SELECT id, terms, state, reason, signs, standing, outlook, d.due, d.done,
	d.refuted, d.last, registered_at, moved_at FROM auditors, LATERAL (SELECT coalesce(sum(due), 0) AS due,
		coalesce(sum(done), 0) AS done, coalesce(sum(refuted), 0) AS refuted,
		coalesce(max(epoch) FILTER (WHERE done > 0), 0) AS last
		FROM audit_duties WHERE auditor = address) d `

func scanAuditor(row pgx.CollectableRow) (x marketplace.Auditor, err error) {
	var terms, outlook []byte
	if err := row.Scan(&x.ID, &terms, &x.State, &x.Reason, &x.Signs, &x.Standing, &outlook, &x.Due,
		&x.Done, &x.Refuted, &x.LastEpoch, at{&x.RegisteredAt}, at{&x.MovedAt}); err != nil {
		return x, err
	}
	if outlook != nil {
		if err := json.Unmarshal(outlook, &x.Outlook); err != nil {
			return x, err
		}
	}
	return x, json.Unmarshal(terms, &x.Terms)
}

func auditor(ctx context.Context, q querier, who marketplace.Address) (marketplace.Auditor, error) {
	return one(ctx, q, "auditor "+who.String(), scanAuditor, selectAuditor+`WHERE address = $1`, who)
}

// Auditor returns what is known of an auditor.
func (b *Book) Auditor(ctx context.Context, who marketplace.Address) (marketplace.Auditor, error) {
	return auditor(ctx, b.pool, who)
}

// Audits says whether somebody is an auditor that may have a seat.
func (b *Book) Audits(ctx context.Context, who marketplace.Address) (bool, error) {
	return one(ctx, b.pool, "auditor", pgx.RowTo[bool], `SELECT EXISTS (SELECT FROM auditors
		WHERE address = $1 AND state IN ('admitted', 'paused'))`, who)
}

// Auditors returns a page of auditors, newest first; an empty state means any.
func (b *Book) Auditors(ctx context.Context, state marketplace.AuditorState, p Page) (
	[]marketplace.Auditor, error) {
	return many(ctx, b.pool, "auditors", scanAuditor, selectAuditor+`WHERE id < $1
		AND ($2 = '' OR state = $2) ORDER BY id DESC LIMIT $3`, p.before(), string(state), p.limit())
}

// appliedMax bounds how many wait for the operator's answer: anyone can make keys.
const appliedMax = 1000

// RegisterAuditor writes an auditor's signed terms, in place of the ones it had. The signature is
// checked by the caller. Who is new, or had left, waits for the operator.
func (b *Book) RegisterAuditor(ctx context.Context, t marketplace.AuditorTerms, now time.Time) (
	out marketplace.Auditor, err error) {
	if err := t.Check(now); err != nil {
		return out, err
	}
	err = b.act(ctx, now, func(a *act) error {
		old, err := auditor(ctx, a.Tx, t.Auditor)
		if err != nil && !errors.Is(err, marketplace.NotFound) {
			return err
		}
		isNew := err != nil
		if !isNew && !t.At.After(old.Terms.At) && t.Text() != old.Terms.Text() {
			return marketplace.Conflict.Errorf("you signed other terms at %s; sign these with a later time",
				old.Terms.At.UTC().Format(time.RFC3339Nano))
		}
		if isNew || old.State == marketplace.LeftAuditor {
			if err := a.roomForApplicants(); err != nil {
				return err
			}
		}
		if _, err := a.exec(`INSERT INTO auditors AS x (address, terms, state, signs, registered_at,
				moved_at) VALUES ($1, $2, 'applied', false, $3, $3) ON CONFLICT (address) DO UPDATE SET
			terms = $2, state = CASE x.state WHEN 'left' THEN 'applied' ELSE x.state END,
			moved_at = CASE x.state WHEN 'left' THEN $3 ELSE x.moved_at END`,
			t.Auditor, mustJSON(t), a.now); err != nil {
			return fmt.Errorf("write auditor: %w", err)
		}
		if out, err = auditor(ctx, a.Tx, t.Auditor); err == nil {
			a.happened("auditor."+string(out.State), out.ID, out, t.Auditor)
		}
		return err
	})
	return out, err
}

func (a *act) roomForApplicants() error {
	n, err := one(a.ctx, a.Tx, "auditors", pgx.RowTo[int],
		`SELECT count(*) FROM auditors WHERE state = 'applied'`)
	if err == nil && n >= appliedMax {
		err = marketplace.TooMany.Errorf("%d auditors wait for the operator's answer; try later", n)
	}
	return err
}

// MoveAuditor changes the state of an auditor, by its own will or by the operator's, with the
// operator's reason.
func (b *Book) MoveAuditor(ctx context.Context, who marketplace.Address,
	to marketplace.AuditorState, reason string, now time.Time) (out marketplace.Auditor, err error) {
	err = b.act(ctx, now, func(a *act) error {
		if out, err = auditor(ctx, a.Tx, who); err != nil || out.State == to {
			return err
		}
		if !marketplace.AuditorMoves.Allow(out.State, to) {
			return marketplace.Conflict.Errorf("auditor %s is %s and cannot be %s", who, out.State, to)
		}
		if err := a.move("auditor", `UPDATE auditors SET state = $3, reason = $4, moved_at = $5
			WHERE address = $1 AND state = $2`, who, string(out.State), string(to), reason,
			a.now); err != nil {
			return err
		}
		if out, err = auditor(ctx, a.Tx, who); err == nil {
			a.happened("auditor."+string(to), out.ID, out, who)
		}
		return err
	})
	return out, err
}

// ConfigureAuditors writes down which auditors sign cheques. Those are admitted from the start, for
// whatever is asked of them and for their own purse, until they say otherwise.
func (b *Book) ConfigureAuditors(ctx context.Context, signers []marketplace.Address,
	now time.Time) error {
	return b.act(ctx, now, func(a *act) error {
		if _, err := a.exec(`UPDATE auditors SET signs = address = ANY($1)
			WHERE signs <> (address = ANY($1))`, texts(signers)); err != nil {
			return fmt.Errorf("write signers: %w", err)
		}
		for _, who := range signers {
			terms := marketplace.AuditorTerms{Auditor: who, Capacity: marketplace.CapacityMax, Payee: who}
			if _, err := a.exec(`INSERT INTO auditors (address, terms, state, signs, registered_at,
				moved_at) VALUES ($1, $2, 'admitted', true, $3, $3) ON CONFLICT DO NOTHING`, who,
				mustJSON(terms), a.now); err != nil {
				return fmt.Errorf("write signer: %w", err)
			}
		}
		return nil
	})
}

// NamePanel names who has a seat in an epoch to come, and tells everybody. It is named once: nobody
// who knows what an epoch draws can choose who is drawn. It says whether it named it now.
func (b *Book) NamePanel(ctx context.Context, epoch int64, now time.Time) (named bool, err error) {
	err = b.act(ctx, now, func(a *act) error {
		seats, err := a.seats()
		if err != nil {
			return err
		}
		n, err := a.exec(`INSERT INTO audit_panels (epoch, seats, named_at) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, epoch, mustJSON(seats), a.now)
		if err != nil {
			return fmt.Errorf("name panel: %w", err)
		}
		if named = n == 1; named {
			a.happened("panel.named", epoch, map[string]any{"epoch": epoch, "auditors": seats})
		}
		return nil
	})
	return named, err
}

// seats are those of all who may audit now.
func (a *act) seats() ([]marketplace.Seat, error) {
	all, err := many(a.ctx, a.Tx, "auditors", scanAuditor, selectAuditor+`WHERE state = 'admitted'
		AND standing IN ('new', 'vetted') ORDER BY address`)
	seats := make([]marketplace.Seat, len(all))
	for i, x := range all {
		seats[i] = marketplace.Seat{Auditor: x.Terms.Auditor, Capacity: x.Terms.Capacity,
			Payee: x.Terms.Payee, Signs: x.Signs}
	}
	return seats, err
}

// Panel returns the seats of an epoch that is about to open, and when they were named: before it
// began, for who names them later may know whom its block draws. Where that was missed, as by a market
// that was away, those that were named last keep them; NotFound says that there are none.
func (b *Book) Panel(ctx context.Context, epoch int64) (
	seats []marketplace.Seat, named time.Time, err error) {
	var text []byte
	_, err = one(ctx, b.pool, fmt.Sprint("panel before epoch ", epoch),
		func(row pgx.CollectableRow) (x struct{}, err error) {
			return x, row.Scan(&text, at{&named})
		}, `SELECT seats, named_at FROM audit_panels WHERE epoch <= $1 AND named_at < $2
		ORDER BY epoch DESC LIMIT 1`, epoch, b.opts.Rules.EpochStart(epoch))
	if err == nil {
		err = json.Unmarshal(text, &seats)
	}
	return seats, named, err
}
