package orderbook

import (
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/migrations"
)

// What is measured: so many callers, each of whom waits for the commit of its one transfer, over
// so many accounts; and pgbench's tpcb-like with as many clients and its advised scale.
const (
	benchCallers  = 64
	benchAccounts = 100_000
	benchSeconds  = "8"
)

// BenchmarkLedger books transfers of 64 callers on a durable server and holds it against pgbench,
// which runs on the same server before and after. Its first metric is what counts; run it on a
// quiet machine:
//
//	go test -run '^$' -bench Ledger -benchtime 8s ./marketplace/orderbook
func BenchmarkLedger(b *testing.B) {
	p, err := devstack.StartPostgres(b.Context(), devstack.PostgresOptions{
		Dir: filepath.Join(b.TempDir(), "pg"), Durable: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Stop() })
	bench := newPgbench(b, p)
	book := richLedger(b, p)
	var uniform float64
	before := bench.tps(b)
	b.Run("uniform", func(b *testing.B) {
		uniform = book.transfers(b, func(i int64) string { return rich(i * 31 % benchAccounts) })
		b.ReportMetric(uniform, "transfers/s")
	})
	b.Run("hot", func(b *testing.B) {
		hot := book.transfers(b, func(int64) string { return "free:hot" })
		b.ReportMetric(hot, "transfers/s")
		b.ReportMetric(hot/uniform, "hot/uniform")
		if tpcb := (before + bench.tps(b)) / 2; tpcb > 0 {
			b.ReportMetric(tpcb, "pgbench-tx/s")
			b.ReportMetric(uniform/tpcb, "uniform/pgbench")
		}
	})
}

func rich(i int64) string { return fmt.Sprint("free:", i) }

// richLedger is a book whose accounts have money.
func richLedger(b *testing.B, p *devstack.Postgres) *Book {
	b.Helper()
	if err := p.Create(b.Context(), "ledger", ""); err != nil {
		b.Fatal(err)
	}
	if err := migrations.Migrate(b.Context(), p.URL("ledger")); err != nil {
		b.Fatal(err)
	}
	book, err := Open(b.Context(), p.URL("ledger"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(book.Close)
	var lines []transfer
	for i := range int64(benchAccounts) {
		lines = append(lines, move(accountVault, rich(i), 1_000_000, i))
	}
	if err := book.writer.post(b.Context(), time.Now(), lines...); err != nil {
		b.Fatal(err)
	}
	for _, statement := range []string{"VACUUM ANALYZE accounts", "CHECKPOINT"} {
		if _, err := book.pool.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	return book
}

var benchRun atomic.Int64 // makes the names of transfers new in every run

// transfers books b.N of them to the accounts that to chooses and returns how many a second.
func (k *Book) transfers(b *testing.B, to func(i int64) string) float64 {
	run := benchRun.Add(1)
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range benchCallers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				line := move(rich((i*7919+1)%benchAccounts), to(i), 1, run, i)
				if err := k.writer.post(b.Context(), time.Now(), line); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	return float64(b.N) / b.Elapsed().Seconds()
}

// A pgbench is the program and where it connects to; without a program it measures nothing.
type pgbench struct{ program, host string }

func newPgbench(b *testing.B, p *devstack.Postgres) pgbench {
	b.Helper()
	address, err := url.Parse(p.URL("bank"))
	if err != nil {
		b.Fatal(err)
	}
	bench := pgbench{host: address.Query().Get("host")}
	if bench.program, err = exec.LookPath("pgbench"); err != nil {
		b.Log("THERE IS NO pgbench ON PATH: the ratio to it is NOT MEASURED. It comes with Debian's" +
			" package postgresql, and not with the npm package")
		return bench
	}
	if err := p.Create(b.Context(), "bank", ""); err != nil {
		b.Fatal(err)
	}
	bench.run(b, "-i", "-I", "dtGvp", "-q", "-s", fmt.Sprint(benchCallers))
	return bench
}

func (p pgbench) run(b *testing.B, args ...string) string {
	b.Helper()
	args = append([]string{"-h", p.host, "-U", "everseed"}, append(args, "bank")...)
	out, err := exec.CommandContext(b.Context(), p.program, args...).CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// tps runs pgbench's own tpcb-like, or returns 0.
func (p pgbench) tps(b *testing.B) (tps float64) {
	b.Helper()
	if p.program == "" {
		return 0
	}
	out := p.run(b, "-b", "tpcb-like", "-c", fmt.Sprint(benchCallers), "-j", "2", "-T", benchSeconds)
	_, after, _ := strings.Cut(out, "tps = ")
	if n, _ := fmt.Sscan(after, &tps); n != 1 {
		b.Fatalf("pgbench says %s", out)
	}
	return tps
}
