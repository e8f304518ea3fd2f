package orderbook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// unbalanced is a stage whose books may be wrong at the end.
type unbalanced struct{ tester }

func (unbalanced) Errorf(string, ...any) {}

// tampered is a book in which an agent has earned and been paid, and into which sql wrote.
func tampered(t *testing.T, sql string) *orderbook.Audit {
	t.Helper()
	s := aStage(t)
	s.fetched(s.clear(s.post(1), s.agent(1))...)
	s.epoch(nil)
	s.epoch(nil)
	s.quorum()
	before, err := s.Audit(t.Context())
	s.must(err)
	if len(before.Wrong) > 0 {
		t.Fatalf("before: %q", before.Wrong)
	}
	s.must(s.Tamper(t.Context(), sql))
	s.tester = unbalanced{s.tester}
	after, err := s.Audit(t.Context())
	s.must(err)
	return after
}

func TestWhateverIsTamperedWithIsNamed(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`UPDATE accounts SET credits = credits + 1 WHERE key LIKE 'free:%'`:     "account free:",
		`UPDATE accounts SET debits = 0 WHERE key LIKE 'reserved:%'`:            "account reserved:",
		`DELETE FROM transfers WHERE code = 'accrue'`:                           "account payable:",
		`UPDATE transfers SET debit_after = 1 WHERE code = 'reserve'`:           "are left, those before it",
		`DELETE FROM accounts WHERE key LIKE 'holdback:%'`:                      "and is not there",
		`UPDATE leases SET earned = earned + 1`:                                 "were earned",
		`UPDATE proofs SET earned = earned + 1 WHERE earned > 0`:                "its proofs",
		`UPDATE leases SET held = held - 1`:                                     "are held back",
		`UPDATE bounties SET spent = spent + 1`:                                 "were spent",
		`UPDATE cheques SET cumulative = cumulative + 1 WHERE state = 'signed'`: "were ever credited",
		`UPDATE leases SET price = price * 100`:                                 "set aside",
		`INSERT INTO transfers (id, debit, credit, amount, code, at)
			VALUES (gen_random_uuid(), 'vault', 'free:somebody', 1, 'gift', now())`: "account free:somebody",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(tampered(t, sql).Wrong, "\n"); !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in %q", sql, want, got)
			}
		})
	}
}

func TestTheLedgerIsHeldAgainstEveryEventOfTheVault(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	s.chain(deposit(poster, marketplace.BTT(7)))
	first := orderbook.ChainBlock{Number: 1, Events: []orderbook.ChainEvent{
		{Kind: orderbook.ChainDeposit, Account: poster, Amount: marketplace.BTT(1000), Tx: "tx 1"}}}
	second := orderbook.ChainBlock{Number: 2, Events: []orderbook.ChainEvent{
		{Kind: orderbook.ChainDeposit, Account: poster, Amount: marketplace.BTT(7), Tx: "tx 2"}}}
	third := orderbook.ChainBlock{Number: 3, Events: []orderbook.ChainEvent{
		{Kind: orderbook.ChainDeposit, Account: poster, Amount: marketplace.BTT(9), Tx: "tx 3"}}}
	other := second
	other.Hash = marketplace.Hash{1}
	less := first
	less.Events = []orderbook.ChainEvent{first.Events[0]}
	less.Events[0].Amount = marketplace.BTT(999)
	for name, c := range map[string]struct {
		chain []orderbook.ChainBlock
		wrong string
	}{
		"agrees":                    {[]orderbook.ChainBlock{first, second}, ""},
		"newer blocks are no fault": {[]orderbook.ChainBlock{first, second, third}, ""},
		"applied twice":             {[]orderbook.ChainBlock{first}, "deposit of 7 BTT into the vault"},
		"other amount":              {[]orderbook.ChainBlock{less, second}, "is in the ledger with 1000 BTT"},
		"other chain":               {[]orderbook.ChainBlock{first, other}, "another chain"},
	} {
		audit, err := s.Audit(t.Context())
		s.must(err)
		for _, b := range c.chain {
			audit.Hold(b)
		}
		audit.Close()
		got := strings.Join(audit.Wrong, "\n")
		if (c.wrong == "") != (got == "") || !strings.Contains(got, c.wrong) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestABookThatIsWrittenToIsAuditedAsOfOneMoment(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	block := func(number int64, amount uint64) orderbook.ChainBlock {
		e := deposit(poster, marketplace.BTT(amount))
		e.Tx = fmt.Sprint("tx ", number)
		return orderbook.ChainBlock{Number: number, Events: []orderbook.ChainEvent{e}}
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		var err error
		for n := int64(2); err == nil; n++ {
			err = s.Apply(ctx, []orderbook.ChainBlock{block(n, 1)}, s.now)
		}
		done <- err
	}()
	for range 20 {
		audit, err := s.Audit(t.Context())
		s.must(err)
		audit.Hold(block(1, 1000))
		for n := int64(2); n <= audit.Number; n++ {
			audit.Hold(block(n, 1))
		}
		if audit.Close(); len(audit.Wrong) > 0 {
			t.Errorf("%q", audit.Wrong)
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
