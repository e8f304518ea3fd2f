package orderbook

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// A character is what the book knows of an agent's conduct.
type character struct {
	agent    marketplace.Address
	standing marketplace.Standing
	record   marketplace.Record
}

// judgeStandings counts what the reports of an epoch say of agents, lease by lease, and moves the
// agents' standings.
func (a *act) judgeStandings(all []*hearing) error {
	heard := map[marketplace.Address][]*hearing{}
	for _, h := range all {
		heard[h.lease.Agent] = append(heard[h.lease.Agent], h)
	}
	agents, err := a.characters(`agent = ANY($1)`, texts(slices.Collect(maps.Keys(heard))))
	if err != nil {
		return err
	}
	for _, c := range agents {
		was := c.standing
		for _, h := range heard[c.agent] {
			c.record = a.rules.Record(c.record, h.proof.Epoch, h.ruling.Said)
			c.standing = a.rules.Standing(c.standing, c.record, h.proof.Epoch)
			h.record = c.record
		}
		if err := a.writeCharacter(c, was); err != nil {
			return err
		}
	}
	return nil
}

// closeEpoch notes that all leases of an epoch are judged, and judges the auditors. Suspended agents
// without a lease were not looked at: an epoch heals their uptime a little.
func (b *Book) closeEpoch(ctx context.Context, e marketplace.AuditEpoch, said []marketplace.Report,
	now time.Time) error {
	epoch := e.Epoch
	return b.act(ctx, now, func(a *act) error {
		n, err := a.exec(`UPDATE audit_epochs SET judged_at = $2
			WHERE epoch = $1 AND judged_at IS NULL`, epoch, a.now)
		if err != nil {
			return fmt.Errorf("close epoch: %w", err)
		}
		if n == 0 {
			return nil
		}
		if err := a.scoreTogether(epoch); err != nil {
			return err
		}
		idle, err := a.characters(`standing = $1 AND NOT EXISTS (SELECT FROM leases l
			WHERE l.agent = offers.agent AND l.state IN `+live+`)`, string(marketplace.Suspended))
		if err != nil {
			return err
		}
		for _, c := range idle {
			c.record = a.rules.Idle(c.record, epoch)
			c.standing = a.rules.Standing(c.standing, c.record, epoch)
			if err := a.writeCharacter(c, marketplace.Suspended); err != nil {
				return err
			}
		}
		return a.watch(e, said)
	})
}

// characters locks and reads agents, in an order that is everybody's.
func (a *act) characters(which string, args ...any) ([]character, error) {
	scan := func(row pgx.CollectableRow) (c character, err error) {
		var record []byte
		var since time.Time
		if err := row.Scan(&c.agent, &c.standing, &record, at{&since}); err != nil {
			return c, err
		}
		if record == nil {
			c.record = a.rules.NewRecord(since)
			return c, nil
		}
		return c, json.Unmarshal(record, &c.record)
	}
	return many(a.ctx, a.Tx, "standings", scan, `SELECT agent, standing, record, first_seen FROM offers
		WHERE `+which+` ORDER BY agent FOR UPDATE`, args...)
}

func (a *act) writeCharacter(c character, was marketplace.Standing) error {
	if _, err := a.exec(`UPDATE offers SET standing = $2, record = $3, outlook = $4 WHERE agent = $1`,
		c.agent, string(c.standing), mustJSON(c.record),
		mustJSON(a.rules.Outlook(c.standing, c.record))); err != nil {
		return fmt.Errorf("write standing of %s: %w", c.agent, err)
	}
	if c.standing == was {
		return nil
	}
	o, err := offerOf(a.ctx, a.Tx, c.agent)
	if err == nil {
		a.happened("agent."+string(c.standing), o.ID, o, c.agent)
	}
	return err
}
