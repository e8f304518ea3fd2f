package devstack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

func bg() context.Context { return context.Background() }

// start starts a server on a folder of its own for the time of the test.
func start(t *testing.T, o PostgresOptions) *Postgres {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "data")
	}
	p, err := StartPostgres(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// query runs one statement and returns the integer it answers, if any.
func query(t *testing.T, p *Postgres, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(bg())
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

func TestARowThatWasCommittedSurvivesKill9(t *testing.T) {
	t.Parallel()
	p := start(t, PostgresOptions{Durable: true})
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

func TestKill9EndsABackendThatIsBusy(t *testing.T) {
	t.Parallel()
	p := start(t, PostgresOptions{})
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(bg())
	busy := int(conn.PgConn().PID())
	answered := make(chan error)
	go func() {
		_, err := conn.Exec(bg(), "SELECT count(*) FROM generate_series(1, 100000000000)")
		answered <- err
	}()
	for query(t, p, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity"+
		" WHERE state = 'active' AND pid = %d", busy)) == 0 {
		continue // the question itself takes its time
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if runsStill(busy) {
		_ = syscall.Kill(busy, syscall.SIGKILL)
		t.Error("the backend outlived the power cut")
	}
	if err := <-answered; err == nil {
		t.Error("the question was answered")
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatInitdbWasKilledInIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(dir+".making/base", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+".making/PG_VERSION", []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := query(t, start(t, PostgresOptions{Dir: dir}), "SELECT 3"); n != 3 {
		t.Fatalf("answered %d", n)
	}
}

func TestAFolderWithALongPathServes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "data")
	if n := query(t, start(t, PostgresOptions{Dir: dir}), "SELECT 5"); n != 5 {
		t.Fatalf("answered %d", n)
	}
}

func TestPostgresThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := start(t, PostgresOptions{Dir: dir}).Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/PG_VERSION", []byte("9.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "9.1") {
		t.Fatalf("said %v", err)
	}
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
	if n := query(t, start(t, PostgresOptions{Bin: bin}), "SELECT 17"); n != 17 {
		t.Fatalf("answered %d", n)
	}
}

func TestPostgresOfThisMachineIsTakenOnlyWhenItRunsAndIsYoungEnough(t *testing.T) {
	t.Parallel()
	old, broken, good := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, says := range map[string]string{
		old: "echo 'postgres (PostgreSQL) 13.9'", broken: "exit 1",
		good: "echo 'postgres (PostgreSQL) 15.14 (Debian)'",
	} {
		for _, name := range []string{"initdb", "postgres"} {
			script := []byte("#!/bin/sh\n" + says + "\n")
			if err := os.WriteFile(filepath.Join(dir, name), script, 0o700); err != nil { // #nosec G306
				t.Fatal(err)
			}
		}
	}
	link := t.TempDir() // without initdb beside it
	err := os.Symlink(filepath.Join(good, "postgres"), filepath.Join(link, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := firstThatRuns(t.Context(), []string{t.TempDir(), old, broken, link})
	if !ok || got != good {
		t.Errorf("took %q, want the folder behind the link, %q", got, good)
	}
	if got, ok := firstThatRuns(t.Context(), []string{old, broken}); ok {
		t.Errorf("took %q", got)
	}
}

func TestEachTestGetsAMigratedDatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	one, two := TestDatabase(t), TestDatabase(t)
	if one == two {
		t.Fatalf("both got %s", one)
	}
	for _, url := range []string{one, two} {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		var version int
		err = conn.QueryRow(t.Context(), "SELECT version FROM schema_migrations").Scan(&version)
		if err != nil || version == 0 {
			t.Errorf("%s is at version %d: %v", url, version, err)
		}
		if _, err := conn.Exec(t.Context(), "CREATE TABLE mine (n int)"); err != nil {
			t.Error(err)
		}
		conn.Close(bg())
	}
}
