package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/everseed/everseed/migrations"
)

// shared is the one server of a test process.
var shared struct {
	once   sync.Once
	server *Postgres
	err    error
	count  atomic.Int64
}

// TestDatabase returns the address of a fresh, migrated database. The first call in a process
// starts its server, which ends with the process; each call clones the migrated template.
func TestDatabase(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = startShared() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	name := fmt.Sprintf("test_%d", shared.count.Add(1))
	if err := shared.server.Create(t.Context(), name, "template_everseed"); err != nil {
		t.Fatal(err)
	}
	return shared.server.URL(name)
}

func startShared() (*Postgres, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	root, err := os.MkdirTemp("", "everseed-test-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the tests' Postgres: %w", err)
	}
	p, err := StartPostgres(ctx, PostgresOptions{
		Dir: filepath.Join(root, "postgres"), removeAfter: root})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	if err := p.Create(ctx, "template_everseed", ""); err != nil {
		return nil, err
	}
	return p, migrations.Migrate(ctx, p.URL("template_everseed"))
}
