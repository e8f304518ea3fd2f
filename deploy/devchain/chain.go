package devchain

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// SolidAfter is how many blocks must follow a block before it is solid: with 27 producers TRON
// waits for 19 of them.
const SolidAfter = 18

// DefaultChainID is block.chainid of a devnet.
const DefaultChainID = 3360022319

const (
	blockTimeDefault = 3 * time.Second
	blockBytesMax    = 2_000_000
	syncEvery        = SolidAfter / 2 // blocks: whatever is solid is on the disk
	statesKept       = 2 * SolidAfter
)

// Options say how a chain is started.
type Options struct {
	Dir       string           // where the log is kept; made when it is missing
	Listen    string           // gRPC address; empty: a free port of 127.0.0.1
	HTTP      string           // address of the node's HTTP API; empty: there is none
	Control   string           // address of the control port, on loopback; empty: there is none
	Faults    Faults           // to begin with
	BlockTime time.Duration    // 3 s as on TRON when zero
	ChainID   uint64           // the log's when zero, in a new Dir DefaultChainID
	Genesis   map[string]int64 // 21-byte address as a string → sun; only for a new Dir
	Log       *slog.Logger
}

// A Chain is a running node. It is safe for concurrent use.
type Chain struct {
	opts    Options
	doors   []door
	stop    context.CancelFunc
	done    sync.WaitGroup
	close   func() error
	journal *journal

	mu        sync.RWMutex // guards the fields below
	world     *world
	blocks    []*block // by number
	settled   int64    // number of the newest solid block; it never falls
	forgotten int64    // number of the oldest block whose state is held
	forks     int64    // reorganisations so far
	pending   []signed
	draft     *machine // state after the pending transactions; nil: to be made
	known     map[common.Hash]*receipt
	contracts map[common.Address]*core.SmartContract // as deployed; a state says which exist
	mood      mood
}

// A receipt is what is known of an accepted transaction.
type receipt struct {
	signed
	done *core.Transaction     // with its result; nil while pending
	info *core.TransactionInfo // nil while pending
}

// Start opens the chain in a folder and serves it, until Close.
func Start(ctx context.Context, o Options) (*Chain, error) {
	o.BlockTime = cmp.Or(o.BlockTime, blockTimeDefault)
	o.Listen = cmp.Or(o.Listen, "127.0.0.1:0")
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Dir == "" || o.BlockTime < time.Millisecond {
		return nil, errors.New("a chain needs a folder, and at least 1 ms between blocks")
	}
	if err := o.Faults.check(); err != nil {
		return nil, err
	}
	c := &Chain{opts: o, known: map[common.Hash]*receipt{},
		contracts: map[common.Address]*core.SmartContract{}}
	if err := c.open(time.Now()); err != nil {
		return nil, err
	}
	c.mood = newMood(o.Faults)
	if err := c.openDoors(ctx); err != nil {
		return nil, errors.Join(err, c.closeDoors(), c.journal.close())
	}
	c.serve(context.WithoutCancel(ctx))
	return c, nil
}

func (c *Chain) serve(ctx context.Context) {
	ctx, c.stop = context.WithCancel(ctx)
	c.done.Go(func() { c.produce(ctx) })
	for _, d := range c.doors {
		c.done.Go(func() {
			if err := d.serve(); err != nil {
				c.opts.Log.Error("a door of the dev chain closed", "door", d.name, "err", err)
			}
		})
	}
	c.close = sync.OnceValue(func() error {
		c.stop()
		err := c.closeDoors()
		c.done.Wait()
		return errors.Join(err, c.journal.close())
	})
}

// ChainID returns what block.chainid answers.
func (c *Chain) ChainID() uint64 { return c.opts.ChainID }

// Head returns number and id of the newest block.
func (c *Chain) Head() (int64, common.Hash) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.head().number, c.head().id
}

// Close ends the node; its folder can be started again. Closing twice is closing once.
func (c *Chain) Close() error { return c.close() }

func (c *Chain) head() *block { return c.blocks[len(c.blocks)-1] }

// seenHead is the newest block that answers tell of: the head, unless the node is behind.
func (c *Chain) seenHead() *block { return c.blocks[max(0, c.head().number-int64(c.mood.Behind))] }

// seenSolid is the newest block that can no longer be reverted, as far as answers tell.
func (c *Chain) seenSolid() *block { return c.blocks[max(0, c.settled-int64(c.mood.Behind))] }

// produce makes a block every BlockTime until ctx is done.
func (c *Chain) produce(ctx context.Context) {
	tick := time.NewTicker(c.opts.BlockTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if err := c.step(now, false); err != nil {
				c.opts.Log.ErrorContext(ctx, "dev chain makes no more blocks", "err", err)
				return
			}
		}
	}
}

// step makes a block, writes it down and shows it. The disk is waited for outside of the lock: a
// block may be seen before it is certain, but not be solid before. When the head stands still it
// does so only if forced.
func (c *Chain) step(now time.Time, forced bool) error {
	c.mu.Lock()
	if c.mood.Stale && !forced {
		c.mu.Unlock()
		return nil
	}
	end, err := c.advance(now.UnixMilli())
	c.mu.Unlock()
	if err != nil || end == 0 {
		return err
	}
	return c.journal.sync(end)
}

// mine makes n blocks at once, also while the head stands still.
func (c *Chain) mine(n int) error {
	for range n {
		if err := c.step(time.Now(), true); err != nil {
			return err
		}
	}
	return nil
}

// advance returns where the log must be synced to, or zero.
func (c *Chain) advance(now int64) (end int64, err error) {
	n := 0
	if c.mood.Hold > 0 {
		c.mood.Hold--
	} else {
		n = c.fitting()
	}
	slow := c.slow(n)
	b, err := c.next(max(now, c.head().at+1), n, slow)
	if err != nil {
		return 0, err
	}
	end, err = c.journal.write(b.record(n, slow))
	if err != nil {
		return 0, err
	}
	c.append(b, n)
	c.mood.pass()
	if n == 0 && b.number%syncEvery != 0 {
		return 0, nil
	}
	return end, nil
}

// fitting is how many of the oldest pending transactions fit into a block.
func (c *Chain) fitting() int {
	size := 0
	for i, s := range c.pending {
		if size += s.size; size > blockBytesMax {
			return i
		}
	}
	return len(c.pending)
}

// slow returns which of the n oldest pending transactions run out of time.
func (c *Chain) slow(n int) (which []int) {
	for i, s := range c.pending[:n] {
		if s.trigger != nil && c.mood.strikes(&c.mood.Slow, 0) {
			which = append(which, i)
		}
	}
	return which
}

// next executes the n oldest pending transactions on top of the head, of which some run out of time.
// Those that the chain has meanwhile outrun are in no block, as on TRON.
func (c *Chain) next(at int64, n int, slow []int) (*block, error) {
	parent := c.head()
	b := &block{number: parent.number + 1, at: at, fork: c.forks, root: parent.root}
	if n > 0 {
		db, err := c.world.open(parent.root)
		if err != nil {
			return nil, err
		}
		m := c.machine(db, b.number, at)
		for i, s := range c.pending[:n] {
			if no := c.admit(m, s); no != nil {
				c.opts.Log.Info("transaction is in no block", "tx", s.id, "err", no.text)
				continue
			}
			b.include(m.execute(s, slices.Contains(slow, i)))
		}
		if b.root, err = c.world.commit(db, b.number); err != nil {
			return nil, err
		}
	}
	b.seal(parent.id)
	return b, nil
}

func (b *block) include(tx *core.Transaction, info *core.TransactionInfo) {
	if b.body == nil {
		b.body = new(body)
	}
	b.txs, b.infos = append(b.txs, tx), append(b.infos, info)
}

// append makes b the head: it took n pending transactions. States that no reorganisation can
// bring back are forgotten.
func (c *Chain) append(b *block, n int) {
	taken := c.pending[:n]
	c.pending, c.draft = c.pending[n:], nil
	c.blocks = append(c.blocks, b)
	c.world.hold(b.root)
	if b.body != nil {
		for i, tx := range b.txs {
			r := c.known[common.Hash(b.infos[i].Id)]
			r.done, r.info = tx, b.infos[i]
			c.deployed(r)
		}
	}
	for _, s := range taken {
		if c.known[s.id].info == nil {
			delete(c.known, s.id)
		}
	}
	c.settled = max(c.settled, b.number-SolidAfter)
	for ; c.forgotten < b.number-statesKept; c.forgotten++ {
		c.world.release(c.blocks[c.forgotten].root)
	}
}

// deployed remembers a contract as its owner deployed it.
func (c *Chain) deployed(r *receipt) {
	if r.create == nil || r.info.Result != core.TransactionInfo_SUCESS {
		return
	}
	contract := proto.CloneOf(r.create.NewContract)
	contract.ContractAddress = r.info.ContractAddress
	c.contracts[common.BytesToAddress(r.info.ContractAddress)] = contract
}

// cut takes the newest blocks back.
func (c *Chain) cut(depth int, keep bool) {
	from := len(c.blocks) - depth
	var again []signed
	for _, b := range c.blocks[from:] {
		c.world.release(b.root)
		if b.body == nil {
			continue
		}
		for _, info := range b.infos {
			r := c.known[common.Hash(info.Id)]
			delete(c.known, r.id)
			if keep {
				c.known[r.id] = &receipt{signed: r.signed}
				again = append(again, r.signed)
			}
		}
	}
	c.blocks = c.blocks[:from:from]
	c.pending, c.draft = append(again, c.pending...), nil
	c.forks++
}
