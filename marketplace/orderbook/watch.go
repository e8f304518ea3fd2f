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

// A watched auditor is what the book knows of its conduct.
type watched struct {
	who      marketplace.Address
	standing marketplace.Standing
	record   marketplace.Record
}

// watch counts what an epoch asked of auditors and what they said, and moves their standings. It is
// done once, when the epoch is closed.
func (a *act) watch(e marketplace.AuditEpoch, said []marketplace.Report) error {
	duties := a.rules.Duties(e, said, marketplace.Truths(a.canaries(e)))
	refuted, err := many(a.ctx, a.Tx, "hearings", pgx.RowTo[string], `SELECT auditor FROM hearings
		WHERE heard = $1 AND outcome = 'refuted'`, e.Epoch)
	if err != nil {
		return err
	}
	var accusers []marketplace.Address
	if err := (list{&accusers}).texts(refuted); err != nil {
		return err
	}
	for _, who := range accusers { // what they said in an earlier epoch, others did not find in this
		d := duties[who]
		d.Refuted++
		duties[who] = d
	}
	all, err := a.watched()
	if err != nil {
		return err
	}
	shifts := map[marketplace.Address]marketplace.Shift{}
	for who, d := range duties {
		shifts[who] = marketplace.Shift{Epoch: e.Epoch, Auditor: who, Duties: d}
	}
	was := map[marketplace.Address]marketplace.Standing{} // of those that an epoch moves
	for i, before := range all {
		w := &all[i]
		shift, due := shifts[w.who]
		switch {
		case due:
			w.record = a.rules.Watch(w.record, e.Epoch, shift.Duties)
		case w.standing == marketplace.Suspended: // it could not show that it is back
			w.record = a.rules.Idle(w.record, e.Epoch)
		default:
			continue
		}
		was[w.who] = w.standing
		w.standing = a.rules.Standing(w.standing, w.record, e.Epoch)
		if due {
			shift.Was, shift.Before = before.standing, &before.record
			shift.Is, shift.After = w.standing, &w.record
			shifts[w.who] = shift
		}
	}
	if err := a.writeShifts(shifts); err != nil {
		return err
	}
	for _, w := range all {
		if was, moved := was[w.who]; moved {
			if err := a.writeWatched(w, was); err != nil {
				return err
			}
		}
	}
	return a.openSeals(e.Epoch)
}

// writeShifts writes down what an epoch asked of auditors and made of them.
func (a *act) writeShifts(shifts map[marketplace.Address]marketplace.Shift) error {
	batch := &pgx.Batch{}
	for _, s := range shifts {
		var before, after []byte
		if s.Before != nil {
			before, after = mustJSON(s.Before), mustJSON(s.After)
		}
		batch.Queue(`INSERT INTO audit_duties (epoch, auditor, due, done, canaries, lies, refuted, stood,
			stands, record_before, record_after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			s.Epoch, s.Auditor, s.Due, s.Done, s.Canaries, s.Lies, s.Refuted, string(s.Was), string(s.Is),
			before, after)
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return fmt.Errorf("write duties: %w", err)
	}
	return nil
}

// A ShiftFilter chooses shifts; zero fields choose all.
type ShiftFilter struct {
	Epoch   int64
	Auditor marketplace.Address
}

// Shifts returns what epochs asked of auditors and made of them, numbered below page.After, newest
// first. What the seal of an epoch's canaries hides is left out until that is open.
func (b *Book) Shifts(ctx context.Context, f ShiftFilter, p Page) ([]marketplace.Shift, error) {
	scan := func(row pgx.CollectableRow) (s marketplace.Shift, err error) {
		var before, after []byte
		var sealed bool
		err = row.Scan(&s.ID, &s.Epoch, &s.Auditor, &s.Due, &s.Done, &s.Canaries, &s.Lies, &s.Refuted,
			&s.Was, &s.Is, &before, &after, &sealed)
		if err == nil && before != nil {
			err = errors.Join(json.Unmarshal(before, &s.Before), json.Unmarshal(after, &s.After))
		}
		if sealed {
			s = s.Sealed()
		}
		return s, err
	}
	return many(ctx, b.pool, "duties", scan, `SELECT d.id, d.epoch, d.auditor, due, done, d.canaries,
		lies, refuted, stood, stands, record_before, record_after,
		e.canaries IS NULL AND e.canary_seal <> repeat('0', 64)
		FROM audit_duties d JOIN audit_epochs e ON e.epoch = d.epoch
		WHERE d.id < $1 AND ($2::bigint = 0 OR d.epoch = $2) AND ($3 = '' OR d.auditor = $3)
		ORDER BY d.id DESC LIMIT $4`, p.before(), f.Epoch, f.Auditor.String(), p.limit())
}

// watched locks and reads all auditors that may have a seat or have one back.
func (a *act) watched() ([]watched, error) {
	scan := func(row pgx.CollectableRow) (w watched, err error) {
		var record []byte
		var since time.Time
		if err := row.Scan(&w.who, &w.standing, &record, at{&since}); err != nil {
			return w, err
		}
		if record == nil {
			w.record = a.rules.NewRecord(since)
			return w, nil
		}
		return w, json.Unmarshal(record, &w.record)
	}
	return many(a.ctx, a.Tx, "auditors' standings", scan, `SELECT address, standing, record,
		registered_at FROM auditors WHERE state NOT IN ('applied', 'refused') ORDER BY address FOR UPDATE`)
}

func (a *act) writeWatched(w watched, was marketplace.Standing) error {
	if _, err := a.exec(`UPDATE auditors SET standing = $2, record = $3, outlook = $4
		WHERE address = $1`, w.who, string(w.standing), mustJSON(w.record),
		mustJSON(a.rules.AuditorOutlook(w.standing, w.record))); err != nil {
		return fmt.Errorf("write standing of auditor %s: %w", w.who, err)
	}
	if w.standing == was {
		return nil
	}
	now, err := auditor(a.ctx, a.Tx, w.who)
	if err != nil {
		return err
	}
	a.happened("auditor.standing", now.ID, now, w.who)
	if w.standing == marketplace.Disqualified { // for good, so everybody may see what for
		return a.openSealsOf(`e.canaries IS NULL AND e.epoch IN (SELECT d.epoch
			FROM audit_duties d WHERE d.auditor = $1 AND d.lies > 0)`, w.who)
	}
	return nil
}

// canaries returns an epoch's canaries, if what the book was given to know them by is what it sealed
// when the epoch opened. A secret that was changed meanwhile convicts nobody.
func (a *act) canaries(e marketplace.AuditEpoch) []marketplace.Canary {
	c := a.book.opts.Canaries
	table := c.Table(e)
	if !c.On() || marketplace.Seal(table, c.Salt(e.Epoch)) != e.CanarySeal {
		return nil
	}
	return table
}

// sealsMax bounds how many seals one act opens; the others wait for the next epoch.
const sealsMax = 20

// openSeals opens those that were sealed for long enough.
func (a *act) openSeals(epoch int64) error {
	old := a.rules.EpochAt(a.rules.EpochStart(epoch).Add(-a.rules.CanarySealed.Duration()))
	return a.openSealsOf(`e.canaries IS NULL AND e.canary_seal <> repeat('0', 64) AND e.epoch < $1`, old)
}

func (a *act) openSealsOf(which string, arg any) error {
	epochs, err := many(a.ctx, a.Tx, "sealed epochs", scanEpoch, selectEpoch+`WHERE `+which+
		fmt.Sprintf(` ORDER BY e.epoch DESC LIMIT %d`, sealsMax), arg)
	if err != nil {
		return err
	}
	for _, e := range epochs {
		table := a.canaries(e)
		if table == nil {
			continue // the seal can no longer be opened: the secret is another one
		}
		salt := a.book.opts.Canaries.Salt(e.Epoch)
		if _, err := a.exec(`UPDATE audit_epochs SET canaries = $2, canary_salt = $3
			WHERE epoch = $1`, e.Epoch, mustJSON(table), salt); err != nil {
			return fmt.Errorf("open the seal of epoch %d: %w", e.Epoch, err)
		}
		a.happened("canaries.open", e.Epoch, map[string]any{"epoch": e.Epoch, "canary_salt": salt,
			"canaries": table})
	}
	return nil
}
