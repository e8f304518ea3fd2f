package orderbook

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// Whoever is told Unavailable sends the request again; a fault of ours is not repeated.
func TestALostDatabaseIsUnavailableAndNoFaultOfOurs(t *testing.T) {
	t.Parallel()
	b := aLedger(t)
	err := b.act(t.Context(), time.Now(), func(a *act) error {
		_, err := a.exec(`SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	if !errors.Is(err, marketplace.Unavailable) {
		t.Errorf("a killed connection: %v", err)
	}
	_, err = many(t.Context(), b.pool, "backends", pgx.RowTo[int],
		`SELECT 1 FROM pg_terminate_backend(pg_backend_pid())`)
	if !errors.Is(err, marketplace.Unavailable) {
		t.Errorf("a killed read: %v", err)
	}
	if _, err = b.exec(t.Context(), "end", `SELECT pg_terminate_backend(pg_backend_pid())`); !errors.Is(err,
		marketplace.Unavailable) {
		t.Errorf("a killed statement: %v", err)
	}
	err = b.act(t.Context(), time.Now(), func(a *act) error {
		_, err := a.exec(`SELECT 1/0`)
		return err
	})
	if err == nil || errors.Is(err, marketplace.Unavailable) {
		t.Errorf("a fault of ours: %v", err)
	}
}
