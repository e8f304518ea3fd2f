package orderbook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// happened queues an event for the end of the transaction. Everybody reads events, so no event says where
// an agent serves.
func (a *act) happened(kind string, thing int64, data any, who ...marketplace.Address) {
	who = slices.DeleteFunc(who, marketplace.Address.IsZero)
	switch of := data.(type) {
	case marketplace.Lease:
		of.Peer = ""
		data = of
	case marketplace.Offer:
		of.Terms.Peer = ""
		data = of
	}
	a.events = append(a.events, marketplace.Event{Kind: kind, Thing: thing, Who: who,
		Data: mustJSON(data), At: a.now})
}

// tell writes the queued events.
func (a *act) tell() error {
	if len(a.events) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, e := range a.events {
		batch.Queue(`INSERT INTO events (kind, who, thing, data, at) VALUES ($1, $2, $3, $4, $5)`,
			e.Kind, texts(e.Who), e.Thing, []byte(e.Data), e.At)
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

// The cast has a name of its own: ORDER BY tx would sort by the text otherwise.
const eventColumns = `tx::text AS tx_text, id, kind, who, thing, data, at`

func scanEvent(row pgx.CollectableRow) (e marketplace.Event, err error) {
	var tx string
	var id int64
	var who []string
	var data []byte
	if err := row.Scan(&tx, &id, &e.Kind, &who, &e.Thing, &data, at{&e.At}); err != nil {
		return e, err
	}
	e.ID, e.Data = fmt.Sprintf("%s-%d", tx, id), json.RawMessage(data)
	return e, list{&e.Who}.texts(who)
}

// EventsAfter returns events that follow a cursor, oldest first, and the cursor after them; the
// empty cursor is before the first event. Events of one account are chosen with who.
//
// The order is (transaction, row), and only rows older than every running transaction are
// returned: an event whose transaction commits late is therefore never passed over.
func (b *Book) EventsAfter(
	ctx context.Context, cursor string, who *marketplace.Address, limit int,
) ([]marketplace.Event, string, error) {
	tx, id, err := readCursor(cursor)
	if err != nil {
		return nil, cursor, err
	}
	var whom *string
	if who != nil {
		text := who.String()
		whom = &text
	}
	events, err := many(ctx, b.pool, "events", scanEvent, `SELECT `+eventColumns+` FROM events
		WHERE (tx, id) > ($1::text::xid8, $2) AND tx < pg_snapshot_xmin(pg_current_snapshot())
			AND ($3::text IS NULL OR $3 = ANY(who))
		ORDER BY tx, id LIMIT $4`, tx, id, whom, Page{Limit: limit}.limit())
	if err != nil || len(events) == 0 {
		return events, cursor, err
	}
	return events, events[len(events)-1].ID, nil
}

func readCursor(cursor string) (tx string, id int64, err error) {
	if cursor == "" {
		return "0", 0, nil
	}
	tx, row, ok := strings.Cut(cursor, "-")
	_, err = strconv.ParseUint(tx, 10, 63)
	id, err2 := strconv.ParseInt(row, 10, 64)
	if !ok || err != nil || err2 != nil {
		return "", 0, marketplace.Invalid.Errorf("event id %.40q is none of ours", cursor)
	}
	return tx, id, nil
}

// EventsTail returns the newest n events, oldest first.
func (b *Book) EventsTail(ctx context.Context, n int) ([]marketplace.Event, error) {
	events, err := many(ctx, b.pool, "events", scanEvent, `SELECT `+eventColumns+` FROM events
		WHERE tx < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY tx DESC, id DESC LIMIT $1`,
		Page{Limit: n}.limit())
	slices.Reverse(events)
	return events, err
}
