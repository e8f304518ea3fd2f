// Package migrations holds the schema of the book, one numbered step a file, and applies it.
// A step's first comment says why it is there. The release before must run on the schema after,
// so that processes can be replaced one by one.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5" // registers pgx5://
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

//go:embed *.sql
var files embed.FS

// lockWait is how long a process waits for another that migrates.
const lockWait = 2 * time.Minute

// Migrate brings a database to the newest schema known here; one that is newer stays as it is.
// Several processes may call it at once: one works, the others wait for its lock.
func Migrate(ctx context.Context, url string) error {
	steps, err := iofs.New(files, ".")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	newest, err := last(steps)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	_, rest, _ := strings.Cut(url, "://")
	m, err := migrate.NewWithSourceInstance("iofs", steps, "pgx5://"+rest)
	if err != nil {
		return fmt.Errorf("reach the database to migrate it: %w", err)
	}
	m.LockTimeout = lockWait
	stop := context.AfterFunc(ctx, func() { m.GracefulStop <- true })
	defer stop()
	err = up(m, newest)
	fromSteps, fromDatabase := m.Close()
	if err = errors.Join(err, fromSteps, fromDatabase, ctx.Err()); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func up(m *migrate.Migrate, newest uint) error {
	version, dirty, err := m.Version()
	if err != nil && !errors.Is(err, migrate.ErrNilVersion) {
		return err
	}
	if version >= newest && !dirty {
		return nil
	}
	if err := m.Up(); !errors.Is(err, migrate.ErrNoChange) {
		return err
	}
	return nil
}

// last returns the number of the newest step.
func last(steps source.Driver) (uint, error) {
	n, err := steps.First()
	for err == nil {
		var next uint
		if next, err = steps.Next(n); err == nil {
			n = next
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	return n, nil
}
