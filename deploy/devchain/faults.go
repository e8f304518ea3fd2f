package devchain

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"github.com/everseed/everseed/marketplace"
)

// Faults say how a chain misbehaves; none of them says that it behaves. A restart forgets them;
// what they did to the chain itself is in its log.
type Faults struct {
	Drop int `json:"drop"` // next broadcasts to acknowledge and lose
	Mute int `json:"mute"` // next broadcasts to take, and lose the answer
	Busy int `json:"busy"` // next broadcasts to answer with SERVER_BUSY

	// The same by chance, 0 to 1. Equal seeds and broadcasts have equal fates.
	DropRate float64 `json:"drop_rate"`
	MuteRate float64 `json:"mute_rate"`
	BusyRate float64 `json:"busy_rate"`
	Seed     uint64  `json:"seed"`

	Slow    int   `json:"slow"`     // next contract calls to end OUT_OF_TIME, all their energy burnt
	Hold    int   `json:"hold"`     // next blocks to leave empty: transactions are delayed
	Behind  int   `json:"behind"`   // every answer is of the chain as it was so many blocks ago
	Stale   bool  `json:"stale"`    // the head stands still
	Outage  bool  `json:"outage"`   // every call fails
	DelayMS int64 `json:"delay_ms"` // every call waits so long

	Blocks int `json:"blocks"` // all this ends after so many blocks; zero: when it is told to
}

// Limits of what a chain can be told.
const (
	behindMax = statesKept - SolidAfter
	delayMax  = time.Minute
	timesMax  = 1_000_000_000
)

func (f Faults) check() error {
	var errs []error
	between := func(name string, v, most float64) {
		if !(v >= 0 && v <= most) { // nor is it NaN
			errs = append(errs, marketplace.Invalid.Errorf("%s is %v, and goes from 0 to %v", name, v,
				most))
		}
	}
	between("drop", float64(f.Drop), timesMax)
	between("mute", float64(f.Mute), timesMax)
	between("busy", float64(f.Busy), timesMax)
	between("drop_rate", f.DropRate, 1)
	between("mute_rate", f.MuteRate, 1)
	between("busy_rate", f.BusyRate, 1)
	between("slow", float64(f.Slow), timesMax)
	between("hold", float64(f.Hold), timesMax)
	between("behind", float64(f.Behind), behindMax)
	between("delay_ms", float64(f.DelayMS), float64(delayMax.Milliseconds()))
	between("blocks", float64(f.Blocks), timesMax)
	return errors.Join(errs...)
}

// A mood is the faults of a chain and the dice that decide of those by chance.
type mood struct {
	Faults
	dice *rand.Rand
}

func newMood(f Faults) mood {
	return mood{f, rand.New(rand.NewPCG(f.Seed, 0))} // #nosec G404 -- to be repeated, not secret
}

// strikes says whether a fault strikes that was announced for the next n times or by chance.
func (m *mood) strikes(n *int, rate float64) bool {
	if *n > 0 {
		*n--
		return true
	}
	return rate > 0 && m.dice.Float64() < rate
}

// pass tells the mood that a block was made.
func (m *mood) pass() {
	if m.Blocks == 0 {
		return
	}
	if m.Blocks--; m.Blocks == 0 {
		*m = newMood(Faults{})
	}
}

// Reorg takes back the newest blocks, at most those that are not solid. Their transactions become
// pending again, or are lost: then they may be sent again.
func (c *Chain) Reorg(depth int, keep bool) error {
	_, err := c.reorg(depth, keep)
	return err
}

// reorg returns how many blocks it took back.
func (c *Chain) reorg(depth int, keep bool) (taken int, err error) {
	c.mu.Lock()
	taken = max(0, min(depth, int(c.head().number-c.settled)))
	data := binary.BigEndian.AppendUint32(nil, uint32(taken)) // #nosec G115 -- at most SolidAfter
	flag := byte(0)
	if keep {
		flag = 1
	}
	end, err := c.journal.write(record{recordReorg, append(data, flag)})
	if err == nil {
		c.cut(taken, keep)
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return taken, c.journal.sync(end)
}

// Drop acknowledges the next n broadcasts and loses them.
func (c *Chain) Drop(n int) { c.fault(func(f *Faults) { f.Drop = n }) }

// Mute takes the next n broadcasts and loses the answer instead.
func (c *Chain) Mute(n int) { c.fault(func(f *Faults) { f.Mute = n }) }

// Busy answers the next n broadcasts with SERVER_BUSY.
func (c *Chain) Busy(n int) { c.fault(func(f *Faults) { f.Busy = n }) }

// Slow lets the next n contract calls run out of time.
func (c *Chain) Slow(n int) { c.fault(func(f *Faults) { f.Slow = n }) }

// Hold leaves the next n blocks empty: transactions are delayed.
func (c *Chain) Hold(n int) { c.fault(func(f *Faults) { f.Hold = n }) }

// Stale stops the head, or lets it move again.
func (c *Chain) Stale(on bool) { c.fault(func(f *Faults) { f.Stale = on }) }

// Outage makes every call fail, or ends that.
func (c *Chain) Outage(on bool) { c.fault(func(f *Faults) { f.Outage = on }) }

func (c *Chain) fault(set func(*Faults)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set(&c.mood.Faults)
}

// Misbehave replaces all faults.
func (c *Chain) Misbehave(f Faults) error {
	if err := f.check(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mood = newMood(f)
	return nil
}

// misbehaving says which faults are left.
func (c *Chain) misbehaving() Faults {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mood.Faults
}

// disturb is what every call to the node goes through before it is answered.
func (c *Chain) disturb(ctx context.Context) error {
	f := c.misbehaving()
	if f.DelayMS > 0 {
		late := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
		defer late.Stop()
		select {
		case <-late.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.Outage {
		return unavailable("the dev chain has an outage, as it was told to")
	}
	return nil
}

func (c *Chain) disturbed(
	ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	if err := c.disturb(ctx); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// muted says whether the answer to a broadcast is to be lost.
func (c *Chain) muted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mood.strikes(&c.mood.Mute, c.mood.MuteRate)
}
