package orderbook

import "context"

// EventsThatSay counts events with a text in their data, those that readers wait for included.
func (b *Book) EventsThatSay(ctx context.Context, text string) (n int, err error) {
	return n, b.pool.QueryRow(ctx, "SELECT count(*) FROM events WHERE strpos(data::text, $1) > 0", text).Scan(&n)
}

// Tamper writes to the tables past everything that guards them.
func (b *Book) Tamper(ctx context.Context, sql string) error {
	_, err := b.pool.Exec(ctx, "ALTER TABLE transfers DISABLE TRIGGER ALL; "+sql)
	return err
}
