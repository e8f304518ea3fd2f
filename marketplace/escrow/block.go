package escrow

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"google.golang.org/grpc"

	"github.com/everseed/everseed/marketplace"
)

// A Block is a block of the chain, with what happened to the vault in it.
type Block struct {
	Number int64
	ID     marketplace.Hash
	Parent marketplace.Hash
	Time   time.Time
	Events []Event // in the order of the chain; only where it is said
}

// Head returns the newest block, which may still be taken back.
func (v *Vault) Head(ctx context.Context) (Block, error) {
	b, err := v.full.GetNowBlock2(ctx, &api.EmptyMessage{})
	if err != nil {
		return Block{}, unreachable("ask for the head", err)
	}
	return blockOf(b)
}

// SolidHead returns the newest block that cannot be taken back.
func (v *Vault) SolidHead(ctx context.Context) (Block, error) {
	b, err := v.solid.GetNowBlock2(ctx, &api.EmptyMessage{})
	if err != nil {
		return Block{}, unreachable("ask for the solid head", err)
	}
	return blockOf(b)
}

// FirstSolidBlock returns the first solid block that is not older than a moment, and whether there
// is one yet.
func (v *Vault) FirstSolidBlock(ctx context.Context, since time.Time) (Block, bool, error) {
	late, err := v.SolidHead(ctx)
	if err != nil || late.Time.Before(since) {
		return Block{}, false, err
	}
	early := int64(-1) // the newest number known to be too old
	for step := int64(1); late.Number > early+1; {
		number := early + (late.Number-early)/2
		if early < 0 { // walk back in growing steps: the moment is mostly a recent one
			number = max(0, late.Number-step)
			step *= 2
		}
		b, _, err := v.block(ctx, v.solid, number)
		if err != nil {
			return Block{}, false, err
		}
		if b.Time.Before(since) {
			early = number
		} else {
			late = b
		}
	}
	return late, true, nil
}

// CheckFirst says why a block is not the first solid one that is not older than a moment: Conflict,
// or that the chain could not be asked.
func (v *Vault) CheckFirst(
	ctx context.Context, since time.Time, number int64, id marketplace.Hash,
) error {
	b, _, err := v.block(ctx, v.solid, number)
	if err != nil {
		return err
	}
	if b.ID != id || b.Time.Before(since) {
		return marketplace.Conflict.Errorf("block %d has the id %s and is of %s; it was said to be %s, not"+
			" older than %s", number, b.ID, b.Time.Format(time.RFC3339Nano), id,
			since.Format(time.RFC3339Nano))
	}
	before, _, err := v.block(ctx, v.solid, max(number-1, 0))
	if err == nil && number > 0 && !before.Time.Before(since) {
		err = marketplace.Conflict.Errorf("block %d is not the first since %s: the one before is of %s",
			number, since.Format(time.RFC3339Nano), before.Time.Format(time.RFC3339Nano))
	}
	return err
}

// A source gives blocks: the full service those of the head, the solid one what is solid.
type source interface {
	GetBlockByNum2(context.Context, *api.NumberMessage, ...grpc.CallOption) (
		*api.BlockExtention, error)
	GetTransactionInfoByBlockNum(context.Context, *api.NumberMessage, ...grpc.CallOption) (
		*api.TransactionInfoList, error)
}

// block returns a block and how many transactions it has.
func (v *Vault) block(ctx context.Context, from source, number int64) (Block, int, error) {
	b, err := from.GetBlockByNum2(ctx, &api.NumberMessage{Num: number})
	if err != nil {
		return Block{}, 0, unreachable("ask for a block", err)
	}
	block, err := blockAt(b, number)
	return block, len(b.GetTransactions()), err
}

// blockAt reads a block that was asked for by its number.
func blockAt(b *api.BlockExtention, number int64) (Block, error) {
	out, err := blockOf(b)
	if err == nil && out.Number != number {
		return Block{}, marketplace.Unavailable.Errorf("TRON node gives block %d for %d", out.Number,
			number)
	}
	return out, err
}

// blockOf reads a block. A node answers for a block that it does not have with an empty one.
func blockOf(b *api.BlockExtention) (out Block, err error) {
	header := b.GetBlockHeader().GetRawData()
	if header == nil || len(b.GetBlockid()) != len(out.ID) {
		return out, marketplace.Unavailable.Errorf("TRON node does not have the block")
	}
	copy(out.ID[:], b.GetBlockid())
	copy(out.Parent[:], header.GetParentHash())
	out.Number = header.GetNumber()
	out.Time = time.UnixMilli(header.GetTimestamp()).UTC()
	// #nosec G115 -- an id that begins with another number is refused, whatever its size
	if inside := int64(binary.BigEndian.Uint64(out.ID[:8])); inside != out.Number {
		return out, marketplace.Unavailable.Errorf("TRON node gives block %d the id of block %d",
			out.Number, inside)
	}
	return out, nil
}
