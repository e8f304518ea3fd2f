// Package migrations holds the schema of the book, one numbered step a file, and applies it.
// A step's first comment says why it is there. The release before must run on the schema after.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5" // registers pgx5://
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

//go:embed *.sql
var files embed.FS

// Migrate brings a database to the newest schema. Several processes may call it at once: one
// works, the others wait for its lock.
func Migrate(ctx context.Context, url string) error {
	source, err := iofs.New(files, ".")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	m, err := migrate.NewWithSourceInstance("iofs", source,
		strings.Replace(url, "postgres://", "pgx5://", 1))
	if err != nil {
		return fmt.Errorf("reach the database to migrate it: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { m.GracefulStop <- true })
	defer stop()
	err = m.Up()
	if errors.Is(err, migrate.ErrNoChange) {
		err = nil
	}
	sourceErr, databaseErr := m.Close()
	if err = errors.Join(err, sourceErr, databaseErr); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
