package devchain

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"
	"google.golang.org/protobuf/proto"
)

// logVersion is the layout of the log's records.
const logVersion = 3

// open executes the log, and begins one in a new folder.
func (c *Chain) open(now time.Time) error {
	if err := os.MkdirAll(c.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("make chain folder: %w", err)
	}
	j, err := openJournal(filepath.Join(c.opts.Dir, "chain.log"), c.replay)
	if err != nil {
		return err
	}
	c.journal = j
	if len(c.blocks) == 0 {
		err = c.begin(now)
	}
	if err != nil {
		return errors.Join(err, j.close())
	}
	return nil
}

// begin writes the first record and makes the first block.
func (c *Chain) begin(now time.Time) error {
	first, err := firstRecord(c.opts, now)
	if err != nil {
		return err
	}
	end, err := c.journal.write(first)
	if err != nil {
		return err
	}
	if err := c.journal.sync(end); err != nil {
		return err
	}
	return c.replay(first)
}

func firstRecord(o Options, now time.Time) (record, error) {
	data := binary.BigEndian.AppendUint32(nil, logVersion)
	data = binary.BigEndian.AppendUint64(data, cmp.Or(o.ChainID, DefaultChainID))
	data = binary.BigEndian.AppendUint64(data, uint64(now.UnixMilli())) // #nosec G115 -- after 1970
	for _, address := range slices.Sorted(maps.Keys(o.Genesis)) {
		sun := o.Genesis[address]
		if _, ok := evmAddress([]byte(address)); !ok || sun <= 0 {
			return record{}, fmt.Errorf("first block: address %x with %d sun; an address has 21"+
				" bytes and begins with 41", address, sun)
		}
		data = appendAccount(data, []byte(address), sun)
	}
	data = appendAccount(data, tronAddress(faucetAddress), faucetHas*sunPerTRX)
	return record{recordFirst, data}, nil
}

func appendAccount(data, address []byte, sun int64) []byte {
	data = append(data, address...)
	return binary.BigEndian.AppendUint64(data, uint64(sun)) // #nosec G115 -- positive
}

// record says that b took the n oldest pending transactions, and which of them ran out of time.
func (b *block) record(n int, slow []int) record {
	data := binary.BigEndian.AppendUint64(nil, uint64(b.at)) // #nosec G115 -- after 1970
	data = binary.BigEndian.AppendUint32(data, uint32(n))    // #nosec G115 -- bounded by pendingMax
	data = append(data, b.id[:]...)
	for _, i := range slow {
		data = binary.BigEndian.AppendUint32(data, uint32(i)) // #nosec G115 -- below n
	}
	return record{recordBlock, data}
}

// replay applies one record of the log.
func (c *Chain) replay(r record) error {
	if first := r.kind == recordFirst; first != (len(c.blocks) == 0) {
		return errors.New("the chain's first record is not where it belongs; was the log written" +
			" by another version?")
	}
	switch r.kind {
	case recordFirst:
		return c.genesis(r.data)
	case recordTx:
		tx := new(core.Transaction)
		if err := proto.Unmarshal(r.data, tx); err != nil {
			return fmt.Errorf("read transaction: %w", err)
		}
		s, err := open(tx)
		if err != nil {
			return err
		}
		c.accept(s)
		return nil
	case recordBlock:
		return c.replayBlock(r.data)
	case recordReorg:
		return c.replayReorg(r.data)
	default:
		return fmt.Errorf("nobody knows what a record of kind %q says", r.kind)
	}
}

// replayBlock executes again what a block executed. Its id names the state after it, so it comes
// out the same or not at all.
func (c *Chain) replayBlock(data []byte) error {
	const whole = 12 + common.HashLength
	if len(data) < whole || (len(data)-whole)%4 != 0 {
		return errors.New("record of a block has another length")
	}
	var slow []int
	for rest := data[whole:]; len(rest) > 0; rest = rest[4:] {
		slow = append(slow, int(binary.BigEndian.Uint32(rest)))
	}
	at := int64(binary.BigEndian.Uint64(data)) // #nosec G115 -- written from int64
	n := int(binary.BigEndian.Uint32(data[8:]))
	if n > len(c.pending) {
		return fmt.Errorf("block takes %d transactions, %d are pending", n, len(c.pending))
	}
	b, err := c.next(at, n, slow)
	if err != nil {
		return err
	}
	if id := common.Hash(data[12:whole]); b.id != id {
		return fmt.Errorf("block %d comes out as %x and was %x: the log was written by a version"+
			" with other rules; choose another folder", b.number, b.id, id)
	}
	c.append(b, n)
	return nil
}

func (c *Chain) replayReorg(data []byte) error {
	if len(data) != 5 || int64(binary.BigEndian.Uint32(data)) > c.head().number-c.settled {
		return errors.New("record of a reorganisation is too long or too deep")
	}
	c.cut(int(binary.BigEndian.Uint32(data)), data[4] == 1)
	return nil
}

// genesis makes the first block.
func (c *Chain) genesis(data []byte) error {
	if len(data) < 20 || binary.BigEndian.Uint32(data) != logVersion {
		return errors.New("the log was written by another version; choose another folder")
	}
	id := binary.BigEndian.Uint64(data[4:])
	if c.opts.ChainID != 0 && c.opts.ChainID != id {
		return fmt.Errorf("the log is of chain %d, not %d; choose another folder", id, c.opts.ChainID)
	}
	c.opts.ChainID, c.world = id, newWorld(id)
	db, err := c.world.open(types.EmptyRootHash)
	if err != nil {
		return err
	}
	b := &block{at: int64(binary.BigEndian.Uint64(data[12:]))} // #nosec G115 -- written from int64
	for rest := data[20:]; len(rest) >= 29; rest = rest[29:] {
		address, _ := evmAddress(rest[:21])
		activate(db, address)
		db.AddBalance(address, uint256.NewInt(binary.BigEndian.Uint64(rest[21:])), 0)
	}
	if b.root, err = c.world.commit(db, 0); err != nil {
		return err
	}
	b.seal(common.Hash{})
	c.append(b, 0)
	return nil
}
