package devstack

import (
	"context"
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
	root := filepath.Join(os.TempDir(), "everseed-test-postgres")
	sweepOld(root)
	dir := filepath.Join(root, fmt.Sprint(os.Getpid()))
	p, err := StartPostgres(ctx, PostgresOptions{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := p.Create(ctx, "template_everseed", ""); err != nil {
		return nil, err
	}
	return p, migrations.Migrate(ctx, p.URL("template_everseed"))
}

// sweepOld removes folders of test processes that are gone. A test process has no good moment to
// remove its own: Postgres outlives the last test by a little.
func sweepOld(root string) {
	old, _ := filepath.Glob(filepath.Join(root, "[0-9]*"))
	for _, dir := range old {
		pid := filepath.Base(dir)
		if ext := filepath.Ext(pid); ext != "" {
			pid = pid[:len(pid)-len(ext)]
		}
		if _, err := os.Stat("/proc/" + pid); err != nil && olderThan(dir, time.Minute) {
			_ = os.RemoveAll(dir) // another process may be sweeping too
		}
	}
}

func olderThan(path string, d time.Duration) bool {
	info, err := os.Stat(path)
	return err == nil && time.Since(info.ModTime()) > d
}
