package devchain

import (
	"context"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// wallet answers from the head of the chain.
type wallet struct {
	api.UnimplementedWalletServer
	chain *Chain
}

func (w *wallet) view() view { return view{w.chain, (*Chain).seenHead} }

// offer returns an unsigned transaction for a client to sign.
func (w *wallet) offer(msg proto.Message) (*api.TransactionExtention, error) {
	inside, err := callOf(msg)
	if err != nil {
		return nil, err
	}
	m, frame, err := w.view().machine()
	if err != nil {
		return nil, err
	}
	defer m.release()
	text := validate(m.db, inside)
	if owner, _ := evmAddress(inside.owner); text == "" && balance(m.db, owner) < inside.value() {
		text = "Validate error, balance is not sufficient."
	}
	if text != "" {
		return &api.TransactionExtention{Result: failed(invalid(text))}, nil
	}
	tx, err := wrap(frame, msg, inside.kind())
	if err != nil {
		return nil, err
	}
	id := txID(tx)
	return &api.TransactionExtention{Transaction: tx, Txid: id[:],
		Result: &api.Return{Result: true}}, nil
}

func (w *wallet) CreateTransaction(_ context.Context, m *core.TransferContract) (
	*core.Transaction, error) {
	out, err := w.offer(m)
	if err != nil || out.Transaction == nil {
		return &core.Transaction{}, err
	}
	return out.Transaction, nil
}

func (w *wallet) CreateTransaction2(_ context.Context, m *core.TransferContract) (
	*api.TransactionExtention, error) {
	return w.offer(m)
}

func (w *wallet) TriggerContract(_ context.Context, m *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	return w.offer(m)
}

func (w *wallet) DeployContract(_ context.Context, m *core.CreateSmartContract) (
	*api.TransactionExtention, error) {
	return w.offer(m)
}

func (w *wallet) BroadcastTransaction(_ context.Context, tx *core.Transaction) (
	*api.Return, error) {
	no, err := w.chain.broadcast(tx, false)
	if err != nil {
		return nil, unavailable(err.Error())
	}
	if no != nil {
		return failed(no), nil
	}
	if w.chain.muted() {
		return nil, unavailable("the dev chain loses this answer, as it was told to")
	}
	return &api.Return{Result: true}, nil
}

func (w *wallet) TriggerConstantContract(ctx context.Context, m *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	return w.view().constant(ctx, m)
}

func (w *wallet) EstimateEnergy(ctx context.Context, m *core.TriggerSmartContract) (
	*api.EstimateEnergyMessage, error) {
	return w.view().estimate(ctx, m)
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

func (w *wallet) GetBlockById(_ context.Context, id *api.BytesMessage) (*core.Block, error) {
	return plain(w.view().byID(id.Value)), nil
}

func (w *wallet) GetBlockByLimitNext(_ context.Context, l *api.BlockLimit) (
	*api.BlockList, error) {
	return plainList(w.view().span(l.StartNum, l.EndNum)), nil
}

func (w *wallet) GetBlockByLimitNext2(_ context.Context, l *api.BlockLimit) (
	*api.BlockListExtention, error) {
	return w.view().span(l.StartNum, l.EndNum), nil
}

func (w *wallet) GetBlockByLatestNum(_ context.Context, n *api.NumberMessage) (
	*api.BlockList, error) {
	return plainList(w.view().latest(n.Num)), nil
}

func (w *wallet) GetBlockByLatestNum2(_ context.Context, n *api.NumberMessage) (
	*api.BlockListExtention, error) {
	return w.view().latest(n.Num), nil
}

func (w *wallet) GetTransactionCountByBlockNum(_ context.Context, n *api.NumberMessage) (
	*api.NumberMessage, error) {
	return w.view().count(n.Num), nil
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

func (w *wallet) GetTransactionFromPending(_ context.Context, id *api.BytesMessage) (
	*core.Transaction, error) {
	for _, s := range w.chain.waiting() {
		if string(s.id[:]) == string(id.Value) {
			return s.tx, nil
		}
	}
	return &core.Transaction{}, nil
}

func (w *wallet) GetTransactionListFromPending(context.Context, *api.EmptyMessage) (
	*api.TransactionIdList, error) {
	out := &api.TransactionIdList{}
	for _, s := range w.chain.waiting() {
		out.TxId = append(out.TxId, s.id.Hex()[2:])
	}
	return out, nil
}

func (w *wallet) GetPendingSize(context.Context, *api.EmptyMessage) (*api.NumberMessage, error) {
	return &api.NumberMessage{Num: int64(len(w.chain.waiting()))}, nil
}

func (w *wallet) GetAccount(_ context.Context, a *core.Account) (*core.Account, error) {
	return w.view().account(a)
}

func (w *wallet) GetContract(_ context.Context, a *api.BytesMessage) (*core.SmartContract, error) {
	contract, _, err := w.view().contract(a.Value)
	return contract, err
}

func (w *wallet) GetContractInfo(_ context.Context, a *api.BytesMessage) (
	*core.SmartContractDataWrapper, error) {
	contract, code, err := w.view().contract(a.Value)
	return &core.SmartContractDataWrapper{SmartContract: contract, Runtimecode: code}, err
}
