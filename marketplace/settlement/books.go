package settlement

import (
	"context"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// AuditBooks recomputes every balance of the ledger from its entries, and what is in and left the
// vault from the chain alone, from the vault's first block to where the ledger stands, and compares
// them account by account. It only reads, and the market may run meanwhile. After each blocksMax
// blocks it says how far it is.
func AuditBooks(ctx context.Context, book *orderbook.Book, vault *escrow.Vault, first int64,
	progress func(block, of int64)) (*orderbook.Audit, error) {
	audit, err := book.Audit(ctx)
	if err != nil {
		return nil, err
	}
	for from := max(first, 1); from <= audit.Number; {
		blocks, err := vault.Events(ctx, from, blocksMax)
		if err != nil {
			return nil, err
		}
		if len(blocks) == 0 {
			return nil, marketplace.Unavailable.Errorf("the ledger stands at block %d, and the TRON node has"+
				" no solid block %d: it lags, or follows another chain", audit.Number, from)
		}
		for _, b := range blocks {
			audit.Hold(chainBlock(b))
		}
		from = blocks[len(blocks)-1].Number + 1
		progress(min(from-1, audit.Number), audit.Number)
	}
	audit.Close()
	return audit, nil
}
