package devchain

import (
	"context"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// solidity answers from the newest solid block.
type solidity struct {
	api.UnimplementedWalletSolidityServer
	chain *Chain
}

func (s *solidity) view() view { return view{s.chain, (*Chain).seenSolid} }

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

func (s *solidity) GetTransactionCountByBlockNum(_ context.Context, n *api.NumberMessage) (
	*api.NumberMessage, error) {
	return s.view().count(n.Num), nil
}

func (s *solidity) GetTransactionById(_ context.Context, id *api.BytesMessage) (
	*core.Transaction, error) {
	tx, _ := s.view().tx(id.Value)
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
	return s.view().account(a)
}

func (s *solidity) TriggerConstantContract(ctx context.Context, m *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	return s.view().constant(ctx, m)
}

func (s *solidity) EstimateEnergy(ctx context.Context, m *core.TriggerSmartContract) (
	*api.EstimateEnergyMessage, error) {
	return s.view().estimate(ctx, m)
}

func (s *solidity) GetEnergyPrices(context.Context, *api.EmptyMessage) (
	*api.PricesResponseMessage, error) {
	return energyPrices, nil
}

func (s *solidity) GetBandwidthPrices(context.Context, *api.EmptyMessage) (
	*api.PricesResponseMessage, error) {
	return bandwidthPrices, nil
}
