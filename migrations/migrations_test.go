package migrations_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/source/file"
	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/migrations"
)

// do runs a statement on a database and returns the integer it answers, if any.
func do(t *testing.T, url, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// empty returns a database without a schema, beside a migrated one.
func empty(t *testing.T, name string) string {
	t.Helper()
	url := devstack.TestDatabase(t)
	do(t, url, "CREATE DATABASE "+name+" TEMPLATE template0")
	return regexp.MustCompile(`/test_\d+\?`).ReplaceAllString(url, "/"+name+"?")
}

func TestProcessesThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	url := empty(t, "together")
	errs := make(chan error)
	for range 4 {
		go func() { errs <- migrations.Migrate(t.Context(), url) }()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if do(t, url, "SELECT version FROM schema_migrations WHERE NOT dirty") == 0 {
		t.Error("no version")
	}
}

func TestTheReleaseBeforeRunsOnANewerSchema(t *testing.T) {
	t.Parallel()
	url := devstack.TestDatabase(t)
	do(t, url, "UPDATE schema_migrations SET version = version + 1")
	other := strings.Replace(url, "postgres:", "postgresql:", 1) // means the same
	if err := migrations.Migrate(t.Context(), other); err != nil {
		t.Fatal(err)
	}
}

func TestAHalfDoneStepStopsEverything(t *testing.T) {
	t.Parallel()
	url := devstack.TestDatabase(t)
	do(t, url, "UPDATE schema_migrations SET dirty = true")
	var dirty migrate.ErrDirty
	if err := migrations.Migrate(t.Context(), url); !errors.As(err, &dirty) {
		t.Fatalf("said %v", err)
	}
}

func TestAnInterruptedMigrationIsNoSuccess(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := migrations.Migrate(ctx, empty(t, "interrupted"))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("said %v", err)
	}
}

func TestEveryStepCanBeTakenBack(t *testing.T) {
	t.Parallel()
	url := devstack.TestDatabase(t)
	m, err := migrate.New("file://.", strings.Replace(url, "postgres:", "pgx5:", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Down(); err != nil {
		t.Fatal(err)
	}
	left := do(t, url, "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"+
		" WHERE nspname = 'public' AND relname NOT LIKE 'schema_migrations%'")
	if left != 0 {
		t.Errorf("%d tables and indexes are left", left)
	}
	if err := m.Up(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryStepSaysWhyItIsThere(t *testing.T) {
	t.Parallel()
	steps, err := filepath.Glob("*.up.sql")
	if err != nil || len(steps) == 0 {
		t.Fatal(steps, err)
	}
	for _, name := range steps {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "-- ") {
			t.Errorf("%s does not begin with the reason for it", name)
		}
	}
}

func TestOldEventsForgetWhereAgentsServe(t *testing.T) {
	t.Parallel()
	url := devstack.TestDatabase(t)
	m, err := migrate.New("file://.", strings.Replace(url, "postgres:", "pgx5:", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Migrate(16); err != nil { // events told it until 18
		t.Fatal(err)
	}
	do(t, url, `INSERT INTO events (kind, who, thing, data, at) VALUES
		('lease.active', '{}', 1, '{"id": 1, "peer": "198.51.100.1:1", "size": 5}', now()),
		('offer.live', '{}', 2, '{"id": 2, "terms": {"peer": "198.51.100.1:1", "region": "asia"}}', now()),
		('agent.vetted', '{}', 2, '{"id": 2, "terms": {"peer": "198.51.100.1:1"}}', now()),
		('bounty.open', '{}', 3, '{"id": 3, "terms": {"replicas": 2}}', now())`)
	if err := m.Up(); err != nil {
		t.Fatal(err)
	}
	if n := do(t, url, `SELECT count(*) FROM events WHERE data::text LIKE '%198.51%'`); n != 0 {
		t.Errorf("%d events tell an address", n)
	}
	if n := do(t, url, `SELECT count(*) FROM events WHERE data IN ('{"id": 1, "size": 5}',
		'{"id": 2, "terms": {"region": "asia"}}', '{"id": 2, "terms": {}}',
		'{"id": 3, "terms": {"replicas": 2}}')`); n != 4 {
		t.Errorf("of four events %d are what they were but for the address", n)
	}
	if n := do(t, url, `SELECT count(*) FROM pg_trigger WHERE tgname = 'events_are_forever'
		AND tgenabled = 'O'`); n != 1 {
		t.Error("events can be changed since")
	}
}
