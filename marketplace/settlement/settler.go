package settlement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A Settler does all of a market's settlement, in whichever process leads. Any number of processes
// may run one.
type Settler struct {
	Book   *orderbook.Book
	Vault  *escrow.Vault
	Key    escrow.Key // brings cheques to the vault and pays the fees
	Beacon Beacon
	First  int64              // block of the vault's deployment: nothing before it is read
	TRX    marketplace.Amount // worth of one TRX in BTT; zero: unknown, fees are not weighed
	Every  time.Duration      // between two steps; a second when zero
	Rest   time.Duration      // of a cheque that was refused, at first; a minute when zero
	Wake   <-chan struct{}    // on signed cheques; may be nil: it only saves waiting for the tick
	Log    *slog.Logger

	named    int64  // epoch whose panel was named last
	compared int64  // newest block that vault and ledger were compared at
	suspect  int    // comparisons in a row that found a difference
	burnt    int64  // sun that the newest redemption cost
	spending int64  // sun that transactions under way will burn
	alarms   alarms // what a person was told of
}

// A step is a part of the work that can fail without stopping the others.
type step struct {
	name string
	run  func(context.Context, time.Time) (int, error)
}

// chainSteps need TRON, bookSteps do not: an outage of the one must not hold up the other.
func (s *Settler) chainSteps() []step {
	return []step{
		{"read the chain", s.readChain}, {"compare the vault with the ledger", s.reconcile},
		{"open the audit epoch", s.openEpoch}, {"redeem cheques", s.redeem},
	}
}

func (s *Settler) bookSteps() []step {
	return []step{{"promise secrets", s.promise}, {"judge epochs", s.Book.JudgeEpochs},
		{"name the next panel", s.namePanel}, {"sweep", s.Book.Sweep},
		{"end cheques without a mandate", s.Book.ExpireCheques}}
}

// Step does what there is to do and returns how many things moved.
func (s *Settler) Step(ctx context.Context, now time.Time) (n int, err error) {
	for _, part := range append(s.chainSteps(), s.bookSteps()...) {
		m, failed := part.run(ctx, now)
		if n += m; failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", part.name, failed))
		}
	}
	return n, err
}

// Run waits for the lead and works until ctx is done.
func (s *Settler) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		leader, err := s.Book.Lead(ctx, "settlement")
		if err == nil {
			s.Log.InfoContext(ctx, "settlement leads", "fence", leader.Fence())
			s.lead(ctx, leader)
			leader.Resign()
		} else if ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "settlement cannot stand for the lead", "err", err)
		}
		s.wait(ctx, nil)
	}
	return nil
}

// lead works until the lead is lost or ctx is done. What is under way then is harmless: every
// write is guarded by the state that it starts from.
func (s *Settler) lead(ctx context.Context, leader *orderbook.Leader) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops sync.WaitGroup
	loops.Go(func() { s.loop(ctx, s.chainSteps(), s.Wake) })
	loops.Go(func() { s.loop(ctx, s.bookSteps(), nil) })
	select {
	case <-leader.Lost():
		cancel()
	case <-ctx.Done():
	}
	loops.Wait()
}

// loop runs steps until ctx is done. A step that keeps failing is logged when it begins to fail,
// and when it no longer does.
func (s *Settler) loop(ctx context.Context, steps []step, wake <-chan struct{}) {
	down := make([]bool, len(steps))
	for ctx.Err() == nil {
		for i, part := range steps {
			_, err := part.run(ctx, time.Now())
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && !down[i]:
				s.Log.ErrorContext(ctx, "settlement cannot "+part.name, "err", err)
			case err == nil && down[i]:
				s.Log.InfoContext(ctx, "settlement again can "+part.name)
			}
			down[i] = err != nil
		}
		s.wait(ctx, wake)
	}
}

func (s *Settler) wait(ctx context.Context, wake <-chan struct{}) {
	every := s.Every
	if every == 0 {
		every = time.Second
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-time.After(every):
	}
}
