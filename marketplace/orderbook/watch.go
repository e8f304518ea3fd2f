package orderbook

import (
	"encoding/json"
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
	batch := &pgx.Batch{}
	for who, d := range duties {
		batch.Queue(`INSERT INTO audit_duties (epoch, auditor, due, done, canaries, lies, refuted)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, e.Epoch, who, d.Due, d.Done, d.Canaries, d.Lies, d.Refuted)
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return fmt.Errorf("write duties: %w", err)
	}
	all, err := a.watched()
	if err != nil {
		return err
	}
	for _, w := range all {
		d, due := duties[w.who]
		was := w.standing
		switch {
		case due:
			w.record = a.rules.Watch(w.record, e.Epoch, d)
		case was == marketplace.Suspended: // it could not show that it is back
			w.record = a.rules.Idle(w.record, e.Epoch)
		default:
			continue
		}
		w.standing = a.rules.Standing(was, w.record, e.Epoch)
		if err := a.writeWatched(w, was); err != nil {
			return err
		}
	}
	return a.openSeals(e.Epoch)
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
