package devchain

import (
	"context"
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// faults is how the chain misbehaves just now.
type faults struct {
	drop  int  // broadcasts to acknowledge and lose
	busy  int  // broadcasts to answer with SERVER_BUSY
	hold  int  // blocks to leave empty
	stale bool // the head stands still
	out   bool // every call fails
}

// Reorg takes back the newest blocks, at most those that are not solid. Their transactions become
// pending again, or are lost.
func (c *Chain) Reorg(depth int, keep bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	depth = min(depth, len(c.blocks)-1-c.settled)
	data := binary.BigEndian.AppendUint32(nil, uint32(depth)) // #nosec G115 -- at most SolidAfter
	flag := byte(0)
	if keep {
		flag = 1
	}
	if err := c.journal.write(record{recordReorg, append(data, flag)}, true); err != nil {
		return err
	}
	c.cut(depth, keep)
	return nil
}

func (c *Chain) cut(depth int, keep bool) {
	from := len(c.blocks) - depth
	gone := c.blocks[from:]
	c.blocks = c.blocks[:from:from]
	pending := c.pending
	c.pending = nil
	for _, b := range gone {
		for _, tx := range b.txs {
			if !keep {
				delete(c.known, txID(tx))
				continue
			}
			c.known[txID(tx)].info = nil
			c.pending = append(c.pending, tx)
		}
	}
	c.pending = append(c.pending, pending...)
}

// Drop acknowledges the next n broadcasts and loses them.
func (c *Chain) Drop(n int) { c.fault(func(f *faults) { f.drop = n }) }

// Busy answers the next n broadcasts with SERVER_BUSY.
func (c *Chain) Busy(n int) { c.fault(func(f *faults) { f.busy = n }) }

// Hold leaves the next n blocks empty: transactions are delayed.
func (c *Chain) Hold(n int) { c.fault(func(f *faults) { f.hold = n }) }

// Stale stops the head, or lets it move again.
func (c *Chain) Stale(on bool) { c.fault(func(f *faults) { f.stale = on }) }

// Outage makes every call fail, or ends that.
func (c *Chain) Outage(on bool) { c.fault(func(f *faults) { f.out = on }) }

func (c *Chain) fault(set func(*faults)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set(&c.faults)
}

func (c *Chain) outage(
	ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	c.mu.RLock()
	out := c.faults.out
	c.mu.RUnlock()
	if out {
		return nil, status.Error(codes.Unavailable, "the devchain has an outage, as it was told to")
	}
	return handler(ctx, req)
}

// Head returns number and id of the newest block.
func (c *Chain) Head() (int64, common.Hash) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.head().number(), c.head().id
}
