package escrow_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// diary keeps what is logged.
type diary struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) count(part string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), part)
}

// via returns a client of the town's vault that goes through gates.
func (w *town) via(change func(*escrow.Config), gates ...*gate) *escrow.Vault {
	c := w.config
	c.GRPC, c.Recheck, c.Timeout = addresses(gates...), time.Hour, 5*time.Second
	if change != nil {
		change(&c)
	}
	return w.dial(c)
}

// paidOnce returns a transfer that is confirmed and whose time is over.
func (w *town) paidOnce() escrow.Staged {
	w.t.Helper()
	short := w.config
	short.Expires = 500 * time.Millisecond
	s, err := w.dial(short).BuildTransferBTT(w.t.Context(), poster, payee.Address(),
		marketplace.BTT(1))
	if err != nil {
		w.t.Fatal(err)
	}
	if r := w.final(s); r.Outcome != escrow.Confirmed {
		w.t.Fatalf("transfer: %+v", r)
	}
	w.until("its time is over", func() bool {
		head, err := w.SolidHead(w.t.Context())
		return err == nil && !head.Time.Before(s.Expires)
	})
	return s
}

func isHead(method string) bool { return strings.HasSuffix(method, "WalletSolidity/GetNowBlock2") }

func isSearch(method string) bool { return strings.HasSuffix(method, "/GetTransactionInfoById") }

// The node that told the solid head dies before the search, and the next one has not got as far: it
// does not know the payment. Taken together the answers would say that it lapsed, and it would be
// made again.
func TestNoPaymentLapsesBecauseAnotherNodeWasAsked(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	late := w.twin()
	s := w.paidOnce()
	first, second := newGate(t, w.chain), newGate(t, late)
	v := w.via(nil, first, second)
	first.set(func() {
		first.after = func(method string) {
			if isHead(method) {
				first.route = func(string) *devchain.Chain { return nil }
			}
		}
	})
	r, err := v.Outcome(ctx, s)
	refuses(t, fmt.Sprintf("outcome %q", r.Outcome), err, marketplace.Unavailable)
	first.set(func() { first.after = nil })
	first.to(w.chain)
	w.until("the first node is taken back", func() bool {
		r, err = v.Outcome(ctx, s)
		return err == nil
	})
	if r.Outcome != escrow.Confirmed {
		t.Errorf("a payment that is in a block is %s", r.Outcome)
	}
}

// Behind the address of a public endpoint are several nodes, and no failover is seen.
func TestNoPaymentLapsesBehindAnAddressWithSeveralNodes(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	late, other := w.twin(), stranger(t)
	s := w.paidOnce()
	for what, c := range map[string]struct {
		blocks *devchain.Chain
		kind   marketplace.Kind
	}{
		"blocks of the one that knows it":     {w.chain, marketplace.Unavailable},
		"blocks of the one that does not yet": {late, marketplace.Unavailable},
		"blocks of another chain":             {other, marketplace.Conflict},
	} {
		g := newGate(t, w.chain)
		g.set(func() {
			g.route = func(method string) *devchain.Chain {
				switch {
				case isHead(method):
					return w.chain
				case isSearch(method):
					return late
				default:
					return c.blocks
				}
			}
		})
		if c.blocks == other {
			w.until("the other chain is as long", func() bool {
				n, _ := other.Head()
				head, err := w.SolidHead(ctx)
				return err == nil && n > head.Number
			})
		}
		r, err := w.via(nil, g).Outcome(ctx, s)
		refuses(t, fmt.Sprintf("%s: outcome %q", what, r.Outcome), err, c.kind)
	}
}

// A process that starts anew knows no floor. What was staged names its chain.
func TestNoPaymentLapsesOnAnotherChain(t *testing.T) {
	w := newTown(t)
	other := stranger(t)
	s := w.paidOnce()
	v := w.via(nil, newGate(t, other))
	w.until("the other chain is past its time", func() bool {
		head, err := v.SolidHead(t.Context())
		return err == nil && !head.Time.Before(s.Expires)
	})
	r, err := v.Outcome(t.Context(), s)
	refuses(t, fmt.Sprintf("outcome %q", r.Outcome), err, marketplace.Conflict)
	if err != nil && !strings.Contains(err.Error(), "name another one") {
		t.Errorf("no next step in: %v", err)
	}
}

func TestANodeThatDoesNotAnswerIsLeftAndComesBack(t *testing.T) {
	for _, how := range []string{"shut", "hang"} {
		t.Run(how, func(t *testing.T) {
			w := newTown(t)
			ctx := t.Context()
			first, second := newGate(t, w.chain), newGate(t, w.chain)
			var log diary
			v := w.via(func(c *escrow.Config) {
				c.Log = slog.New(slog.NewTextHandler(&log, nil))
				c.Recheck, c.Timeout = 20*time.Millisecond, 300*time.Millisecond
			}, first, second)
			asks := func() {
				t.Helper()
				if _, err := v.TokenBalance(ctx, poster.Address()); err != nil {
					t.Fatal(err)
				}
			}
			using := func(g *gate) func() bool {
				return func() bool {
					asks()
					for _, n := range v.Nodes() {
						if n.Endpoint == g.addr {
							return n.Using && n.Fault == ""
						}
					}
					return false
				}
			}
			w.until("the first is used", using(first))
			if how == "hang" {
				first.set(func() { first.hang = true })
			} else {
				first.shut()
			}
			w.until("the second is used", using(second))
			for range 20 {
				asks()
			}
			if n := v.Nodes()[0]; n.Fault != escrow.Down || n.Reason == "" || n.Since.IsZero() {
				t.Errorf("status of the one that does not answer: %+v", n)
			}
			if n := log.count("TRON node left"); n != 1 {
				t.Errorf("its fault is logged %d times", n)
			}
			first.set(func() { first.hang = false })
			first.to(w.chain)
			w.until("the first is used again", using(first))
			if log.count("TRON node is back") != 1 {
				t.Errorf("log: %s", log.text.String())
			}
		})
	}
}

func TestANodeWhoseHeadStandsStillIsLeft(t *testing.T) {
	w := newTown(t)
	late, good := newGate(t, w.twin()), newGate(t, w.chain)
	v := w.via(func(c *escrow.Config) {
		c.Recheck, c.Behind = 20*time.Millisecond, 300*time.Millisecond
	}, late, good)
	w.until("the one that goes on is used", func() bool {
		_, err := v.SolidHead(t.Context())
		all := v.Nodes()
		return err == nil && all[1].Using && all[0].Fault == escrow.Behind
	})
	s := w.paidOnce()
	if r, err := v.Outcome(t.Context(), s); err != nil || r.Outcome != escrow.Confirmed {
		t.Errorf("outcome %+v (%v)", r, err)
	}
	good.shut()
	a, err := v.TokenBalance(t.Context(), payee.Address())
	refuses(t, "an older balance, of "+a.String(), err, marketplace.Unavailable)
}

func TestANodeOfAnotherChainIsRefused(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	first, wrong := newGate(t, w.chain), newGate(t, stranger(t))
	var log diary
	v := w.via(func(c *escrow.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }, first,
		wrong)
	if _, err := v.SolidHead(ctx); err != nil {
		t.Fatal(err)
	}
	first.shut()
	for range 3 {
		_, err := v.SolidHead(ctx)
		refuses(t, "one is down, the other of another chain", err, marketplace.Unavailable)
		if err == nil || !strings.Contains(err.Error(), "take it out of the list") {
			t.Fatalf("no next step in: %v", err)
		}
	}
	if n := v.Nodes()[1]; n.Fault != escrow.OtherChain || n.Using {
		t.Errorf("status: %+v", n)
	}
	if n := log.count("fault=other_chain"); n != 1 || log.count("level=ERROR") != 1 {
		t.Errorf("logged %d times: %s", n, log.text.String())
	}
}

func TestASolidHeadThatGoesBackIsRefused(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	late := w.twin()
	g := newGate(t, w.chain)
	v := w.via(nil, g)
	w.paidOnce()
	head, err := v.SolidHead(ctx)
	if err != nil {
		t.Fatal(err)
	}
	g.to(late)
	_, err = v.SolidHead(ctx)
	refuses(t, "an older head", err, marketplace.Unavailable)
	if err != nil && !strings.Contains(err.Error(), "name another node") {
		t.Errorf("no next step in: %v", err)
	}
	g.to(w.chain)
	if again, err := v.SolidHead(ctx); err != nil || again.Number < head.Number {
		t.Errorf("head %d after %d (%v)", again.Number, head.Number, err)
	}
}

// Three addresses, one of them of a node that stands still, all coming and going: whatever is said
// to be final is what the chain says.
func TestNoOutcomeIsWrongWhileNodesComeAndGo(t *testing.T) {
	w := newTown(t)
	chains := []*devchain.Chain{w.chain, w.twin(), w.chain}
	var gates []*gate
	for _, chain := range chains {
		gates = append(gates, newGate(t, chain))
	}
	v := w.via(func(c *escrow.Config) {
		c.Recheck, c.Expires, c.Behind = 30*time.Millisecond, 400*time.Millisecond, time.Second
	}, gates...)
	stop, flapped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flapped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(rand.N(15 * time.Millisecond)):
			}
			if i := rand.IntN(len(gates)); rand.IntN(2) == 0 {
				gates[i].shut()
			} else {
				gates[i].to(chains[i])
			}
		}
	}()
	const transfers = 10
	said := map[escrow.Outcome]int{}
	for range transfers {
		if rand.IntN(3) == 0 {
			w.chain.Drop(1) // acknowledged and lost: some lapse
		}
		s, r := w.carry(v)
		said[r.Outcome]++
		if truth := w.final(s); truth.Outcome != r.Outcome {
			t.Fatalf("said to be %s, and is %s", r.Outcome, truth.Outcome)
		}
	}
	close(stop)
	<-flapped
	t.Logf("outcomes of %d transfers: %v", transfers, said)
}

// carry builds and sends one transfer, once, and asks until its outcome is final.
func (w *town) carry(v *escrow.Vault) (s escrow.Staged, r escrow.Receipt) {
	w.t.Helper()
	ctx := w.t.Context()
	passes := func(err error) bool {
		if err != nil && !errors.Is(err, marketplace.Unavailable) {
			w.t.Fatal(err)
		}
		return err == nil
	}
	w.until("it is built", func() (ok bool) {
		var err error
		s, err = v.BuildTransferBTT(ctx, poster, payee.Address(), marketplace.BTT(1))
		return passes(err)
	})
	_ = v.Send(ctx, s) // whether it arrived is not for the answer to say
	w.until("it is final", func() bool {
		var err error
		r, err = v.Outcome(ctx, s)
		return passes(err) && r.Outcome.Final()
	})
	return s, r
}
