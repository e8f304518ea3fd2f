package devchain

import (
	"context"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// What a client asks of the network and of resources. Nothing is staked here, nobody votes, and
// there is no free bandwidth: everything is paid for by burning TRX.

// maintenanceEvery is when TRON counts votes.
const maintenanceEvery = 6 * time.Hour

var (
	energyPrices    = prices("0:100")
	bandwidthPrices = prices("0:1000")
	memoFees        = prices("0:0")
)

func prices(text string) *api.PricesResponseMessage {
	return &api.PricesResponseMessage{Prices: text}
}

func (w *wallet) GetEnergyPrices(context.Context, *api.EmptyMessage) (
	*api.PricesResponseMessage, error) {
	return energyPrices, nil
}

func (w *wallet) GetBandwidthPrices(context.Context, *api.EmptyMessage) (
	*api.PricesResponseMessage, error) {
	return bandwidthPrices, nil
}

func (w *wallet) GetMemoFee(context.Context, *api.EmptyMessage) (
	*api.PricesResponseMessage, error) {
	return memoFees, nil
}

func (w *wallet) GetChainParameters(context.Context, *api.EmptyMessage) (
	*core.ChainParameters, error) {
	out := &core.ChainParameters{}
	for _, p := range []struct {
		key   string
		value int64
	}{
		{"getMaintenanceTimeInterval", maintenanceEvery.Milliseconds()},
		{"getTransactionFee", sunPerByte},
		{"getEnergyFee", sunPerEnergy},
		{"getMaxFeeLimit", feeLimitMax},
		{"getCreateAccountFee", activationNet},
		{"getCreateNewAccountFeeInSystemContract", activationFee},
		{"getFreeNetLimit", 0},
		{"getAllowCreationOfContracts", 1},
		{"getAllowTvmShangHai", 1},
		{"getAllowTvmCancun", 1},
	} {
		out.ChainParameter = append(out.ChainParameter,
			&core.ChainParameters_ChainParameter{Key: p.key, Value: p.value})
	}
	return out, nil
}

func (w *wallet) GetNodeInfo(context.Context, *api.EmptyMessage) (*core.NodeInfo, error) {
	return w.view().nodeInfo(), nil
}

func (w *wallet) ListNodes(context.Context, *api.EmptyMessage) (*api.NodeList, error) {
	return &api.NodeList{}, nil // it has no peers
}

func (w *wallet) GetNextMaintenanceTime(context.Context, *api.EmptyMessage) (
	*api.NumberMessage, error) {
	every := maintenanceEvery.Milliseconds()
	at := read(w.view(), func(_ *Chain, top *block) int64 { return top.at })
	return &api.NumberMessage{Num: at - at%every + every}, nil
}

func (w *wallet) TotalTransaction(context.Context, *api.EmptyMessage) (*api.NumberMessage, error) {
	n := read(w.view(), func(c *Chain, _ *block) int { return len(c.known) - len(c.pending) })
	return &api.NumberMessage{Num: int64(n)}, nil
}

func (w *wallet) GetAccountResource(context.Context, *core.Account) (
	*api.AccountResourceMessage, error) {
	return &api.AccountResourceMessage{}, nil
}

func (w *wallet) GetAccountNet(context.Context, *core.Account) (*api.AccountNetMessage, error) {
	return &api.AccountNetMessage{}, nil
}

func (w *wallet) GetRewardInfo(context.Context, *api.BytesMessage) (*api.NumberMessage, error) {
	return &api.NumberMessage{}, nil
}

func (w *wallet) GetDelegatedResource(context.Context, *api.DelegatedResourceMessage) (
	*api.DelegatedResourceList, error) {
	return &api.DelegatedResourceList{}, nil
}

func (w *wallet) GetDelegatedResourceV2(context.Context, *api.DelegatedResourceMessage) (
	*api.DelegatedResourceList, error) {
	return &api.DelegatedResourceList{}, nil
}

func (w *wallet) GetDelegatedResourceAccountIndex(_ context.Context, a *api.BytesMessage) (
	*core.DelegatedResourceAccountIndex, error) {
	return &core.DelegatedResourceAccountIndex{Account: a.Value}, nil
}

func (w *wallet) GetDelegatedResourceAccountIndexV2(_ context.Context, a *api.BytesMessage) (
	*core.DelegatedResourceAccountIndex, error) {
	return &core.DelegatedResourceAccountIndex{Account: a.Value}, nil
}

func (w *wallet) GetCanDelegatedMaxSize(context.Context, *api.CanDelegatedMaxSizeRequestMessage) (
	*api.CanDelegatedMaxSizeResponseMessage, error) {
	return &api.CanDelegatedMaxSizeResponseMessage{}, nil
}

func (w *wallet) GetAvailableUnfreezeCount(
	context.Context, *api.GetAvailableUnfreezeCountRequestMessage,
) (*api.GetAvailableUnfreezeCountResponseMessage, error) {
	return &api.GetAvailableUnfreezeCountResponseMessage{}, nil
}

func (w *wallet) GetCanWithdrawUnfreezeAmount(
	context.Context, *api.CanWithdrawUnfreezeAmountRequestMessage,
) (*api.CanWithdrawUnfreezeAmountResponseMessage, error) {
	return &api.CanWithdrawUnfreezeAmountResponseMessage{}, nil
}
