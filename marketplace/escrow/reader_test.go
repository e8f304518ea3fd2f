package escrow_test

import (
	"context"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// failures are the ways in which a node answers a call that failed, or answers half.
var failures = map[string]func(*api.TransactionExtention){
	"reverted, as a node tells it": func(out *api.TransactionExtention) {
		out.ConstantResult = [][]byte{nil}
		out.Result.Message = []byte("REVERT opcode executed")
		out.Transaction.Ret[0].Ret = core.Transaction_Result_FAILED
	},
	"only the message": func(out *api.TransactionExtention) {
		out.ConstantResult = [][]byte{make([]byte, 32)}
		out.Result.Message = []byte("Not enough energy")
	},
	"only the ret": func(out *api.TransactionExtention) {
		out.ConstantResult = [][]byte{make([]byte, 32)}
		out.Transaction.Ret[0].Ret = core.Transaction_Result_FAILED
	},
	"an error code": func(out *api.TransactionExtention) {
		out.Result = &api.Return{Code: api.Return_CONTRACT_EXE_ERROR}
	},
	"no result":    func(out *api.TransactionExtention) { out.Result = nil },
	"empty answer": func(out *api.TransactionExtention) { out.ConstantResult = [][]byte{nil} },
	"no answer":    func(out *api.TransactionExtention) { out.ConstantResult = nil },
	"half a word": func(out *api.TransactionExtention) {
		out.ConstantResult[0] = out.ConstantResult[0][:16]
	},
}

// readers are all that ask a contract.
var readers = map[string]func(context.Context, *escrow.Vault) (any, error){
	"Balance": func(ctx context.Context, v *escrow.Vault) (any, error) {
		return v.Balance(ctx, poster.Address())
	},
	"Obligations": func(ctx context.Context, v *escrow.Vault) (any, error) {
		return v.Obligations(ctx)
	},
	"Paid": func(ctx context.Context, v *escrow.Vault) (any, error) {
		return v.Paid(ctx, poster.Address(), marketplace.Hash{1}, payee.Address())
	},
	"TokenBalance": func(ctx context.Context, v *escrow.Vault) (any, error) {
		return v.TokenBalance(ctx, poster.Address())
	},
	"ThawOf": func(ctx context.Context, v *escrow.Vault) (any, error) {
		amount, _, err := v.ThawOf(ctx, poster.Address())
		return amount, err
	},
	"ThawPeriod": func(ctx context.Context, v *escrow.Vault) (any, error) {
		return v.ThawPeriod(ctx)
	},
	"MandateOf": func(ctx context.Context, v *escrow.Vault) (any, error) {
		return v.MandateOf(ctx, poster.Address(), marketplace.Hash{1})
	},
	"Domain": func(ctx context.Context, v *escrow.Vault) (any, error) {
		return v.Domain(ctx)
	},
	"Allowance": func(ctx context.Context, v *escrow.Vault) (any, error) {
		return v.Allowance(ctx, poster.Address())
	},
	"BuildApprove": func(ctx context.Context, v *escrow.Vault) (any, error) {
		s, err := v.BuildApprove(ctx, poster, marketplace.BTT(1))
		return s.ID, err
	},
}
