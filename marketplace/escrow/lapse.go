package escrow

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"

	"github.com/everseed/everseed/marketplace"
)

// tie makes a transaction refer to a solid block. It is worth something only on the chain that has
// that block, and nothing can take the block back: whoever looks for the transaction later knows
// from where on, and whether the node that answers is of the same chain.
func tie(raw *core.TransactionRaw, b Block) {
	raw.RefBlockBytes = bytes.Clone(b.ID[6:8])
	raw.RefBlockHash = bytes.Clone(b.ID[8:16])
	raw.RefBlockNum = 0
}

// tied returns the number of the block that a staged transaction refers to, and the part of the
// block's id by which it does. TRON names the last 65,536 blocks by their lowest 16 bits.
func tied(s Staged, head Block) (number int64, part []byte, err error) {
	tx := new(core.Transaction)
	if err := proto.Unmarshal(s.Raw, tx); err != nil {
		return 0, nil, marketplace.Invalid.Errorf("staged transaction %s cannot be read: %v", s.ID, err)
	}
	raw := tx.GetRawData()
	if len(raw.GetRefBlockBytes()) != 2 || len(raw.GetRefBlockHash()) != 8 {
		return 0, nil, marketplace.Invalid.Errorf("staged transaction %s refers to no block", s.ID)
	}
	number = head.Number&^0xffff | int64(binary.BigEndian.Uint16(raw.RefBlockBytes))
	if number > head.Number {
		number -= 1 << 16
	}
	return max(number, 0), raw.RefBlockHash, nil
}

// provenAbsent returns nil when no solid block up to the expiration holds a transaction, and none
// can come that does. It does not take a node's word for not knowing the transaction: behind one
// address there may be several nodes, and the one that answered the search may not be the one
// that told the head. The blocks themselves are read, from the one that the transaction refers
// to until its time is over, each of them the parent of the next.
func (v *Vault) provenAbsent(ctx context.Context, s Staged, head Block) error {
	number, part, err := tied(s, head)
	if err != nil {
		return err
	}
	b, _, err := v.blockWith(ctx, number, s)
	if err != nil {
		return err
	}
	if !bytes.Equal(b.ID[8:16], part) {
		return marketplace.Conflict.Errorf("transaction %s was made on a chain where block %d is not"+
			" %s: the TRON node is of another chain or lies; name another one", s.ID, number, b.ID)
	}
	for b.Time.Before(s.Expires) {
		next, has, err := v.blockWith(ctx, b.Number+1, s)
		if err != nil {
			return err
		}
		if next.Parent != b.ID {
			return marketplace.Unavailable.Errorf("block %d does not follow block %d: the TRON nodes"+
				" behind this address do not agree", next.Number, b.Number)
		}
		if has {
			return marketplace.Unavailable.Errorf("transaction %s is in solid block %d, and the TRON"+
				" node does not find it: it is not in order yet; wait, or name another one", s.ID,
				next.Number)
		}
		b = next
	}
	return nil
}

// blockWith returns a solid block and whether it holds a transaction.
func (v *Vault) blockWith(ctx context.Context, number int64, s Staged) (Block, bool, error) {
	answer, err := v.solid.GetBlockByNum2(ctx, &api.NumberMessage{Num: number})
	if err != nil {
		return Block{}, false, unreachable("ask for a block", err)
	}
	b, err := blockAt(answer, number)
	for _, tx := range answer.GetTransactions() {
		if hex.EncodeToString(tx.GetTxid()) == s.ID {
			return b, true, err
		}
	}
	return b, false, err
}
