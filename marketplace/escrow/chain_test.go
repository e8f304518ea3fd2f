package escrow_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	blockTime = 10 * time.Millisecond
	thaw      = time.Second
)

// named returns the key that a name stands for in tests.
func named(name string) escrow.Key {
	sum := sha256.Sum256([]byte(name))
	k, err := escrow.ParseKey(hex.EncodeToString(sum[:]))
	if err != nil {
		panic(err)
	}
	return k
}

// The people of the tests. Payees have no TRX: anybody may redeem for them.
var (
	admin  = named("admin")
	poster = named("poster")
	market = named("market")
	payee  = named("payee")
	quorum = []escrow.Key{named("auditor 1"), named("auditor 2"), named("auditor 3")}
)

// A town is a dev chain with a vault on it, where the poster has BTT.
type town struct {
	*escrow.Vault
	t      *testing.T
	dir    string // of the chain
	chain  *devchain.Chain
	config escrow.Config
}

func newTown(t *testing.T) *town {
	t.Helper()
	t.Parallel()
	genesis := map[string]int64{}
	for _, k := range []escrow.Key{admin, poster, market} {
		genesis[string(k.Address().Tron())] = 1_000_000 * escrow.Sun
	}
	dir := t.TempDir()
	chain, err := devchain.Start(t.Context(), devchain.Options{
		Dir: dir, BlockTime: blockTime, Genesis: genesis})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &town{t: t, dir: dir, chain: chain, config: escrow.Config{GRPC: chain.Addr(), PerSecond: 2000}}
	w.config.Token, w.config.Vault, err = escrow.Deploy(t.Context(), w.config, admin, thaw)
	if err != nil {
		t.Fatal(err)
	}
	w.Vault = w.dial(w.config)
	w.do(w.BuildMint(t.Context(), admin, poster.Address(), marketplace.BTT(1000)))
	w.solid(w.BuildApprove(t.Context(), poster, marketplace.BTT(1000)))
	return w
}

// dial makes one more client.
func (w *town) dial(c escrow.Config) *escrow.Vault {
	w.t.Helper()
	v, err := escrow.Dial(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := v.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return v
}

// do waits until a transaction is in a block; solid until that block is solid.
func (w *town) do(s escrow.Staged, err error) escrow.Receipt { return w.await(s, err, false) }

func (w *town) solid(s escrow.Staged, err error) escrow.Receipt { return w.await(s, err, true) }

func (w *town) await(s escrow.Staged, err error, solid bool) escrow.Receipt {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	r, err := w.Await(ctx, s, solid)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// final waits until nothing about a transaction can change, sending it whenever it is pending.
func (w *town) final(s escrow.Staged) escrow.Receipt {
	w.t.Helper()
	var last escrow.Receipt
	w.until("transaction is final", func() bool {
		r, err := w.Outcome(w.t.Context(), s)
		if err != nil {
			w.t.Fatal(err)
		}
		if r.Outcome == escrow.Pending {
			_ = w.Send(w.t.Context(), s) // it may have expired already
		}
		last = r
		return r.Outcome.Final()
	})
	return last
}

func (w *town) until(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			w.t.Fatalf("after 20 s still not: %s", what)
		}
		time.Sleep(blockTime)
	}
}

// mandate is what the poster opens: two of the three auditors may sign.
func mandate(capacity marketplace.Amount, life time.Duration) marketplace.Mandate {
	m := marketplace.Mandate{Poster: poster.Address(), ID: marketplace.Hash{1}, Threshold: 2,
		Cap: capacity, Expiry: time.Now().Add(life).Truncate(time.Second).UTC()}
	for _, k := range slices.Backward(quorum) { // any order will do
		m.Signers = append(m.Signers, k.Address())
	}
	return m
}

// fund deposits and opens a mandate over everything.
func (w *town) fund(amount marketplace.Amount) marketplace.Mandate {
	w.t.Helper()
	m := mandate(amount, time.Hour)
	w.solid(w.BuildDepositAndOpen(w.t.Context(), poster, amount, m))
	return m
}

// signed returns a cheque of the poster's mandate with the signatures of some of the auditors.
func (w *town) signed(
	total marketplace.Amount, signers ...escrow.Key,
) (marketplace.Cheque, []marketplace.Signature) {
	w.t.Helper()
	c := marketplace.Cheque{From: poster.Address(), Mandate: marketplace.Hash{1},
		To: payee.Address(), Cumulative: total}
	d, err := w.Domain(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var all []marketplace.Signature
	for _, k := range signers {
		s, err := k.SignCheque(d, c)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, s)
	}
	return c, all
}

// holds compares what an account holds in solid blocks, in the vault and outside it.
func (w *town) holds(a marketplace.Address, inVault, outside string) {
	w.t.Helper()
	ctx := w.t.Context()
	vault, err := w.Balance(ctx, a)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := w.TokenBalance(ctx, a)
	if err != nil {
		w.t.Fatal(err)
	}
	if vault != marketplace.MustAmount(inVault) || token != marketplace.MustAmount(outside) {
		w.t.Errorf("%s has %s in the vault and %s outside; want %s and %s", a, vault, token,
			inVault, outside)
	}
}

// refuses checks the kind of a refusal.
func refuses(t *testing.T, what string, err error, kind marketplace.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got error %v, want one of kind %s", what, err, kind)
	}
}
