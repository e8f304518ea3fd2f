package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// blocksMax is how many blocks are read and applied at a time.
const blocksMax = 100

// readChain applies solid blocks from where the cursor stands to the solid head.
func (s *Settler) readChain(ctx context.Context, now time.Time) (n int, err error) {
	for {
		blocks, err := s.follow(ctx, now)
		if n += len(blocks); err != nil || len(blocks) < blocksMax {
			return n, err
		}
	}
}

// follow reads and applies the next blocks after the cursor.
func (s *Settler) follow(ctx context.Context, now time.Time) ([]escrow.Block, error) {
	cursor, err := s.Book.ChainCursor(ctx)
	if err != nil {
		return nil, err
	}
	blocks, err := s.Vault.Events(ctx, max(cursor.Number+1, s.First, 1), blocksMax)
	if err != nil || len(blocks) == 0 {
		return nil, err
	}
	if cursor.Number > 0 && blocks[0].Parent != cursor.Hash {
		return nil, fmt.Errorf("block %d does not follow the applied block %d: another chain, or one"+
			" that took a solid block back", blocks[0].Number, cursor.Number)
	}
	applied := make([]orderbook.ChainBlock, len(blocks))
	for i, b := range blocks {
		applied[i] = chainBlock(b)
	}
	return blocks, s.Book.Apply(ctx, applied, now)
}

func chainBlock(b escrow.Block) orderbook.ChainBlock {
	out := orderbook.ChainBlock{Number: b.Number, Hash: b.ID, At: b.Time}
	for _, e := range b.Events {
		if _, booked := kinds[e.Kind]; booked {
			out.Events = append(out.Events, chainEvent(e))
		}
	}
	return out
}

// kinds are the events that the book keeps.
var kinds = map[escrow.EventKind]orderbook.ChainEventKind{
	escrow.Deposited: orderbook.ChainDeposit, escrow.MandateOpened: orderbook.ChainMandate,
	escrow.MandateRevoked: orderbook.ChainRevoke, escrow.Redeemed: orderbook.ChainRedeem,
	escrow.ThawStarted:   orderbook.ChainThaw,
	escrow.ThawCancelled: orderbook.ChainThawCancel, escrow.Withdrawn: orderbook.ChainWithdraw,
}

func chainEvent(e escrow.Event) orderbook.ChainEvent {
	out := orderbook.ChainEvent{Kind: kinds[e.Kind], Tx: e.Tx.String(), Index: e.Index,
		Account: e.Account, Mandate: e.Mandate, Amount: e.Amount, Ends: e.Ends}
	if e.Kind == escrow.Redeemed {
		out.Mandate = marketplace.Mandate{Poster: e.Account, ID: e.Cheque.Mandate}
		out.To, out.Cumulative = e.Cheque.To, e.Cheque.Cumulative
	}
	return out
}
