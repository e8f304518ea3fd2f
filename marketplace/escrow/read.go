package escrow

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"

	"github.com/everseed/everseed/marketplace"
)

// nobody asks where it does not matter who does.
var nobody = marketplace.Address{}

// trigger is TriggerConstantContract of either service.
type trigger func(
	context.Context, *core.TriggerSmartContract, ...grpc.CallOption,
) (*api.TransactionExtention, error)

// call runs a contract without changing anything and returns its answer and the energy it took.
// A node answers a call that reverted almost like one that did not, with nothing where the balance
// should be; so everything that says failure is looked at, and an empty answer is an error.
func call(
	ctx context.Context, run trigger, from, to marketplace.Address, data []byte,
) ([]byte, int64, error) {
	out, err := run(ctx, &core.TriggerSmartContract{
		OwnerAddress: from.Tron(), ContractAddress: to.Tron(), Data: data,
	})
	if err != nil {
		return nil, 0, unreachable("call contract", err)
	}
	result := out.GetResult()
	if result.GetCode() != api.Return_SUCCESS || !result.GetResult() {
		return nil, 0, refused("call of "+to.String(), result)
	}
	var answer []byte
	if all := out.GetConstantResult(); len(all) > 0 {
		answer = all[0]
	}
	for _, ret := range out.GetTransaction().GetRet() {
		if ret.GetRet() != core.Transaction_Result_SUCESS {
			r := readRevert(answer)
			return nil, 0, because(r.cause(), r.kind().Errorf("contract %s refuses: %s", to, r.text))
		}
	}
	if text := result.GetMessage(); len(text) > 0 {
		return nil, 0, marketplace.Conflict.Errorf("contract %s fails: %s", to, text)
	}
	return answer, out.GetEnergyUsed(), nil
}

// refused is the error for an answer that is a refusal of the node.
func refused(doing string, r *api.Return) error {
	text := string(r.GetMessage())
	switch r.GetCode() {
	case api.Return_SERVER_BUSY, api.Return_NO_CONNECTION, api.Return_TAPOS_ERROR,
		api.Return_NOT_ENOUGH_EFFECTIVE_CONNECTION, api.Return_BLOCK_UNSOLIDIFIED:
		return marketplace.Unavailable.Errorf("%s: TRON node cannot: %s %s", doing, r.GetCode(), text)
	case api.Return_BANDWITH_ERROR:
		return because(CauseTRX, marketplace.Insufficient.Errorf("%s: TRON node refuses: %s", doing,
			text))
	case api.Return_CONTRACT_VALIDATE_ERROR:
		return because(validated(text), marketplace.Conflict.Errorf("%s: TRON node refuses: %s %s",
			doing, r.GetCode(), text))
	default:
		return marketplace.Conflict.Errorf("%s: TRON node refuses: %s %s", doing, r.GetCode(), text)
	}
}

// validated reads the cause from what a node says of a transaction that it finds invalid: there is
// no code for want of TRX, nor for an account that never had any.
func validated(text string) Cause {
	if strings.Contains(text, "balance is not sufficient") ||
		strings.Contains(text, "account [") && strings.Contains(text, "does not exist") {
		return CauseTRX
	}
	return CauseOther
}

// ask reads from solid blocks.
func (v *Vault) ask(
	ctx context.Context, a abi.ABI, to marketplace.Address, method string, args ...any,
) ([]any, error) {
	data, _, err := call(ctx, v.solid.TriggerConstantContract, nobody, to, pack(a, method, args...))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", method, err)
	}
	if len(data) == 0 {
		return nil, marketplace.Unavailable.Errorf("ask %s: TRON node gives an empty answer", method)
	}
	values, err := a.Unpack(method, data)
	if err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", method, err)
	}
	return values, nil
}

func (v *Vault) askAmount(
	ctx context.Context, a abi.ABI, to marketplace.Address, method string, args ...any,
) (marketplace.Amount, error) {
	values, err := v.ask(ctx, a, to, method, args...)
	if err != nil {
		return marketplace.Amount{}, err
	}
	return amountOf(values[0])
}

// Balance returns what an account has in the vault, thawing included. Like every reading method
// it tells what is solid.
func (v *Vault) Balance(ctx context.Context, a marketplace.Address) (marketplace.Amount, error) {
	return v.askAmount(ctx, vaultABI, v.config.Vault, "balanceOf", ethOf(a))
}

// Obligations returns the sum of all accounts in the vault.
func (v *Vault) Obligations(ctx context.Context) (marketplace.Amount, error) {
	return v.askAmount(ctx, vaultABI, v.config.Vault, "obligations")
}

// Paid returns everything paid to a payee under a mandate.
func (v *Vault) Paid(
	ctx context.Context, from marketplace.Address, mandate marketplace.Hash, to marketplace.Address,
) (marketplace.Amount, error) {
	return v.askAmount(ctx, vaultABI, v.config.Vault, "paid", ethOf(from), mandate, ethOf(to))
}

// TokenBalance returns what an account holds of the token outside the vault.
func (v *Vault) TokenBalance(
	ctx context.Context, a marketplace.Address,
) (marketplace.Amount, error) {
	return v.askAmount(ctx, tokenABI, v.config.Token, "balanceOf", ethOf(a))
}

// ThawOf returns what an account is thawing and when that ends.
func (v *Vault) ThawOf(
	ctx context.Context, a marketplace.Address,
) (amount marketplace.Amount, ends time.Time, err error) {
	values, err := v.ask(ctx, vaultABI, v.config.Vault, "thawOf", ethOf(a))
	if err != nil {
		return amount, ends, err
	}
	amount, err = amountOf(values[0])
	return amount, timeOf(values[1].(uint64)), err
}

// ThawPeriod returns how long a thaw takes.
func (v *Vault) ThawPeriod(ctx context.Context) (time.Duration, error) {
	values, err := v.ask(ctx, vaultABI, v.config.Vault, "thawSeconds")
	if err != nil {
		return 0, err
	}
	return time.Duration(values[0].(uint32)) * time.Second, nil
}

// MandateOf returns a mandate with what was drawn on it as Committed. The threshold of a mandate
// that does not exist is zero.
func (v *Vault) MandateOf(
	ctx context.Context, from marketplace.Address, id marketplace.Hash,
) (marketplace.Mandate, error) {
	m := marketplace.Mandate{Poster: from, ID: id}
	values, err := v.ask(ctx, vaultABI, v.config.Vault, "mandateOf", ethOf(from), id)
	if err != nil {
		return m, err
	}
	m.Threshold = int(values[0].(uint8))
	m.Expiry = timeOf(values[3].(uint64))
	m.Signers = tronOf(values[4].([]common.Address))
	if m.Cap, err = amountOf(values[1]); err != nil {
		return m, err
	}
	m.Committed, err = amountOf(values[2])
	return m, err
}

// Domain asks the contract what its cheques are signed for, and checks that it is the vault that
// this package knows, over the token that the configuration names.
func (v *Vault) Domain(ctx context.Context) (Domain, error) {
	if d := v.domain.Load(); d != nil {
		return *d, nil
	}
	values, err := v.ask(ctx, vaultABI, v.config.Vault, "eip712Domain")
	if err != nil {
		return Domain{}, err
	}
	d := Domain{ChainID: values[3].(*big.Int).Uint64(),
		Vault: marketplace.Address(values[4].(common.Address))}
	if values[1] != "Everseed Vault" || values[2] != "1" || d.Vault != v.config.Vault {
		return Domain{}, marketplace.Conflict.Errorf("contract %s is not a vault of this version:"+
			" it calls itself %v %v at %s", v.config.Vault, values[1], values[2], d.Vault)
	}
	token, err := v.ask(ctx, vaultABI, v.config.Vault, "token")
	if err != nil {
		return Domain{}, err
	}
	if got := marketplace.Address(token[0].(common.Address)); got != v.config.Token {
		return Domain{}, marketplace.Conflict.Errorf("vault %s holds token %s, not %s",
			v.config.Vault, got, v.config.Token)
	}
	v.domain.Store(&d)
	return d, nil
}

// TRX returns the sun that an account holds. Zero may also mean that it was never activated.
func (v *Vault) TRX(ctx context.Context, a marketplace.Address) (int64, error) {
	account, err := v.solid.GetAccount(ctx, &core.Account{Address: a.Tron()})
	if err != nil {
		return 0, unreachable("ask for TRX", err)
	}
	return account.GetBalance(), nil
}
