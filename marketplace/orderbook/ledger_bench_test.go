package orderbook

import (
	"context"
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
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/migrations"
)

// What is measured: so many callers over so many accounts; and pgbench's tpcb-like with as many
// clients and its advised scale.
const (
	benchCallers  = 64
	benchAccounts = 100_000
	benchSeconds  = "8"
)

// BenchmarkLedger holds the ledger against pgbench, which runs on the same durable server before
// and after. Each of 64 callers hands in what one thing costs and waits for the commit before it
// goes on: a verdict is the six transfers of a lease's pay, a single is one transfer. A desk
// books what has queued in one act, as the judge of an epoch does with its leases: what is timed
// below the desk is what every act of the market runs. Run it on a quiet machine:
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
	d := desk{richLedger(b, p), make(chan handed, benchCallers)}
	b.Cleanup(func() { close(d.queue) })
	go d.run(b.Context())
	rates := map[string]float64{}
	before := bench.tps(b)
	for kind, hand := range map[string]func(func(int64) string) func(run, i int64) []transfer{
		"verdict": verdict, "single": single} {
		b.Run(kind, func(b *testing.B) {
			d.compare(b, hand(someone), hand(hot), func(mode string, rate float64) {
				rates[kind+"/"+mode] = rate
				b.ReportMetric(rate, mode+"-transfers/s")
			})
		})
	}
	b.Run("against", func(b *testing.B) {
		tpcb := (before + bench.tps(b)) / 2
		b.ReportMetric(0, "ns/op")
		for _, kind := range []string{"verdict", "single"} {
			b.ReportMetric(rates[kind+"/hot"]/rates[kind+"/uniform"], kind+"-hot/uniform")
			if tpcb > 0 {
				b.ReportMetric(rates[kind+"/uniform"]/tpcb, kind+"/pgbench")
			}
		}
		b.ReportMetric(tpcb, "pgbench-tx/s")
	})
}

func rich(i int64) string { return fmt.Sprint("free:", i) }

// Whose money it is: of accounts far apart, or always of the same one. Who pays has an even number,
// who is paid an odd one.
func someone(i int64) string { return rich(i * 7919 * 2 % benchAccounts) }
func hot(int64) string       { return rich(0) }
func other(i int64) string   { return rich((i*31*2 + 1) % benchAccounts) }

func single(from func(int64) string) func(run, i int64) []transfer {
	return func(run, i int64) []transfer { return []transfer{paid(from(i), other(i), run, i)} }
}

// paid is a transfer of an epoch: of a few hundred leases each, as in the market.
func paid(from, to string, run, i int64) transfer {
	return transfer{debit: from, credit: to, amount: marketplace.Units(1), code: "test",
		epoch: 1 + i/500}.named(run, i)
}

// verdict is what a passed audit books: to the payee, to the holdback, to the market's part of the fee
// and to three auditors.
func verdict(from func(int64) string) func(run, i int64) []transfer {
	return func(run, i int64) (all []transfer) {
		for part := range int64(6) {
			all = append(all, paid(from(i), other(i+part*11_111), run, i))
		}
		return all
	}
}

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
		lines = append(lines, move(accountVault, rich(i), 1_000_000_000, i))
	}
	if err := book.book(b.Context(), lines...); err != nil {
		b.Fatal(err)
	}
	for _, statement := range []string{"VACUUM ANALYZE accounts", "CHECKPOINT"} {
		if _, err := book.pool.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	return book
}

// A desk books what callers hand in: what has queued meanwhile goes into the next act.
type desk struct {
	book  *Book
	queue chan handed
}

type handed struct {
	transfers []transfer
	done      chan<- error // answered after the commit
}

func (d desk) run(ctx context.Context) {
	for first := range d.queue {
		var batch []handed
		err := d.book.act(ctx, time.Now(), func(a *act) error {
			if batch == nil {
				batch = d.queued(first)
			}
			for _, h := range batch {
				a.transfers = append(a.transfers, h.transfers...)
			}
			return nil
		})
		for _, h := range batch {
			h.done <- err
		}
	}
}

// queued is what has been handed in until now.
func (d desk) queued(first handed) []handed {
	batch := []handed{first}
	for len(d.queue) > 0 {
		batch = append(batch, <-d.queue)
	}
	return batch
}

var benchRun atomic.Int64 // makes the names of transfers new in every run

// compare has b.N things handed in of accounts far apart and as many of a hot one, by turns, so that
// neither is timed in a better moment, and tells how many transfers of each were booked a second.
func (d desk) compare(b *testing.B, uniform, hot func(run, i int64) []transfer,
	tell func(mode string, rate float64)) {
	const turns = 10
	var uniformBooked, hotBooked int64
	var uniformTook, hotTook time.Duration
	for range turns {
		n, took := d.measure(b, b.N/turns+1, uniform)
		uniformBooked, uniformTook = uniformBooked+n, uniformTook+took
		n, took = d.measure(b, b.N/turns+1, hot)
		hotBooked, hotTook = hotBooked+n, hotTook+took
	}
	tell("uniform", float64(uniformBooked)/uniformTook.Seconds())
	tell("hot", float64(hotBooked)/hotTook.Seconds())
}

// measure has so many things handed in and returns how many transfers were booked, and how long that
// took.
func (d desk) measure(b *testing.B, things int, hand func(run, i int64) []transfer) (
	int64, time.Duration) {
	run := benchRun.Add(1)
	var next, booked atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range benchCallers {
		all.Go(func() {
			done := make(chan error, 1)
			for i := next.Add(1); i <= int64(things); i = next.Add(1) {
				lines := hand(run, i)
				d.queue <- handed{lines, done}
				if err := <-done; err != nil {
					b.Error(err)
				}
				booked.Add(int64(len(lines)))
			}
		})
	}
	all.Wait()
	return booked.Load(), time.Since(began)
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
