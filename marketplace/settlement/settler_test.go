package settlement

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

func TestMoneyGoesTheWholeWayFromADepositToASolidCheque(t *testing.T) {
	h := newHouse(t, func(h *house) {
		h.rules.Epoch = marketplace.Span(time.Second)
		h.rules.ReportSlack = marketplace.Span(200 * time.Millisecond)
	})
	ctx := t.Context()
	h.fund(marketplace.BTT(500))
	l := h.lease()
	passed := map[int64]bool{}
	h.until("an epoch is paid for", func() bool {
		epoch, err := h.LastEpoch(ctx)
		h.must(err)
		e, err := h.AuditEpoch(ctx, epoch)
		if err == nil && !passed[epoch] && len(e.Leases) == 1 {
			h.beacon(e)
			h.pass(l.ID, epoch)
			passed[epoch] = true
		}
		return !h.account(payee).Payable.IsZero()
	})
	h.sign()
	c := h.owed()
	h.until("the cheque is solid", func() bool {
		return h.cheque(c.ID).State == marketplace.ChequeSolid
	})
	got, err := h.vault.TokenBalance(ctx, payee)
	h.must(err)
	if got != c.Cheque.Cumulative || h.account(payee).Redeemed != got {
		t.Errorf("payee has %s, the ledger says %s, the cheque %s", got, h.account(payee).Redeemed,
			c.Cheque.Cumulative)
	}

	h.onChain(h.vault.BuildThaw(ctx, poster, marketplace.BTT(100)))
	h.until("the thaw is in the book", func() bool {
		return h.account(poster.Address()).Thawing == marketplace.BTT(100)
	})
	free := h.account(poster.Address()).Free
	time.Sleep(time.Second) // the vault's thaw period, on the chain's clock
	h.onChain(h.vault.BuildWithdraw(ctx, poster))
	h.until("the withdrawal is in the book", func() bool {
		return h.account(poster.Address()).Free == free.Sub(marketplace.BTT(100))
	})
	h.until("vault and ledger were compared since", func() bool {
		s, err := h.Solvency(ctx)
		h.must(err)
		return s.Vault == s.Ledger && s.Token == s.Vault && s.Difference == "" && s.Block > 0
	})
	if n := h.log.count("ERROR"); n > 0 {
		t.Errorf("%d alarms: %q", n, h.log.lines)
	}
}

// beacon checks an opened epoch against the chain and against its commitment.
func (h *house) beacon(e marketplace.AuditEpoch) {
	h.Helper()
	blocks, err := h.vault.Events(h.Context(), e.Block-1, 2)
	h.must(err)
	begins := h.rules.EpochStart(e.Epoch)
	if !blocks[0].Time.Before(begins) || blocks[1].Time.Before(begins) || blocks[1].ID != e.Hash {
		h.Errorf("epoch of %s has block %d of %s, %s after that of %s", begins, e.Block,
			blocks[1].Time, e.Hash, blocks[0].Time)
	}
	shown, err := h.AuditEpoch(h.Context(), e.Epoch-1) // unless we came in the middle of it
	if !e.PromisedAt.Before(begins) ||
		err == nil && (shown.Next == nil || shown.Next.Commit != e.Commit) {
		h.Errorf("epoch of %s was promised at %s, the epoch before shows %+v", begins, e.PromisedAt,
			shown.Next)
	}
	if sha256.Sum256(e.Secret[:]) != e.Commit || e.Commit != h.settler().Beacon.Commit(e.Epoch) {
		h.Errorf("epoch %d: commit %s of secret %s", e.Epoch, e.Commit, e.Secret)
	}
}

func TestASecretFollowsFromKeyAndEpochAlone(t *testing.T) {
	t.Parallel()
	a, b := Beacon{Key: [32]byte{1}}, Beacon{Key: [32]byte{2}}
	same := Beacon{Key: a.Key}
	if a.Secret(7) != same.Secret(7) || a.Secret(7) == a.Secret(8) || a.Secret(7) == b.Secret(7) {
		t.Error("secrets do not follow from key and epoch")
	}
}

func TestAnEpochThatWasNotPromisedInTimeStaysClosed(t *testing.T) {
	h := newHouse(t, func(h *house) { h.rules.Epoch = marketplace.Span(time.Second) })
	ctx, s := t.Context(), h.settler()
	running := h.rules.EpochAt(time.Now())
	h.must(func() error { _, err := s.promise(ctx, h.rules.EpochStart(running)); return err }())
	all, err := h.Promises(ctx, orderbook.Page{})
	if err != nil || len(all) != promisedAhead || all[0].Epoch != running+promisedAhead {
		t.Fatalf("in epoch %d are promised: %+v %v", running, all, err)
	}
	// The market has been away since, and none of the epochs that it comes back in was promised.
	for gone := running + promisedAhead + 1; h.rules.EpochAt(time.Now()) < gone; {
		time.Sleep(20 * time.Millisecond)
	}
	back := h.rules.EpochAt(time.Now())
	h.until("an epoch opens", func() bool {
		last, err := h.LastEpoch(ctx)
		h.must(err)
		return last > 0
	})
	if last, err := h.LastEpoch(ctx); err != nil || last <= back {
		t.Errorf("back in epoch %d, which nobody promised, it opens epoch %d (%v)", back, last, err)
	}
	other := h.settler()
	other.Beacon.Key[0]++
	if last, err := h.LastEpoch(ctx); err == nil {
		_, err = other.openEpoch(ctx, h.rules.EpochStart(last+1))
		if !errors.Is(err, marketplace.Conflict) {
			t.Errorf("with another key: %v", err)
		}
	}
}

// The ledger misses a deposit, as it would if a node had kept it from us.
// A node that is behind tells of a vault that the ledger has left behind.
func TestANodeThatIsBehindIsNoDifference(t *testing.T) {
	h := newHouse(t)
	h.fund(marketplace.BTT(500))
	s := h.settler()
	h.onChain(h.vault.BuildDeposit(t.Context(), poster, poster.Address(), marketplace.BTT(1)))
	h.await("the second deposit is in the ledger", func() bool {
		_, err := s.readChain(t.Context(), time.Now())
		h.must(err)
		return h.account(poster.Address()).Free == marketplace.BTT(501)
	})
	h.must(h.chain.Misbehave(devchain.Faults{Stale: true, Behind: devchain.SolidAfter}))
	cursor, err := h.ChainCursor(t.Context())
	h.must(err)
	if owed, _, err := s.askVault(t.Context(), cursor.Number); !errors.Is(err, marketplace.Unavailable) {
		t.Errorf("at block %d the vault owes %s by old news (%v)", cursor.Number, owed, err)
	}
	if n, err := s.reconcile(t.Context(), time.Now()); !errors.Is(err, marketplace.Unavailable) {
		t.Errorf("compared %d times with old news: %v", n, err)
	}
	if why, err := h.Frozen(t.Context()); err != nil || why != "" {
		t.Errorf("redemptions were frozen: %s (%v)", why, err)
	}
	h.must(h.chain.Misbehave(devchain.Faults{}))
	h.await("vault and ledger are compared", func() bool {
		_, err := s.Step(t.Context(), time.Now())
		h.must(err)
		state, err := h.Solvency(t.Context())
		return err == nil && state.Vault == marketplace.BTT(501) && !state.Frozen
	})
}

func TestADifferenceBetweenVaultAndLedgerFreezesRedemptionsAndNothingElse(t *testing.T) {
	h := newHouse(t)
	h.onChain(h.vault.BuildDeposit(t.Context(), poster, poster.Address(), marketplace.BTT(1)))
	h.await("the deposit is solid", func() bool {
		owed, err := h.vault.Obligations(t.Context())
		h.must(err)
		return owed == marketplace.BTT(1)
	})
	solid, err := h.vault.SolidHead(t.Context())
	h.must(err)
	h.first = solid.Number + 1
	s := h.settler()
	h.onChain(h.vault.BuildDepositAndOpen(t.Context(), poster, marketplace.BTT(500),
		marketplace.Mandate{ID: mandate, Signers: auditors(), Threshold: 2,
			Cap: marketplace.BTT(500), Expiry: time.Now().Add(30 * marketplace.Day)}))
	h.await("the second deposit is in the ledger", func() bool {
		_, err := s.readChain(t.Context(), time.Now())
		h.must(err)
		return !h.account(poster.Address()).Free.IsZero()
	})
	h.earn(h.lease())
	h.sign()
	c := h.owed()
	tx, err := h.vault.BuildRedeem(t.Context(), operator, c.Cheque, c.Signatures)
	h.must(err)
	h.must(h.StageTx(t.Context(), orderbook.StagedTx{ID: tx.ID, Cheque: c.ID, Raw: tx.Raw,
		Expires: tx.Expires}, time.Now()))
	for range 20 {
		time.Sleep(blockTime)
		_, err := s.Step(t.Context(), time.Now())
		h.must(err)
	}
	state, err := h.Solvency(t.Context())
	h.must(err)
	const want = "the vault owes 501 BTT to its accounts, the ledger says 500"
	if !state.Frozen || state.Difference != want {
		t.Errorf("frozen %t: %s", state.Frozen, state.Difference)
	}
	if n := h.log.count("ERROR redemptions frozen"); n != 1 {
		t.Errorf("%d alarms: %q", n, h.log.lines)
	}
	if r, err := h.vault.Outcome(t.Context(), tx); err != nil || r.Outcome != escrow.Pending {
		t.Errorf("what was written down before was sent: %s (%v)", r.Outcome, err)
	}
	flying, err := h.InFlight(t.Context())
	h.must(err)
	if len(flying) != 1 {
		t.Errorf("%d redemptions under way; nothing new may be started", len(flying))
	}
}

func TestAnOutageOfTRONHoldsUpNothingElse(t *testing.T) {
	h := newHouse(t)
	h.fund(marketplace.BTT(500))
	l := h.lease()
	epoch := h.rules.EpochAt(time.Now()) + 1
	h.must(h.OpenEpoch(t.Context(), marketplace.AuditEpoch{Epoch: epoch,
		Auditors: marketplace.SignersPanel(auditors())},
		h.rules.EpochStart(epoch)))
	h.pass(l.ID, epoch)
	h.chain.Outage(true)
	_, err := h.settler().Step(t.Context(), h.rules.EpochStart(epoch+2))
	if !errors.Is(err, marketplace.Unavailable) || !strings.Contains(err.Error(), "read the chain") {
		t.Errorf("the outage is told as: %v", err)
	}
	if l, err = h.Lease(t.Context(), l.ID); err != nil || l.State != marketplace.Active {
		t.Errorf("the lease is %s (%v): its epoch was not judged", l.State, err)
	}
	h.chain.Outage(false)
	h.onChain(h.vault.BuildDeposit(t.Context(), poster, poster.Address(), marketplace.BTT(1)))
	free := h.account(poster.Address()).Free
	h.until("the ledger catches up", func() bool {
		return h.account(poster.Address()).Free == free.Add(marketplace.BTT(1))
	})
}

func TestAnotherChainIsNotReadIntoTheLedger(t *testing.T) {
	h := newHouse(t)
	solid, err := h.vault.SolidHead(t.Context())
	h.must(err)
	h.must(h.Apply(t.Context(), []orderbook.ChainBlock{{Number: solid.Number,
		Hash: marketplace.Hash{66}}}, time.Now()))
	h.await("the settler notices", func() bool {
		_, err := h.settler().Step(t.Context(), time.Now())
		return err != nil && strings.Contains(err.Error(), "does not follow")
	})
	if c, err := h.ChainCursor(t.Context()); err != nil || c.Number != solid.Number {
		t.Errorf("the cursor went on to %d (%v)", c.Number, err)
	}
}

func TestOfManySettlersOneWorksAndTheNextTakesOver(t *testing.T) {
	h := newHouse(t)
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		s := h.settler()
		go func() { done <- s.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	arrives := func(total marketplace.Amount) {
		t.Helper()
		h.onChain(h.vault.BuildDeposit(t.Context(), poster, poster.Address(), marketplace.BTT(1)))
		h.await("the deposit is in the ledger", func() bool {
			return h.account(poster.Address()).Free == total
		})
	}
	first, second := run(), run()
	arrives(marketplace.BTT(1))
	first()
	arrives(marketplace.BTT(2))
	second()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if bytes.Contains(stacks, []byte("(*Settler).loop")) {
		t.Errorf("a settler that ended left goroutines behind:\n%s", stacks)
	}
	if n := h.log.count("ERROR"); n > 0 {
		t.Errorf("%d alarms: %q", n, h.log.lines)
	}
}
