package orderbook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
)

// aLedger is a book without a market, whose books are audited at the end.
func aLedger(t testing.TB) *Book {
	t.Helper()
	b, err := Open(t.Context(), devstack.TestDatabase(t), Options{Rules: marketplace.DevnetRules()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		wrong, err := b.AuditBooks(context.Background())
		if err != nil || len(wrong) > 0 {
			t.Errorf("books: %v, %v", wrong, err)
		}
		b.Close()
	})
	return b
}

func move(from, to string, units uint64, name ...any) transfer {
	return transfer{debit: from, credit: to, amount: marketplace.Units(units),
		code: "test"}.named(name...)
}

func (b *Book) has(t testing.TB, key string) marketplace.Amount {
	t.Helper()
	s, err := many(t.Context(), b.pool, "account", scanSides,
		`SELECT debits, credits FROM accounts WHERE key = $1`, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(s) == 0 {
		return marketplace.Amount{}
	}
	has, _ := s[0].balance(key)
	return has
}

// book books transfers as an act does that writes nothing else.
func (b *Book) book(ctx context.Context, transfers ...transfer) error {
	return b.act(ctx, time.Now(), func(a *act) error {
		a.transfers = transfers
		return nil
	})
}

func TestABadTransferFailsAloneAmongThoseThatAreBookedMeanwhile(t *testing.T) {
	t.Parallel()
	b := aLedger(t)
	if err := b.book(t.Context(), move(accountVault, "free:a", 100)); err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 64)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			line := move("free:a", fmt.Sprint("free:", i), 1, i)
			if i%4 == 0 {
				line = move("free:nobody", "free:b", 1, i)
			}
			errs[i] = b.book(t.Context(), line)
		})
	}
	all.Wait()
	for i, err := range errs {
		if i%4 == 0 && !errors.Is(err, marketplace.Insufficient) || i%4 != 0 && err != nil {
			t.Errorf("transfer %d: %v", i, err)
		}
	}
	if got := b.has(t, "free:a"); got != marketplace.Units(100-48) {
		t.Errorf("%s units left", got.Units())
	}
}

func TestOnlyAsMuchAsIsThereLeavesAnAccountHoweverManyAsk(t *testing.T) {
	t.Parallel()
	b := aLedger(t)
	if err := b.book(t.Context(), move(accountVault, "free:a", 10)); err != nil {
		t.Fatal(err)
	}
	var booked atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			switch err := b.book(t.Context(), move("free:a", "free:b", 1, i)); {
			case err == nil:
				booked.Add(1)
			case !errors.Is(err, marketplace.Insufficient):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if has := b.has(t, "free:b"); booked.Load() != 10 || has != marketplace.Units(10) {
		t.Errorf("%d were told yes, %s units moved", booked.Load(), has.Units())
	}
}

func TestOfTransfersBookedTogetherOneThatIsRefusedBooksNone(t *testing.T) {
	t.Parallel()
	b := aLedger(t)
	in, out := move(accountVault, "free:a", 5), move("free:a", "free:b", 5)
	if err := b.book(t.Context(), out, in); !errors.Is(err, marketplace.Insufficient) {
		t.Errorf("out before in: %v", err)
	}
	other := in
	other.amount = marketplace.Units(6)
	if err := b.book(t.Context(), in, other); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("two contents under one name: %v", err)
	}
	if got := b.has(t, "free:a"); !got.IsZero() {
		t.Errorf("%s units were booked", got.Units())
	}
	if err := b.book(t.Context(), in, in, out); err != nil {
		t.Errorf("in, again, and out: %v", err)
	}
}

func TestARetryIsAbsorbedAndOtherContentUnderItsNameIsRefused(t *testing.T) {
	t.Parallel()
	b := aLedger(t)
	first := move(accountVault, "free:a", 7, "deposit 1")
	other := first
	other.amount = marketplace.Units(8)
	for i, c := range []struct {
		line transfer
		kind error
	}{{first, nil}, {first, nil}, {other, marketplace.Conflict}, {first, nil}} {
		if err := b.book(t.Context(), c.line); !errors.Is(err, c.kind) {
			t.Errorf("posting %d: %v", i, err)
		}
	}
	if got := b.has(t, "free:a"); got != marketplace.Units(7) {
		t.Errorf("%s units", got.Units())
	}
}

// A caller whose connection is lost cannot know whether it was booked. It asks again.
func TestWhatIsAcknowledgedIsBookedOnceThoughConnectionsAreKilled(t *testing.T) {
	t.Parallel()
	b := aLedger(t)
	killer, err := Open(t.Context(), b.pool.Config().ConnString(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer killer.Close()
	const callers, each = 16, 40
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				line := move(accountVault, "free:a", 1, c, i)
				for b.book(t.Context(), line) != nil && t.Context().Err() == nil {
					continue
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	kills := 0
	for open := true; open; {
		select {
		case <-done:
			open = false
		default:
			n := 0
			if err := killer.pool.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM
				pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
				AND state = 'active' AND query = 'commit'`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			kills += n
		}
	}
	b.pool.Reset() // some were killed after they had committed
	if got := b.has(t, "free:a"); got != marketplace.Units(callers*each) {
		t.Errorf("%d acknowledged, %s booked; %d connections killed", callers*each, got.Units(), kills)
	}
	t.Logf("%d connections killed while they committed", kills)
}

// naive is a ledger that anyone can check by reading.
type naive struct {
	debits, credits map[string]uint64
	booked          map[string]transfer
}

func (n naive) post(lines []transfer) (ok bool) {
	d, c, k := maps.Clone(n.debits), maps.Clone(n.credits), maps.Clone(n.booked)
	for _, l := range lines {
		if was, there := k[l.id.String()]; there {
			if was != l {
				return false
			}
			continue
		}
		var units uint64
		_, _ = fmt.Sscan(l.amount.Units(), &units)
		k[l.id.String()], d[l.debit], c[l.credit] = l, d[l.debit]+units, c[l.credit]+units
		for _, key := range []string{l.debit, l.credit} {
			if key != accountVault && d[key] > c[key] || key == accountVault && c[key] > d[key] {
				return false
			}
		}
	}
	maps.Copy(n.debits, d)
	maps.Copy(n.credits, c)
	maps.Copy(n.booked, k)
	return true
}

func TestAnyActsBookWhatANaiveLedgerBooks(t *testing.T) {
	t.Parallel()
	keys := []string{accountVault, "free:a", "free:b", "reserved:1", "payable:a:m:b"}
	b := aLedger(t)
	rapid.Check(t, func(r *rapid.T) {
		if _, err := b.pool.Exec(t.Context(), `TRUNCATE accounts, transfers`); err != nil {
			r.Fatal(err)
		}
		model := naive{map[string]uint64{}, map[string]uint64{}, map[string]transfer{}}
		for n := range rapid.IntRange(1, 16).Draw(r, "acts") {
			var lines []transfer
			for range rapid.IntRange(1, 5).Draw(r, "lines") {
				pair := rapid.Permutation(keys).Draw(r, "accounts")
				lines = append(lines, move(pair[0], pair[1], rapid.Uint64Range(1, 4).Draw(r, "units"),
					rapid.IntRange(0, 3).Draw(r, "name")))
			}
			err, want := b.book(t.Context(), lines...), model.post(lines)
			if want != (err == nil) {
				r.Fatalf("act %d: %v, the model says %t", n, err, want)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(model.debits)) {
			left := max(model.debits[key], model.credits[key]) - min(model.debits[key], model.credits[key])
			if got := b.has(t, key); got != marketplace.Units(left) {
				r.Fatalf("%s has %s units, the model %d", key, got.Units(), left)
			}
		}
	})
}
