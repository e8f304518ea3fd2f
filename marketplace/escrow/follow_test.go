package escrow_test

import (
	"slices"
	"testing"

	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// A ledger keeps what a follower gives, as its user would.
type ledger struct {
	*testing.T
	seen  []escrow.Block // and not yet solid
	solid []escrow.Block
	undos int
}

func (l *ledger) take(steps []escrow.Step) {
	l.Helper()
	for _, s := range steps {
		switch s.State {
		case escrow.Seen:
			l.follows(s.Block)
			l.seen = append(l.seen, s.Block)
		case escrow.TakenBack:
			last := len(l.seen) - 1
			if last < 0 || l.seen[last].ID != s.ID {
				l.Fatalf("block %d is taken back, which is not the newest", s.Number)
			}
			l.seen, l.undos = l.seen[:last], l.undos+1
		case escrow.Solid:
			if len(l.seen) > 0 {
				if l.seen[0].ID != s.ID {
					l.Fatalf("block %d is solid before those before it", s.Number)
				}
				l.seen = l.seen[1:]
			} else {
				l.follows(s.Block)
			}
			l.solid = append(l.solid, s.Block)
		}
	}
}

func (l *ledger) follows(b escrow.Block) {
	l.Helper()
	all := slices.Concat(l.solid, l.seen)
	if n := len(all); n > 0 && (b.Parent != all[n-1].ID || b.Number != all[n-1].Number+1) {
		l.Fatalf("block %d does not follow block %d", b.Number, all[n-1].Number)
	}
}

// deposits counts the deposits in blocks.
func deposits(blocks []escrow.Block) (n int) {
	for _, b := range blocks {
		for _, e := range b.Events {
			if e.Kind == escrow.Deposited {
				n++
			}
		}
	}
	return n
}

func TestAFollowerTakesBackWhatTheChainTakesBack(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	head, err := w.SolidHead(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f, l := w.Follow(head.Number), &ledger{T: t}
	next := func() {
		t.Helper()
		steps, err := f.Next(ctx, 7)
		if err != nil {
			t.Fatal(err)
		}
		l.take(steps)
	}
	s, err := w.BuildDeposit(ctx, poster, poster.Address(), marketplace.BTT(5))
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		w.until("the deposit is seen", func() bool {
			_ = w.Send(ctx, s) // twice is once
			next()
			return deposits(l.seen) == 1
		})
		if deposits(l.solid) != 0 {
			t.Fatalf("round %d: it is solid", round)
		}
		w.chain.Stale(true)
		if err := w.chain.Reorg(devchain.SolidAfter, false); err != nil {
			t.Fatal(err)
		}
		w.chain.Stale(false)
		w.until("it is taken back", func() bool {
			next()
			return deposits(l.seen) == 0
		})
	}
	if l.undos == 0 {
		t.Error("nothing was taken back")
	}
	w.until("the deposit is solid", func() bool {
		_ = w.Send(ctx, s)
		next()
		return deposits(l.solid) == 1
	})
	blocks, err := w.Events(ctx, head.Number, len(l.solid))
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		if l.solid[i].ID != b.ID {
			t.Errorf("block %d was given as %s and is %s", b.Number, l.solid[i].ID, b.ID)
		}
	}

	// From where it was solid on, another one gives what follows, and nothing twice.
	again := &ledger{T: t, solid: l.solid[:1]}
	f = w.Follow(l.solid[0].Number + 1)
	w.until("the other one is as far", func() bool {
		steps, err := f.Next(ctx, 100)
		if err != nil {
			t.Fatal(err)
		}
		again.take(steps)
		return len(again.solid) >= len(l.solid)
	})
	if deposits(again.solid) != 1 {
		t.Errorf("%d deposits the second time", deposits(again.solid))
	}
}
