package devstack

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestARowThatWasCommittedSurvivesKill9(t *testing.T) {
	t.Parallel()
	p, err := StartPostgres(t.Context(), PostgresOptions{
		Dir: filepath.Join(t.TempDir(), "data"), Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	query(t, p, "CREATE TABLE kept (n int)")
	query(t, p, "INSERT INTO kept VALUES (42)")
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := query(t, p, "SELECT n FROM kept"); n != 42 {
		t.Fatalf("kept %d", n)
	}
}

// query runs one statement and returns the integer it answers, if any.
func query(t *testing.T, p *Postgres, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
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

func TestPostgresFromNPMServes(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed: this way to Postgres stays untried")
	}
	bin, err := fromNPM(t.Context(), cacheDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := StartPostgres(t.Context(), PostgresOptions{
		Dir: filepath.Join(t.TempDir(), "data"), Bin: bin})
	if err != nil {
		t.Fatal(err)
	}
	if n := query(t, p, "SELECT 17"); n != 17 {
		t.Fatalf("answered %d", n)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
}

func TestEachTestGetsADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	one, two := TestDatabase(t), TestDatabase(t)
	if one == two || !strings.HasPrefix(one, "postgres://") {
		t.Fatalf("got %s and %s", one, two)
	}
}
