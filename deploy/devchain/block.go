package devchain

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// A block keeps what its header cannot be made again from: millions of them are empty.
type block struct {
	id     common.Hash
	number int64
	at     int64       // ms
	fork   int64       // how many reorganisations came before it
	root   common.Hash // state after it; the world holds that of the newest blocks
	*body              // nil when it is empty
}

// A body is what transactions did. Nothing in it is changed once the block is made.
type body struct {
	txs    []*core.Transaction
	infos  []*core.TransactionInfo
	txRoot []byte
}

// seal fills in what the header says of the transactions, and the id.
func (b *block) seal(parent common.Hash) {
	if b.body != nil {
		root := sha256.New()
		for _, info := range b.infos {
			root.Write(info.Id)
		}
		b.txRoot = root.Sum(nil)
	}
	b.id = blockID(b.header(parent).RawData)
}

// header makes the header. The fork stands where TRON has the producer: a block that replaces
// another never has its id.
func (b *block) header(parent common.Hash) *core.BlockHeader {
	raw := &core.BlockHeaderRaw{Timestamp: b.at, Number: b.number, ParentHash: parent[:],
		WitnessId: b.fork, AccountStateRoot: b.root[:]}
	if b.body != nil {
		raw.TxTrieRoot = b.txRoot
	}
	return &core.BlockHeader{RawData: raw}
}

// blockID is TRON's: the number in 8 bytes, then the tail of the header's SHA-256.
func blockID(raw *core.BlockHeaderRaw) (id common.Hash) {
	text, err := proto.Marshal(raw)
	must(err)
	id = sha256.Sum256(text)
	binary.BigEndian.PutUint64(id[:8], uint64(raw.Number)) // #nosec G115 -- counts from zero
	return id
}

// extended returns a block as the newer calls answer it.
func (c *Chain) extended(b *block) *api.BlockExtention {
	out := &api.BlockExtention{BlockHeader: c.header(b), Blockid: b.id[:]}
	if b.body == nil {
		return out
	}
	for i, tx := range b.txs {
		out.Transactions = append(out.Transactions, &api.TransactionExtention{
			Transaction: tx, Txid: b.infos[i].Id, Result: &api.Return{Result: true}})
	}
	return out
}

func (c *Chain) header(b *block) *core.BlockHeader {
	var parent common.Hash
	if b.number > 0 {
		parent = c.blocks[b.number-1].id
	}
	return b.header(parent)
}

// plain returns a block as the older calls answer it.
func plain(b *api.BlockExtention) *core.Block {
	out := &core.Block{BlockHeader: b.BlockHeader}
	for _, tx := range b.Transactions {
		out.Transactions = append(out.Transactions, tx.Transaction)
	}
	return out
}

func plainList(l *api.BlockListExtention) *api.BlockList {
	out := &api.BlockList{}
	for _, b := range l.Block {
		out.Block = append(out.Block, plain(b))
	}
	return out
}
