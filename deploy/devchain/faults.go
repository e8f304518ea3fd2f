package devchain

import (
	"context"
	"encoding/binary"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// faults is how the chain misbehaves just now. A restart forgets it; what a fault did to the
// chain itself is in the log.
type faults struct {
	drop  int  // broadcasts to acknowledge and lose
	mute  int  // broadcasts to take without an answer
	busy  int  // broadcasts to answer with SERVER_BUSY
	hold  int  // blocks to leave empty
	stale bool // the head stands still
	out   bool // every call fails
}

// Reorg takes back the newest blocks, at most those that are not solid. Their transactions become
// pending again, or are lost: then they may be sent again.
func (c *Chain) Reorg(depth int, keep bool) error {
	c.mu.Lock()
	end, err := c.reorg(depth, keep)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.journal.sync(end)
}

func (c *Chain) reorg(depth int, keep bool) (end int64, err error) {
	depth = max(0, min(depth, int(c.head().number-c.settled)))
	data := binary.BigEndian.AppendUint32(nil, uint32(depth)) // #nosec G115 -- at most SolidAfter
	flag := byte(0)
	if keep {
		flag = 1
	}
	end, err = c.journal.write(record{recordReorg, append(data, flag)})
	if err != nil {
		return 0, err
	}
	c.cut(depth, keep)
	return end, nil
}

// Drop acknowledges the next n broadcasts and loses them.
func (c *Chain) Drop(n int) { c.fault(func(f *faults) { f.drop = n }) }

// Mute takes the next n broadcasts and loses the answer instead.
func (c *Chain) Mute(n int) { c.fault(func(f *faults) { f.mute = n }) }

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

// muted says whether the answer to a broadcast is to be lost.
func (c *Chain) muted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.mute == 0 {
		return false
	}
	c.faults.mute--
	return true
}
