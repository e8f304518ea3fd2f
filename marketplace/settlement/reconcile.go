package settlement

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// sure is how many comparisons in a row must find a difference before a person is called: behind a
// public endpoint are several nodes, and one may lag. Redemptions are frozen from the first one on.
const sure = 2

// reconcile compares what the vault owes with what the ledger says it owes, as of the same solid
// block: the vault is asked first, then the blocks that became solid meanwhile are applied, and
// if the vault was not touched in them, the answer holds for all of them.
func (s *Settler) reconcile(ctx context.Context, now time.Time) (int, error) {
	was, err := s.Book.ChainCursor(ctx)
	if err != nil || was.Number == s.compared {
		return 0, err // nothing new, or nothing yet
	}
	owed, held, err := s.askVault(ctx, was.Number)
	if err != nil {
		return 0, err
	}
	newer, err := s.follow(ctx, now)
	touched := slices.ContainsFunc(newer, func(b escrow.Block) bool { return len(b.Events) > 0 })
	if err != nil || touched || len(newer) == blocksMax {
		return 0, err // the next step compares
	}
	if len(newer) > 0 {
		was.Number = newer[len(newer)-1].Number
	}
	before, err := s.Book.Solvency(ctx)
	if err != nil {
		return 0, err
	}
	found := marketplace.Solvency{Block: was.Number, Vault: owed, Token: held,
		Difference: difference(owed, held, before.Ledger), ComparedAt: now}
	if err := s.Book.RecordSolvency(ctx, found, now); err != nil {
		return 0, err
	}
	s.compared = was.Number
	s.tell(ctx, found, before)
	return 1, nil
}

// tell raises an alarm for a difference that was found again, once, also by a settler that took
// over from one that had raised it: who takes over cannot know.
func (s *Settler) tell(ctx context.Context, found, before marketplace.Solvency) {
	if found.Difference == "" {
		s.suspect = 0
		if before.Frozen {
			s.Log.InfoContext(ctx, "redemptions go on", "block", found.Block, "frozen_since",
				before.FrozenSince)
		}
		return
	}
	if s.suspect++; s.suspect == sure {
		s.Log.ErrorContext(ctx, "redemptions frozen", "block", found.Block, "difference",
			found.Difference, "since", before.FrozenSince)
	}
}

// askVault returns what the vault owes to all accounts and what it holds, as of some solid block
// that is not before since.
func (s *Settler) askVault(ctx context.Context, since int64) (owed, held marketplace.Amount,
	err error) {
	if err := s.reached(ctx, since); err != nil {
		return owed, held, err
	}
	d, err := s.Vault.Domain(ctx)
	if err != nil {
		return owed, held, err
	}
	if owed, err = s.Vault.Obligations(ctx); err != nil {
		return owed, held, err
	}
	if held, err = s.Vault.TokenBalance(ctx, d.Vault); err != nil {
		return owed, held, err
	}
	return owed, held, s.reached(ctx, since)
}

// reached refuses a node that is behind the ledger: what it says of the vault is old news and no
// difference.
func (s *Settler) reached(ctx context.Context, number int64) error {
	head, err := s.Vault.SolidHead(ctx)
	if err == nil && head.Number < number {
		err = marketplace.Unavailable.Errorf("TRON node is at solid block %d, the ledger at %d",
			head.Number, number)
	}
	return err
}

// difference says in words what does not match; nothing when all does. Tokens beyond what is owed
// are harmless: anybody may send some.
func difference(owed, held, ledger marketplace.Amount) string {
	switch {
	case owed != ledger:
		return fmt.Sprintf("the vault owes %s BTT to its accounts, the ledger says %s", owed, ledger)
	case held.Cmp(owed) < 0:
		return fmt.Sprintf("the vault owes %s BTT and holds only %s", owed, held)
	default:
		return ""
	}
}
