package devchain

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// SolidAfter is how many blocks must follow a block before it is solid: with 27 producers TRON
// waits for 19 of them.
const SolidAfter = 18

// DefaultChainID is block.chainid of a devnet.
const DefaultChainID = 3360022319

// Options say how a chain is started.
type Options struct {
	Dir       string           // where the log is kept; made when it is missing
	Listen    string           // gRPC address; empty: a free port of 127.0.0.1
	BlockTime time.Duration    // 3 s as on TRON when zero
	ChainID   uint64           // DefaultChainID when zero
	Genesis   map[string]int64 // 21-byte address as a string → sun; only for a new Dir
	Log       *slog.Logger
}

// A Chain is a running node.
type Chain struct {
	opts   Options
	server *grpc.Server
	addr   string
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu      sync.RWMutex // guards the fields below
	journal *journal
	blocks  []*block // by number; all are kept, states only of the newest
	settled int      // number of the newest solid block; it never falls
	pending []*core.Transaction
	known   map[common.Hash]*receipt // accepted transactions, in a block or pending
	faults  faults
}

// A block with what its transactions did. The state after it is dropped once blocks well past it
// are solid.
type block struct {
	id     common.Hash
	header *core.BlockHeader
	txs    []*core.Transaction
	infos  []*core.TransactionInfo
	state  *state.StateDB
}

func (b *block) number() int64 { return b.header.RawData.Number }
func (b *block) time() int64   { return b.header.RawData.Timestamp }

// A receipt is what is known of an accepted transaction.
type receipt struct {
	tx   *core.Transaction
	info *core.TransactionInfo // nil while pending
}

// Start opens the chain in a folder and serves it.
func Start(ctx context.Context, o Options) (*Chain, error) {
	if o.BlockTime == 0 {
		o.BlockTime = 3 * time.Second
	}
	if o.ChainID == 0 {
		o.ChainID = DefaultChainID
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Chain{opts: o, known: map[common.Hash]*receipt{}}
	if err := c.open(); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for gRPC: %w", err), c.journal.close())
	}
	c.addr = ln.Addr().String()
	c.server = grpc.NewServer(grpc.UnaryInterceptor(c.outage))
	api.RegisterWalletServer(c.server, &wallet{chain: c})
	api.RegisterWalletSolidityServer(c.server, &solidity{chain: c})
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.done.Go(func() { c.produce(ctx) })
	c.done.Go(func() {
		if err := c.server.Serve(ln); err != nil {
			o.Log.Info("devchain's server ended", "err", err)
		}
	})
	return c, nil
}

// Addr returns the gRPC address.
func (c *Chain) Addr() string { return c.addr }

// ChainID returns what block.chainid answers.
func (c *Chain) ChainID() uint64 { return c.opts.ChainID }

// Close ends the node; its folder can be started again.
func (c *Chain) Close() error {
	c.stop()
	c.server.Stop()
	c.done.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.journal.close()
}

// open makes the genesis block and executes the log.
func (c *Chain) open() (err error) {
	if err := os.MkdirAll(c.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("make chain folder: %w", err)
	}
	var records []record
	c.journal, records, err = openJournal(filepath.Join(c.opts.Dir, "chain.log"))
	if err != nil {
		return err
	}
	if len(records) == 0 {
		first := genesisRecord(c.opts, time.Now())
		if err := c.journal.write(first, true); err != nil {
			return err
		}
		records = append(records, first)
	}
	for i, r := range records {
		if err := c.replay(r); err != nil {
			return fmt.Errorf("replay chain log, record %d: %w", i, err)
		}
	}
	return nil
}

// replay applies one record of the log.
func (c *Chain) replay(r record) error {
	switch r.kind {
	case recordGenesis:
		return c.genesis(r.data)
	case recordTx:
		tx := new(core.Transaction)
		if err := proto.Unmarshal(r.data, tx); err != nil {
			return err
		}
		c.accept(tx)
	case recordBlock:
		at, n := int64(binary.BigEndian.Uint64(r.data)), binary.BigEndian.Uint32(r.data[8:]) // #nosec G115 -- times after 1970
		if int(n) > len(c.pending) {
			return fmt.Errorf("block of %d transactions, %d are pending", n, len(c.pending))
		}
		c.append(c.seal(at, c.take(int(n))))
	case recordReorg:
		c.cut(int(binary.BigEndian.Uint32(r.data)), r.data[4] == 1)
	default:
		return fmt.Errorf("unknown kind %q", r.kind)
	}
	return nil
}

func genesisRecord(o Options, now time.Time) record {
	data := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))
	for address, sun := range o.Genesis {
		data = append(data, address...)
		data = binary.BigEndian.AppendUint64(data, uint64(sun)) // #nosec G115 -- times after 1970
	}
	return record{recordGenesis, data}
}

func (c *Chain) genesis(data []byte) error {
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		return fmt.Errorf("make state: %w", err)
	}
	at, rest := int64(binary.BigEndian.Uint64(data)), data[8:] // #nosec G115 -- times after 1970
	for ; len(rest) >= 29; rest = rest[29:] {
		sun := uint256.NewInt(binary.BigEndian.Uint64(rest[21:]))
		db.AddBalance(common.BytesToAddress(rest[1:21]), sun, 0)
	}
	b := &block{state: db, header: &core.BlockHeader{RawData: &core.BlockHeaderRaw{Timestamp: at}}}
	b.id = blockID(b.header.RawData)
	c.blocks = []*block{b}
	return nil
}

// produce makes a block every BlockTime until ctx is done.
func (c *Chain) produce(ctx context.Context) {
	tick := time.NewTicker(c.opts.BlockTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if err := c.step(now); err != nil {
				c.opts.Log.Error("devchain cannot write its log", "err", err)
				return
			}
		}
	}
}

// step writes down a block and then executes it.
func (c *Chain) step(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.stale {
		return nil
	}
	n := 0
	if c.faults.hold > 0 {
		c.faults.hold--
	} else {
		n = len(c.pending)
	}
	at := max(now.UnixMilli(), c.head().time()+1)
	data := binary.BigEndian.AppendUint64(nil, uint64(at))
	data = binary.BigEndian.AppendUint32(data, uint32(n))
	if err := c.journal.write(record{recordBlock, data}, n > 0); err != nil {
		return err
	}
	c.append(c.seal(at, c.take(n)))
	return nil
}

// take removes the n oldest pending transactions.
func (c *Chain) take(n int) []*core.Transaction {
	txs := c.pending[:n:n]
	c.pending = c.pending[n:]
	return txs
}

// seal executes transactions on top of the head and returns the block.
func (c *Chain) seal(at int64, txs []*core.Transaction) *block {
	parent := c.head()
	raw := &core.BlockHeaderRaw{Timestamp: at, Number: parent.number() + 1, ParentHash: parent.id[:]}
	root := sha256.New()
	for _, tx := range txs {
		id := txID(tx)
		root.Write(id[:])
	}
	raw.TxTrieRoot = root.Sum(nil)
	b := &block{header: &core.BlockHeader{RawData: raw}, txs: txs, id: blockID(raw),
		state: parent.state}
	if len(txs) > 0 {
		b.state = parent.state.Copy()
	}
	for _, tx := range txs {
		b.infos = append(b.infos, c.execute(b, tx))
	}
	return b
}

// blockID is TRON's: the number in 8 bytes, then the tail of the header's SHA-256.
func blockID(raw *core.BlockHeaderRaw) (id common.Hash) {
	text, err := proto.Marshal(raw)
	if err != nil {
		panic(err) // a header of our own making
	}
	id = sha256.Sum256(text)
	binary.BigEndian.PutUint64(id[:8], uint64(raw.Number)) // #nosec G115 -- times after 1970
	return id
}

// append makes b the head and forgets states that no reorganisation can bring back.
func (c *Chain) append(b *block) {
	c.blocks = append(c.blocks, b)
	for i, tx := range b.txs {
		c.known[txID(tx)].info = b.infos[i]
	}
	c.settled = max(c.settled, len(c.blocks)-1-SolidAfter)
	if old := len(c.blocks) - 2*SolidAfter; old >= 0 {
		c.blocks[old].state = nil
	}
}

func (c *Chain) head() *block { return c.blocks[len(c.blocks)-1] }

// solid is the newest block that can no longer be reverted.
func (c *Chain) solid() *block { return c.blocks[c.settled] }
