package escrow

import (
	"context"
	"fmt"

	"github.com/everseed/everseed/marketplace"
)

// A Step is one block that a Follower gives.
type Step struct {
	Block
	State BlockState
}

// A BlockState says what became of a block at the head.
type BlockState string

// The states. A block is seen first, and ends solid or taken back.
const (
	Seen      BlockState = "seen"       // at the head; may still be taken back
	TakenBack BlockState = "taken_back" // what its events said did not happen
	Solid     BlockState = "solid"      // can no longer be taken back
)

// A Follower reads the vault's events block by block from the head, for those who want to see
// before it is certain. Money moves on solid blocks only; for that there is Events.
type Follower struct {
	vault *Vault
	next  int64
	last  Block   // the newest that was given and not taken back
	shown []Block // given and not yet solid, oldest first
}

// Follow reads from a block on. To resume, name the one after the last that was given as solid.
func (v *Vault) Follow(from int64) *Follower { return &Follower{vault: v, next: max(from, 0)} }

// Next returns what happened since it was last called, in order and at most about most steps:
// blocks that were taken back, newest first, then those that became solid, then new ones.
func (f *Follower) Next(ctx context.Context, most int) ([]Step, error) {
	solid, err := f.vault.SolidHead(ctx)
	if err != nil {
		return nil, err
	}
	head, err := f.vault.Head(ctx)
	if err != nil {
		return nil, err
	}
	steps, err := f.undo(ctx, head)
	if err != nil {
		return steps, err
	}
	more, err := f.settle(solid)
	if steps = append(steps, more...); err != nil {
		return steps, err
	}
	for f.next <= head.Number && len(steps) < most {
		b, err := f.vault.events(ctx, f.vault.full, f.next)
		if err != nil {
			return steps, fmt.Errorf("read block %d: %w", f.next, err)
		}
		if !f.last.ID.IsZero() && b.Parent != f.last.ID {
			return steps, nil // the head changed meanwhile: the next call takes back
		}
		steps = append(steps, Step{b, f.add(b, solid)})
	}
	return steps, nil
}

// add notes a new block and says whether it is solid already.
func (f *Follower) add(b Block, solid Block) BlockState {
	f.next, f.last = b.Number+1, b
	if b.Number <= solid.Number {
		return Solid
	}
	f.shown = append(f.shown, b)
	return Seen
}

// undo takes back what the head no longer has. A head that is only shorter takes nothing back:
// the node may be a little behind.
func (f *Follower) undo(ctx context.Context, head Block) (steps []Step, err error) {
	for i := len(f.shown) - 1; i >= 0; i-- {
		was := f.shown[i]
		if was.Number > head.Number {
			continue
		}
		now, _, err := f.vault.block(ctx, f.vault.full, was.Number)
		if err != nil || now.ID == was.ID {
			return steps, err
		}
		for len(f.shown) > i {
			steps = append(steps, Step{f.pop(), TakenBack})
		}
	}
	return steps, nil
}

// pop removes the newest block that was shown.
func (f *Follower) pop() Block {
	n := len(f.shown) - 1
	b := f.shown[n]
	f.shown, f.next = f.shown[:n], b.Number
	f.last = Block{ID: b.Parent, Number: b.Number - 1}
	return b
}

// settle gives the shown blocks that are solid now.
func (f *Follower) settle(solid Block) (steps []Step, err error) {
	for len(f.shown) > 0 && f.shown[0].Number <= solid.Number {
		b := f.shown[0]
		if b.Number == solid.Number && b.ID != solid.ID {
			return steps, marketplace.Unavailable.Errorf("block %d is solid as %s, and at the head it"+
				" is %s: the TRON nodes do not agree", b.Number, solid.ID, b.ID)
		}
		f.shown = f.shown[1:]
		steps = append(steps, Step{b, Solid})
	}
	return steps, nil
}
