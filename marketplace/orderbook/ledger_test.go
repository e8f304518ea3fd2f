package orderbook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
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

func TestABadTransferFailsAloneAmongThoseItIsBookedWith(t *testing.T) {
	t.Parallel()
	b := aLedger(t)
	if err := b.writer.post(t.Context(), time.Now(), move(accountVault, "free:a", 100)); err != nil {
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
			errs[i] = b.writer.post(t.Context(), time.Now(), line)
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
	if err := b.writer.post(t.Context(), time.Now(), move(accountVault, "free:a", 10)); err != nil {
		t.Fatal(err)
	}
	var postings []*posting
	for i := range 20 {
		postings = append(postings, &posting{at: time.Now(),
			transfers: []transfer{move("free:a", "free:b", 1, i)}})
	}
	b.postTogether(t, postings)
	for i, p := range postings {
		if (i < 10) != (p.refusal == nil) {
			t.Errorf("the %d. of ten: %v", i+1, p.refusal)
		}
	}
}

// postTogether books postings in one transaction.
func (b *Book) postTogether(t interface{ Fatal(...any) }, postings []*posting) {
	if err := b.writer.insist(func() []*posting { return postings }); err != nil {
		t.Fatal(err)
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
		if err := b.writer.post(t.Context(), time.Now(), c.line); !errors.Is(err, c.kind) {
			t.Errorf("posting %d: %v", i, err)
		}
	}
	together := []*posting{{transfers: []transfer{move(accountVault, "free:a", 1, "deposit 2")}},
		{transfers: []transfer{move(accountVault, "free:a", 2, "deposit 2")}}}
	b.postTogether(t, together)
	if !errors.Is(together[1].refusal, marketplace.Conflict) {
		t.Errorf("in one batch: %v", together[1].refusal)
	}
	if got := b.has(t, "free:a"); got != marketplace.Units(8) {
		t.Errorf("%s units", got.Units())
	}
}

func TestWhoLeavesBeforeTheWriterTakesOverBooksNothing(t *testing.T) {
	t.Parallel()
	b := aLedger(t)
	tx, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line := move(accountVault, "free:a", 1, 1)
	if err := b.writer.post(t.Context(), time.Now(), line); err != nil {
		t.Fatal(err)
	}
	// The first caller holds up the writer at a lock; the second one waits in the queue and leaves.
	if _, err := tx.Exec(t.Context(), `SELECT FROM accounts FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	taken := make(chan error)
	go func() { taken <- b.writer.post(ctx, time.Now(), move(accountVault, "free:a", 2, 2)) }()
	b.awaitLock(t)
	left := make(chan error)
	go func() { left <- b.writer.post(ctx, time.Now(), move(accountVault, "free:a", 4, 3)) }()
	for len(b.writer.queue) == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left was told %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Errorf("whom the writer had taken was told %v", err)
	}
	if err := b.writer.post(t.Context(), time.Now(), move(accountVault, "free:a", 8, 4)); err != nil {
		t.Fatal(err)
	}
	if got := b.has(t, "free:a"); got != marketplace.Units(1+2+8) {
		t.Errorf("%s units", got.Units())
	}
}

// awaitLock waits until somebody waits for a lock.
func (b *Book) awaitLock(t *testing.T) {
	t.Helper()
	for n := 0; n == 0; {
		if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAClosedBookHasBookedWhatItTookAndLeavesNothingBehind(t *testing.T) {
	url := devstack.TestDatabase(t)
	before := goleak.IgnoreCurrent()
	b, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := make([]error, 200)
	var all sync.WaitGroup
	for i := range acknowledged {
		all.Go(func() {
			acknowledged[i] = b.writer.post(t.Context(), time.Now(), move(accountVault, "free:a", 1, i))
		})
	}
	b.Close()
	all.Wait()
	goleak.VerifyNone(t, before)
	again, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	booked := uint64(0)
	for _, err := range acknowledged {
		if err == nil {
			booked++
		} else if !errors.Is(err, marketplace.Unavailable) {
			t.Error(err)
		}
	}
	if got := again.has(t, "free:a"); got != marketplace.Units(booked) {
		t.Errorf("%d acknowledged, %s booked", booked, got.Units())
	}
}

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
				err := b.writer.post(t.Context(), time.Now(), move(accountVault, "free:a", 1, c, i))
				if err != nil {
					t.Errorf("caller %d: %v", c, err)
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
				AND state = 'active' AND query IN (SELECT q FROM unnest($1::text[]) q)`,
				[]string{"COMMIT"}).Scan(&n); err != nil {
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

func TestAnyBatchesBookWhatANaiveLedgerBooks(t *testing.T) {
	t.Parallel()
	keys := []string{accountVault, "free:a", "free:b", "reserved:1", "payable:a:m:b"}
	b := aLedger(t)
	rapid.Check(t, func(r *rapid.T) {
		if _, err := b.pool.Exec(t.Context(), `TRUNCATE accounts, transfers`); err != nil {
			r.Fatal(err)
		}
		model := naive{map[string]uint64{}, map[string]uint64{}, map[string]transfer{}}
		for batch := range rapid.IntRange(1, 4).Draw(r, "batches") {
			var postings []*posting
			var want []bool
			for range rapid.IntRange(1, 8).Draw(r, "postings") {
				var lines []transfer
				for range rapid.IntRange(1, 3).Draw(r, "lines") {
					pair := rapid.Permutation(keys).Draw(r, "accounts")
					lines = append(lines, move(pair[0], pair[1], rapid.Uint64Range(1, 4).Draw(r, "units"),
						rapid.IntRange(0, 3).Draw(r, "name")))
				}
				postings = append(postings, &posting{transfers: lines, at: time.Now()})
				want = append(want, model.post(lines))
			}
			b.postTogether(r, postings)
			for i, p := range postings {
				if want[i] != (p.refusal == nil) {
					r.Fatalf("batch %d, posting %d: %v, the model says %t", batch, i, p.refusal, want[i])
				}
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
