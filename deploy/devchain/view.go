package devchain

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// constantEnergy bounds calls that change nothing, as public nodes do.
const constantEnergy = 100_000_000

// listMax is how many blocks one call lists, as in java-tron.
const listMax = 100

// A view reads the chain up to one block: the head, or the newest solid one.
type view struct {
	chain *Chain
	top   func(*Chain) *block
}

// read runs f under the chain's lock with the view's newest block. What f returns is read without
// the lock, so it must be a copy or never change.
func read[T any](v view, f func(*Chain, *block) T) T {
	v.chain.mu.RLock()
	defer v.chain.mu.RUnlock()
	return f(v.chain, v.top(v.chain))
}

func (v view) now() *api.BlockExtention {
	return read(v, func(c *Chain, top *block) *api.BlockExtention { return c.extended(top) })
}

func (v view) block(number int64) *api.BlockExtention {
	return read(v, func(c *Chain, top *block) *api.BlockExtention {
		if number < 0 || number > top.number {
			return &api.BlockExtention{}
		}
		return c.extended(c.blocks[number])
	})
}

// span returns the blocks from one to before another, at most listMax.
func (v view) span(from, to int64) *api.BlockListExtention {
	return read(v, func(c *Chain, top *block) *api.BlockListExtention {
		out := &api.BlockListExtention{}
		from, to := max(0, from), min(to, top.number+1)
		for n := from; n < min(to, from+listMax); n++ {
			out.Block = append(out.Block, c.extended(c.blocks[n]))
		}
		return out
	})
}

// latest returns the newest n blocks.
func (v view) latest(n int64) *api.BlockListExtention {
	top := read(v, func(_ *Chain, top *block) int64 { return top.number })
	n = min(max(0, n), listMax)
	return v.span(top+1-n, top+1)
}

func (v view) byID(id []byte) *api.BlockExtention {
	if len(id) != common.HashLength {
		return &api.BlockExtention{}
	}
	b := v.block(int64(binary.BigEndian.Uint64(id))) // #nosec G115 -- the id is compared
	if string(b.Blockid) != string(id) {
		return &api.BlockExtention{}
	}
	return b
}

func (v view) infos(number int64) *api.TransactionInfoList {
	return read(v, func(c *Chain, top *block) *api.TransactionInfoList {
		if number < 0 || number > top.number || c.blocks[number].body == nil {
			return &api.TransactionInfoList{}
		}
		return &api.TransactionInfoList{TransactionInfo: c.blocks[number].infos}
	})
}

// tx returns a transaction and its info, both empty when no block of this view has it.
func (v view) tx(id []byte) (*core.Transaction, *core.TransactionInfo) {
	r := read(v, func(c *Chain, top *block) receipt {
		r := c.known[common.BytesToHash(id)]
		if r == nil || r.info == nil || r.info.BlockNumber > top.number {
			return receipt{done: &core.Transaction{}, info: &core.TransactionInfo{}}
		}
		return *r
	})
	return r.done, r.info
}

// account returns an account, empty when it was never activated.
func (v view) account(a *core.Account) (*core.Account, error) {
	m, _, err := v.machine()
	if err != nil {
		return nil, err
	}
	defer m.release()
	address, ok := evmAddress(a.GetAddress())
	if !ok || !m.db.Exist(address) {
		return &core.Account{}, nil
	}
	out := &core.Account{Address: a.Address, Balance: balance(m.db, address)}
	if hasCode(m.db, address) {
		out.Type = core.AccountType_Contract
	}
	return out, nil
}

// A borrowed machine has a copy of a view's state. It is used without the chain's lock.
type borrowed struct {
	*machine
	release func()
}

// machine borrows the state of the view's newest block. It also returns a transaction's frame.
func (v view) machine() (b borrowed, frame *core.TransactionRaw, err error) {
	c := v.chain
	c.mu.RLock()
	defer c.mu.RUnlock()
	top := v.top(c)
	db, err := c.world.open(top.root)
	if err != nil {
		return b, nil, err
	}
	c.world.hold(top.root)
	m := c.machine(db, top.number, top.at)
	m.past = func(number uint64) common.Hash {
		c.mu.RLock()
		defer c.mu.RUnlock()
		return c.past(number)
	}
	return borrowed{m, func() { c.world.release(top.root) }}, c.frame(), nil
}

// constant runs a call on a state that is thrown away; without a contract, init code.
func (v view) constant(ctx context.Context, t *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	m, frame, err := v.machine()
	if err != nil {
		return nil, err
	}
	defer m.release()
	from, _ := evmAddress(t.OwnerAddress)
	to, ok := evmAddress(t.ContractAddress)
	var r result
	switch {
	case len(t.ContractAddress) == 0 && len(t.Data) > 0:
		at := common.BytesToAddress(crypto.Keccak256(t.OwnerAddress, t.Data))
		r = m.deploy(ctx, common.Hash{}, from, at, t.Data, t.CallValue, constantEnergy)
	case !ok || !hasCode(m.db, to):
		return &api.TransactionExtention{Result: failed(invalid("Smart contract is not exist."))}, nil
	default:
		r = m.call(ctx, common.Hash{}, from, to, t.Data, t.CallValue, constantEnergy)
	}
	if ctx.Err() != nil {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return constantAnswer(t, r, frame)
}

// constantAnswer tells of a call as a node does. One that reverted is told by the transaction's
// ret alone, the result stays true; what breaks in another way is an error of the node.
func constantAnswer(t *core.TriggerSmartContract, r result, frame *core.TransactionRaw) (
	*api.TransactionExtention, error) {
	ret := &core.Transaction_Result{}
	out := &api.TransactionExtention{ConstantResult: [][]byte{r.ret}, EnergyUsed: r.energy,
		Result: &api.Return{Result: true}, Logs: tronLogs(r.logs)}
	switch outcome(r.err) {
	case core.Transaction_Result_SUCCESS:
	case core.Transaction_Result_REVERT:
		ret.Ret = core.Transaction_Result_FAILED
		out.Result.Message = []byte(message(r.err))
	default:
		return &api.TransactionExtention{EnergyUsed: r.energy, Result: failed(refuse(
			api.Return_OTHER_ERROR, "%s", message(r.err)))}, nil
	}
	tx, err := wrap(frame, t, core.Transaction_Contract_TriggerSmartContract)
	if err != nil {
		return nil, err
	}
	id := txID(tx)
	tx.Ret = []*core.Transaction_Result{ret}
	out.Transaction, out.Txid = tx, id[:]
	return out, nil
}

func failed(no *refusal) *api.Return {
	return &api.Return{Code: no.code, Message: []byte(no.text)}
}

// estimate says what a call takes, or why it cannot be said.
func (v view) estimate(ctx context.Context, t *core.TriggerSmartContract) (
	*api.EstimateEnergyMessage, error) {
	out, err := v.constant(ctx, t)
	if err != nil {
		return nil, err
	}
	if text := out.Result.Message; out.Result.Result && len(text) > 0 {
		out.Result = &api.Return{Code: api.Return_CONTRACT_EXE_ERROR, Message: text}
	}
	return &api.EstimateEnergyMessage{Result: out.Result, EnergyRequired: out.EnergyUsed}, nil
}

// contract returns a contract as it was deployed, and its code; both empty when there is none.
func (v view) contract(address []byte) (*core.SmartContract, []byte, error) {
	m, _, err := v.machine()
	if err != nil {
		return nil, nil, err
	}
	defer m.release()
	at, ok := evmAddress(address)
	if !ok || !hasCode(m.db, at) {
		return &core.SmartContract{}, nil, nil
	}
	known := read(v, func(c *Chain, _ *block) *core.SmartContract { return c.contracts[at] })
	if known == nil { // made by another contract
		known = &core.SmartContract{ContractAddress: address}
	}
	return known, m.db.GetCode(at), nil
}

// count is how many transactions a block has, -1 when there is no such block.
func (v view) count(number int64) *api.NumberMessage {
	b := v.block(number)
	if b.BlockHeader == nil {
		return &api.NumberMessage{Num: -1}
	}
	return &api.NumberMessage{Num: int64(len(b.Transactions))}
}

// nodeInfo says which blocks the node is at, in java-tron's words.
func (v view) nodeInfo() *core.NodeInfo {
	return read(v, func(c *Chain, top *block) *core.NodeInfo {
		text := func(b *block) string { return fmt.Sprintf("Num:%d,ID:%x", b.number, b.id) }
		return &core.NodeInfo{BeginSyncNum: top.number, Block: text(top),
			SolidityBlock: text(c.seenSolid())}
	})
}

// unavailable is how a node fails that is there.
func unavailable(text string) error { return status.Error(codes.Unavailable, text) }
