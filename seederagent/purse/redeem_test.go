package purse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

func named(name string) escrow.Key {
	sum := sha256.Sum256([]byte(name))
	k, err := escrow.ParseKey(hex.EncodeToString(sum[:]))
	if err != nil {
		panic(err)
	}
	return k
}

var (
	admin   = named("admin")
	poster  = named("poster")
	carrier = named("carrier") // has TRX and no cheque
	payee   = named("payee")   // has a cheque and no TRX
)

// A shore is a chain with a vault that owes the payee of a purse, and no market.
type shore struct {
	*testing.T
	chain   *devchain.Chain
	vault   *escrow.Vault
	purse   *Purse
	place   Place
	mandate marketplace.Mandate
	quorum  []escrow.Key
}

func newShore(t *testing.T) *shore {
	t.Helper()
	t.Parallel()
	s := &shore{T: t, quorum: someKeys(t, 3)}
	genesis := map[string]int64{}
	for _, k := range []escrow.Key{admin, poster, carrier} {
		genesis[string(k.Address().Tron())] = 10_000 * escrow.Sun
	}
	var err error
	s.chain, err = devchain.Start(t.Context(), devchain.Options{Dir: t.TempDir(),
		BlockTime: 10 * time.Millisecond, Genesis: genesis})
	s.must(err)
	t.Cleanup(func() { s.must(s.chain.Close()) })
	c := escrow.Config{GRPC: s.chain.Addr(), PerSecond: 5000}
	c.Token, c.Vault, err = escrow.Deploy(t.Context(), c, admin, time.Second)
	s.must(err)
	s.vault, err = escrow.Dial(t.Context(), c)
	s.must(err)
	t.Cleanup(func() { s.must(s.vault.Close()) })
	s.onChain(s.vault.BuildMint(t.Context(), admin, poster.Address(), marketplace.BTT(100)))
	d, err := s.vault.Domain(t.Context())
	s.must(err)
	s.place = Place{ChainID: d.ChainID, Vault: d.Vault, Token: c.Token, TRON: c.GRPC}
	s.mandate = marketplace.Mandate{Poster: poster.Address(), ID: marketplace.Hash{1}, Threshold: 2,
		Cap: marketplace.BTT(100), Expiry: time.Now().Add(time.Hour)}
	for _, k := range s.quorum {
		s.mandate.Signers = append(s.mandate.Signers, k.Address())
	}
	s.onChain(s.vault.BuildApprove(t.Context(), poster, marketplace.BTT(100)))
	s.onChain(s.vault.BuildDepositAndOpen(t.Context(), poster, marketplace.BTT(50), s.mandate))
	s.purse, err = Open(t.TempDir(), s.place)
	s.must(err)
	return s
}

func (s *shore) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shore) onChain(tx escrow.Staged, err error) {
	s.Helper()
	s.must(err)
	_, err = s.vault.Await(s.Context(), tx, true)
	s.must(err)
}

// keep puts a cheque for so many BTT in the purse and returns it.
func (s *shore) keep(btt uint64) Held {
	s.Helper()
	c := marketplace.Cheque{From: s.mandate.Poster, Mandate: s.mandate.ID, To: payee.Address(),
		Cumulative: marketplace.BTT(btt)}
	sc := signed(s.T, escrow.Domain{ChainID: s.place.ChainID, Vault: s.place.Vault}, c,
		s.quorum[0], s.quorum[1])
	isNew, err := s.purse.Keep(sc, s.mandate)
	s.must(err)
	all, err := s.purse.Cheques()
	s.must(err)
	if !isNew || len(all) != 1 {
		s.Fatalf("purse holds %d cheques, the last is new: %t", len(all), isNew)
	}
	return all[0]
}

func (s *shore) redeemer() Redeemer { return Redeemer{Vault: s.vault, Key: carrier} }

func (s *shore) look(r Redeemer, h Held) Claim {
	s.Helper()
	c, err := r.Look(s.Context(), h)
	s.must(err)
	return c
}

// has checks what an address holds of the token.
func (s *shore) has(who marketplace.Address, btt uint64) {
	s.Helper()
	if got, err := s.vault.TokenBalance(s.Context(), who); err != nil || got != marketplace.BTT(btt) {
		s.Errorf("%s has %s BTT, want %d (%v)", who, got, btt, err)
	}
}

func quiet(escrow.Staged) {}

func TestAnybodyRedeemsWithThePurseAlone(t *testing.T) {
	s := newShore(t)
	h, r := s.keep(20), s.redeemer()
	c := s.look(r, h)
	if c.State != Due || c.Pays != marketplace.BTT(20) || c.Fee < escrow.Sun {
		t.Fatalf("the claim is %s, pays %s for %d sun", c.State, c.Pays, c.Fee)
	}
	found, err := r.Redeem(t.Context(), h, quiet)
	if err != nil || found.Outcome != escrow.Confirmed {
		t.Fatalf("%s, %v", found.Outcome, err)
	}
	if c.Fee < found.Fee*9/10 || c.Fee > found.Fee*11/10 {
		t.Errorf("it said %d sun and burnt %d", c.Fee, found.Fee)
	}
	s.has(payee.Address(), 20)
	if c = s.look(r, h); c.State != Paid {
		t.Errorf("afterwards it is %s", c.State)
	}
	more := s.keep(35)
	if c = s.look(r, more); c.Pays != marketplace.BTT(15) || c.Paid != marketplace.BTT(20) {
		t.Errorf("the next one pays %s after %s", c.Pays, c.Paid)
	}
	_, err = r.Redeem(t.Context(), more, quiet)
	s.must(err)
	s.has(payee.Address(), 35)
}

// A run may end at any point after its transaction was written down. The next one carries on with
// the same bytes.
func TestARunThatIsCutShortIsCarriedOnAndPaysOnce(t *testing.T) {
	for name, cut := range map[string]func(*shore, context.CancelFunc){
		"before it is sent": func(_ *shore, end context.CancelFunc) { end() },
		"while the node does not answer": func(s *shore, end context.CancelFunc) {
			s.chain.Outage(true)
			end()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShore(t)
			h, r := s.keep(20), s.redeemer()
			var first, second string
			ctx, end := context.WithCancel(t.Context())
			_, err := r.Redeem(ctx, h, func(tx escrow.Staged) { first = tx.ID; cut(s, end) })
			if err == nil {
				t.Fatal("it was not cut short")
			}
			if _, err := os.Stat(h.Note); err != nil {
				t.Fatalf("nothing is written down: %v", err)
			}
			s.chain.Outage(false)
			if c := s.look(r, h); c.State != UnderWay || c.Tx != first {
				t.Errorf("the next run sees %s %s, sent was %s", c.State, c.Tx, first)
			}
			found, err := r.Redeem(t.Context(), h, func(tx escrow.Staged) { second = tx.ID })
			if err != nil || found.Outcome != escrow.Confirmed || second != first {
				t.Errorf("%s sent, then %s: %s, %v", first, second, found.Outcome, err)
			}
			s.has(payee.Address(), 20)
			if _, err := os.Stat(h.Note); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("what is done is still written down: %v", err)
			}
		})
	}
}

func TestManyRunsAtOncePayOnce(t *testing.T) {
	s := newShore(t)
	h := s.keep(20)
	done := make(chan error)
	for range 4 {
		go func() {
			_, err := s.redeemer().Redeem(t.Context(), h, quiet)
			done <- err
		}()
	}
	for range 4 {
		// Who comes when it is done is told so; nobody pays a fee for nothing.
		if err := <-done; err != nil && !errors.Is(err, marketplace.Conflict) {
			t.Error(err)
		}
	}
	s.has(payee.Address(), 20)
	s.chargedOnce()
}

// chargedOnce checks that the carrier burnt the fee of about one redemption.
func (s *shore) chargedOnce() {
	s.Helper()
	left, err := s.vault.TRX(s.Context(), carrier.Address())
	s.must(err)
	if burnt := 10_000*escrow.Sun - left; burnt < 5*escrow.Sun || burnt > 15*escrow.Sun {
		s.Errorf("the carrier burnt %d sun", burnt)
	}
}

// What would be refused is not sent: it says why, and what the one who redeems can do.
func TestARefusalCostsNothingAndSaysWhatToDo(t *testing.T) {
	s := newShore(t)
	h := s.keep(20)
	for name, c := range map[string]struct {
		redeemer Redeemer
		change   func(*Held)
		cause    escrow.Cause
	}{
		"no TRX": {Redeemer{Vault: s.vault, Key: payee}, nil, escrow.CauseTRX},
		"not its payee": {Redeemer{Vault: s.vault, Key: carrier, Payee: carrier,
			To: carrier.Address()}, nil, escrow.CauseOther},
		"changed": {s.redeemer(), func(h *Held) { h.Cheque.Cumulative = marketplace.BTT(21) },
			escrow.CauseOther},
	} {
		other := h
		if c.change != nil {
			c.change(&other)
		}
		_, err := c.redeemer.Redeem(t.Context(), other, quiet)
		if err == nil || escrow.CauseOf(err) != c.cause || Next(c.cause) == "" {
			t.Errorf("%s: %v (%s)", name, err, escrow.CauseOf(err))
		}
		if _, err := os.Stat(h.Note); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: it was written down (%v)", name, err)
		}
	}
	elsewhere := h
	elsewhere.Place.ChainID++
	if _, err := s.redeemer().Look(t.Context(), elsewhere); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("a cheque of another chain: %v", err)
	}
	s.has(payee.Address(), 0)
}

func TestThePayeeSendsItsMoneyElsewhere(t *testing.T) {
	s := newShore(t)
	h, cold := s.keep(20), named("cold").Address()
	r := s.redeemer()
	r.To, r.Payee = cold, payee
	if c := s.look(r, h); c.State != Due || c.Pays != marketplace.BTT(20) {
		t.Fatalf("the claim is %s and pays %s: %s", c.State, c.Pays, c.Why)
	}
	_, err := r.Redeem(t.Context(), h, quiet)
	s.must(err)
	s.has(cold, 20)
	s.has(payee.Address(), 0)
}

func TestAChequeOverMoreThanThereIsPaysWhatThereIs(t *testing.T) {
	s := newShore(t)
	h, r := s.keep(60), s.redeemer()
	if c := s.look(r, h); c.State != Due || c.Pays != marketplace.BTT(50) ||
		c.Due != marketplace.BTT(60) {
		t.Fatalf("the claim is %s, pays %s of %s", c.State, c.Pays, c.Due)
	}
	_, err := r.Redeem(t.Context(), h, quiet)
	s.must(err)
	s.has(payee.Address(), 50)
	c := s.look(r, h)
	if c.State != Refused || c.Cause != escrow.CauseUncovered || c.Next == "" {
		t.Errorf("with nothing left it is %s: %s %s", c.State, c.Why, c.Next)
	}
	if !slices.Equal(c.Signatures, h.Signatures) {
		t.Error("the claim is of another cheque")
	}
}
