package devchain

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// wallet answers from the head of the chain.
type wallet struct {
	api.UnimplementedWalletServer
	chain *Chain
}

// solidity answers from the solid block.
type solidity struct {
	api.UnimplementedWalletSolidityServer
	chain *Chain
}

func (w *wallet) view() view   { return view{w.chain, func(c *Chain) *block { return c.head() }} }
func (s *solidity) view() view { return view{s.chain, func(c *Chain) *block { return c.solid() }} }

// A view reads the chain up to one block.
type view struct {
	chain *Chain
	top   func(*Chain) *block
}

// read runs f under the chain's lock with the view's newest block.
func read[T any](v view, f func(*Chain, *block) T) T {
	v.chain.mu.RLock()
	defer v.chain.mu.RUnlock()
	return f(v.chain, v.top(v.chain))
}

func (v view) block(number int64) *api.BlockExtention {
	return read(v, func(c *Chain, top *block) *api.BlockExtention {
		if number < 0 || number > top.number() {
			return &api.BlockExtention{}
		}
		return extend(c.blocks[number])
	})
}

func (v view) now() *api.BlockExtention {
	return read(v, func(_ *Chain, top *block) *api.BlockExtention { return extend(top) })
}

func extend(b *block) *api.BlockExtention {
	out := &api.BlockExtention{BlockHeader: b.header, Blockid: b.id[:]}
	for _, tx := range b.txs {
		id := txID(tx)
		out.Transactions = append(out.Transactions, &api.TransactionExtention{
			Transaction: tx, Txid: id[:], Result: &api.Return{Result: true}})
	}
	return out
}

func plain(b *api.BlockExtention) *core.Block {
	out := &core.Block{BlockHeader: b.BlockHeader}
	for _, tx := range b.Transactions {
		out.Transactions = append(out.Transactions, tx.Transaction)
	}
	return out
}

func (v view) infos(number int64) *api.TransactionInfoList {
	return read(v, func(c *Chain, top *block) *api.TransactionInfoList {
		if number < 0 || number > top.number() {
			return &api.TransactionInfoList{}
		}
		return &api.TransactionInfoList{TransactionInfo: c.blocks[number].infos}
	})
}

// tx returns a transaction, and its info if it is in a block of this view.
func (v view) tx(id []byte) (*core.Transaction, *core.TransactionInfo) {
	both := read(v, func(c *Chain, top *block) receipt {
		r := c.known[common.BytesToHash(id)]
		if r == nil || (r.info != nil && r.info.BlockNumber > top.number()) {
			return receipt{}
		}
		return *r
	})
	if both.tx == nil {
		both.tx = &core.Transaction{}
	}
	if both.info == nil {
		both.info = &core.TransactionInfo{}
	}
	return both.tx, both.info
}

func (v view) account(a *core.Account) *core.Account {
	return read(v, func(_ *Chain, top *block) *core.Account {
		address := evmAddress(a.GetAddress())
		db := top.state.Copy() // reading fills caches, which readers must not share
		if !db.Exist(address) {
			return &core.Account{}
		}
		return &core.Account{Address: a.GetAddress(),
			Balance: int64(db.GetBalance(address).Uint64())} // #nosec G115 -- TRX fits in 63 bits
	})
}

func (v view) constant(t *core.TriggerSmartContract) *api.TransactionExtention {
	return read(v, func(c *Chain, top *block) *api.TransactionExtention {
		if len(top.state.Copy().GetCode(evmAddress(t.ContractAddress))) == 0 {
			return &api.TransactionExtention{Result: &api.Return{
				Code:    api.Return_CONTRACT_VALIDATE_ERROR,
				Message: []byte("Contract validate error : Smart contract is not exist.")}}
		}
		r := c.constant(top, t)
		// A reverted call is told by the transaction's ret alone: result stays true, as on TRON.
		out := &api.TransactionExtention{ConstantResult: [][]byte{r.ret}, EnergyUsed: r.energy,
			Result: &api.Return{Result: true}, Logs: tronLogs(r.logs)}
		ret := &core.Transaction_Result{}
		if r.err != nil {
			ret.Ret = core.Transaction_Result_FAILED
			out.Result.Message = []byte(message(r.err))
		}
		tx, err := c.build(t, core.Transaction_Contract_TriggerSmartContract)
		if err != nil {
			out.Result = &api.Return{Code: api.Return_OTHER_ERROR, Message: []byte(err.Error())}
			return out
		}
		tx.Ret = []*core.Transaction_Result{ret}
		id := txID(tx)
		out.Transaction, out.Txid = tx, id[:]
		return out
	})
}

// offer returns an unsigned transaction for a client to sign.
func (w *wallet) offer(msg proto.Message, kind core.Transaction_Contract_ContractType) (
	*api.TransactionExtention, error) {
	w.chain.mu.Lock() // reading a state fills its caches
	defer w.chain.mu.Unlock()
	tx, err := w.chain.build(msg, kind)
	if err != nil {
		return nil, err
	}
	inside, err := unwrap(tx)
	text := ""
	if err != nil {
		text = err.Error()
	} else {
		text = w.chain.affords(inside, 0)
	}
	if text != "" {
		return &api.TransactionExtention{Result: &api.Return{
			Code:    api.Return_CONTRACT_VALIDATE_ERROR,
			Message: []byte("Contract validate error : " + text)}}, nil
	}
	id := txID(tx)
	return &api.TransactionExtention{Transaction: tx, Txid: id[:],
		Result: &api.Return{Result: true}}, nil
}

func (w *wallet) CreateTransaction2(_ context.Context, m *core.TransferContract) (
	*api.TransactionExtention, error) {
	return w.offer(m, core.Transaction_Contract_TransferContract)
}

func (w *wallet) TriggerContract(_ context.Context, m *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	return w.offer(m, core.Transaction_Contract_TriggerSmartContract)
}

func (w *wallet) DeployContract(_ context.Context, m *core.CreateSmartContract) (
	*api.TransactionExtention, error) {
	return w.offer(m, core.Transaction_Contract_CreateSmartContract)
}

func (w *wallet) BroadcastTransaction(_ context.Context, tx *core.Transaction) (
	*api.Return, error) {
	no, err := w.chain.broadcast(tx)
	if err != nil {
		return nil, err
	}
	if no != nil {
		return &api.Return{Code: no.code, Message: []byte(no.text)}, nil
	}
	return &api.Return{Result: true}, nil
}

func (w *wallet) TriggerConstantContract(_ context.Context, m *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	return w.view().constant(m), nil
}

func (w *wallet) EstimateEnergy(_ context.Context, m *core.TriggerSmartContract) (
	*api.EstimateEnergyMessage, error) {
	out := w.view().constant(m)
	return &api.EstimateEnergyMessage{Result: out.Result, EnergyRequired: out.EnergyUsed}, nil
}

func (w *wallet) GetNowBlock(context.Context, *api.EmptyMessage) (*core.Block, error) {
	return plain(w.view().now()), nil
}

func (w *wallet) GetNowBlock2(context.Context, *api.EmptyMessage) (*api.BlockExtention, error) {
	return w.view().now(), nil
}

func (w *wallet) GetBlockByNum(_ context.Context, n *api.NumberMessage) (*core.Block, error) {
	return plain(w.view().block(n.Num)), nil
}

func (w *wallet) GetBlockByNum2(_ context.Context, n *api.NumberMessage) (
	*api.BlockExtention, error) {
	return w.view().block(n.Num), nil
}

func (w *wallet) GetTransactionById(_ context.Context, id *api.BytesMessage) (
	*core.Transaction, error) {
	tx, _ := w.view().tx(id.Value)
	return tx, nil
}

func (w *wallet) GetTransactionInfoById(_ context.Context, id *api.BytesMessage) (
	*core.TransactionInfo, error) {
	_, info := w.view().tx(id.Value)
	return info, nil
}

func (w *wallet) GetTransactionInfoByBlockNum(_ context.Context, n *api.NumberMessage) (
	*api.TransactionInfoList, error) {
	return w.view().infos(n.Num), nil
}

func (w *wallet) GetAccount(_ context.Context, a *core.Account) (*core.Account, error) {
	return w.view().account(a), nil
}

func (w *wallet) GetAccountResource(context.Context, *core.Account) (
	*api.AccountResourceMessage, error) {
	return &api.AccountResourceMessage{}, nil // nothing is staked here
}

func (w *wallet) GetContract(_ context.Context, a *api.BytesMessage) (*core.SmartContract, error) {
	return read(w.view(), func(_ *Chain, top *block) *core.SmartContract {
		code := top.state.Copy().GetCode(evmAddress(a.Value))
		if len(code) == 0 {
			return &core.SmartContract{}
		}
		return &core.SmartContract{ContractAddress: a.Value, Bytecode: code}
	}), nil
}

func (w *wallet) GetEnergyPrices(context.Context, *api.EmptyMessage) (
	*api.PricesResponseMessage, error) {
	return &api.PricesResponseMessage{Prices: "0:100"}, nil
}

func (w *wallet) GetChainParameters(context.Context, *api.EmptyMessage) (
	*core.ChainParameters, error) {
	return &core.ChainParameters{ChainParameter: []*core.ChainParameters_ChainParameter{
		{Key: "getEnergyFee", Value: sunPerEnergy},
		{Key: "getTransactionFee", Value: sunPerByte},
		{Key: "getMaxFeeLimit", Value: feeLimitMax},
		{Key: "getCreateNewAccountFeeInSystemContract", Value: 1_000_000},
	}}, nil
}

func (w *wallet) GetNodeInfo(context.Context, *api.EmptyMessage) (*core.NodeInfo, error) {
	return &core.NodeInfo{}, nil
}

func (s *solidity) GetNowBlock(context.Context, *api.EmptyMessage) (*core.Block, error) {
	return plain(s.view().now()), nil
}

func (s *solidity) GetNowBlock2(context.Context, *api.EmptyMessage) (*api.BlockExtention, error) {
	return s.view().now(), nil
}

func (s *solidity) GetBlockByNum(_ context.Context, n *api.NumberMessage) (*core.Block, error) {
	return plain(s.view().block(n.Num)), nil
}

func (s *solidity) GetBlockByNum2(_ context.Context, n *api.NumberMessage) (
	*api.BlockExtention, error) {
	return s.view().block(n.Num), nil
}

func (s *solidity) GetTransactionById(_ context.Context, id *api.BytesMessage) (
	*core.Transaction, error) {
	tx, info := s.view().tx(id.Value)
	if info.Id == nil {
		return &core.Transaction{}, nil
	}
	return tx, nil
}

func (s *solidity) GetTransactionInfoById(_ context.Context, id *api.BytesMessage) (
	*core.TransactionInfo, error) {
	_, info := s.view().tx(id.Value)
	return info, nil
}

func (s *solidity) GetTransactionInfoByBlockNum(_ context.Context, n *api.NumberMessage) (
	*api.TransactionInfoList, error) {
	return s.view().infos(n.Num), nil
}

func (s *solidity) GetAccount(_ context.Context, a *core.Account) (*core.Account, error) {
	return s.view().account(a), nil
}

func (s *solidity) TriggerConstantContract(_ context.Context, m *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	return s.view().constant(m), nil
}
