package escrow

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/everseed/everseed/marketplace"
)

// BuildApprove stages the permission for the vault to take up to an amount of the key's tokens.
func (v *Vault) BuildApprove(
	ctx context.Context, key Key, amount marketplace.Amount,
) (Staged, error) {
	data := pack(tokenABI, "approve", ethOf(v.config.Vault), bigOf(amount))
	return v.stageCall(ctx, key, v.config.Token, data)
}

// Allowance returns what the vault may still take of an account's tokens, as of the head.
func (v *Vault) Allowance(
	ctx context.Context, a marketplace.Address,
) (marketplace.Amount, error) {
	data := pack(tokenABI, "allowance", ethOf(a), ethOf(v.config.Vault))
	answer, _, err := call(ctx, v.full.TriggerConstantContract, nobody, v.config.Token, data)
	if err != nil {
		return marketplace.Amount{}, fmt.Errorf("ask allowance: %w", err)
	}
	values, err := tokenABI.Unpack("allowance", answer)
	if err != nil {
		return marketplace.Amount{}, fmt.Errorf("read allowance: %w", err)
	}
	if n, ok := values[0].(interface{ BitLen() int }); ok && n.BitLen() > 128 {
		return marketplace.AmountFromBytes(bytes.Repeat([]byte{0xff}, 16)) // as good as no limit
	}
	return amountOf(values[0])
}

// BuildDeposit stages a deposit to an account in the vault, the key's own if account is nobody.
func (v *Vault) BuildDeposit(
	ctx context.Context, key Key, account marketplace.Address, amount marketplace.Amount,
) (Staged, error) {
	data := pack(vaultABI, "deposit", bigOf(amount))
	if !account.IsZero() && account != key.Address() {
		data = pack(vaultABI, "depositFor", ethOf(account), bigOf(amount))
	}
	return v.stageCall(ctx, key, v.config.Vault, data)
}

// BuildOpenMandate stages a mandate of the key's account. The signers may come in any order.
func (v *Vault) BuildOpenMandate(
	ctx context.Context, key Key, m marketplace.Mandate,
) (Staged, error) {
	args, err := mandateArgs(m)
	if err != nil {
		return Staged{}, err
	}
	return v.stageCall(ctx, key, v.config.Vault, pack(vaultABI, "openMandate", args...))
}

// BuildDepositAndOpen stages a deposit and a mandate in one transaction.
func (v *Vault) BuildDepositAndOpen(
	ctx context.Context, key Key, amount marketplace.Amount, m marketplace.Mandate,
) (Staged, error) {
	args, err := mandateArgs(m)
	if err != nil {
		return Staged{}, err
	}
	args = append([]any{bigOf(amount)}, args...)
	return v.stageCall(ctx, key, v.config.Vault, pack(vaultABI, "depositAndOpen", args...))
}

// mandateArgs puts the signers in the ascending order that the contract wants.
func mandateArgs(m marketplace.Mandate) ([]any, error) {
	if m.Threshold < 1 || m.Threshold > len(m.Signers) || len(m.Signers) > 32 {
		return nil, marketplace.Invalid.Errorf("mandate asks %d of %d signers; it needs 1 to all"+
			" of at most 32", m.Threshold, len(m.Signers))
	}
	signers := slices.SortedFunc(slices.Values(m.Signers), compare)
	if signers[0].IsZero() || len(slices.Compact(slices.Clone(signers))) != len(signers) {
		return nil, marketplace.Invalid.Errorf("mandate names nobody, or a signer twice")
	}
	if m.Expiry.Unix() <= 0 {
		return nil, marketplace.Invalid.Errorf("mandate has no expiry")
	}
	// #nosec G115 -- both are bounded above
	return []any{[32]byte(m.ID), ethsOf(signers), uint8(m.Threshold), bigOf(m.Cap),
		uint64(m.Expiry.Unix())}, nil
}

func compare(a, b marketplace.Address) int { return bytes.Compare(a[:], b[:]) }

// BuildRedeem stages the redemption of a cheque, all that is due or nothing. Any key may bring it.
// Of the signatures those are taken that the mandate asks for.
func (v *Vault) BuildRedeem(
	ctx context.Context, key Key, c marketplace.Cheque, all []marketplace.Signature,
) (Staged, error) {
	return v.buildRedeem(ctx, key, "redeem", c, all)
}

// BuildRedeemUpTo is BuildRedeem for what there is, when that is less than what is due.
func (v *Vault) BuildRedeemUpTo(
	ctx context.Context, key Key, c marketplace.Cheque, all []marketplace.Signature,
) (Staged, error) {
	return v.buildRedeem(ctx, key, "redeemUpTo", c, all)
}

func (v *Vault) buildRedeem(
	ctx context.Context, key Key, method string, c marketplace.Cheque, all []marketplace.Signature,
	more ...any,
) (Staged, error) {
	domain, err := v.Domain(ctx)
	if err != nil {
		return Staged{}, err
	}
	m, err := v.MandateOf(ctx, c.From, c.Mandate)
	if err != nil {
		return Staged{}, err
	}
	signatures, err := quorum(domain, c, all, m)
	if err != nil {
		return Staged{}, err
	}
	args := append([]any{ethOf(c.From), [32]byte(c.Mandate), ethOf(c.To), bigOf(c.Cumulative),
		c.Bytes, signatures}, more...)
	return v.stageCall(ctx, key, v.config.Vault, pack(vaultABI, method, args...))
}

// quorum returns as many of the signatures as the mandate asks, by its signers in ascending order,
// in one string of bytes.
func quorum(
	d Domain, c marketplace.Cheque, all []marketplace.Signature, m marketplace.Mandate,
) ([]byte, error) {
	if m.Threshold == 0 {
		return nil, marketplace.NotFound.Errorf("mandate %s of %s is not in the vault", m.ID, c.From)
	}
	by := map[marketplace.Address]marketplace.Signature{}
	for _, s := range all {
		signer, err := RecoverCheque(d, c, s)
		if err == nil && slices.Contains(m.Signers, signer) {
			by[signer] = s
		}
	}
	if len(by) < m.Threshold {
		return nil, marketplace.Conflict.Errorf("cheque has %d of the %d signatures that its mandate"+
			" asks", len(by), m.Threshold)
	}
	var out []byte
	for _, signer := range m.Signers { // ascending, as the contract keeps them
		if s, ok := by[signer]; ok && len(out) < m.Threshold*len(s) {
			out = append(out, s[:]...)
		}
	}
	return out, nil
}

// BuildRevoke stages the end of one of the key's mandates, a thaw period from now. The vault refuses
// it where the mandate ends by then anyway.
func (v *Vault) BuildRevoke(ctx context.Context, key Key, id marketplace.Hash) (Staged, error) {
	return v.stageCall(ctx, key, v.config.Vault, pack(vaultABI, "revokeMandate", [32]byte(id)))
}

// BuildThaw stages the announcement that an amount will be withdrawn.
func (v *Vault) BuildThaw(
	ctx context.Context, key Key, amount marketplace.Amount,
) (Staged, error) {
	return v.stageCall(ctx, key, v.config.Vault, pack(vaultABI, "thaw", bigOf(amount)))
}

// BuildCancelThaw stages the end of a thaw without a withdrawal.
func (v *Vault) BuildCancelThaw(ctx context.Context, key Key) (Staged, error) {
	return v.stageCall(ctx, key, v.config.Vault, pack(vaultABI, "cancelThaw"))
}

// BuildWithdraw stages the withdrawal of what has thawed.
func (v *Vault) BuildWithdraw(ctx context.Context, key Key) (Staged, error) {
	return v.stageCall(ctx, key, v.config.Vault, pack(vaultABI, "withdraw"))
}

// BuildTransferBTT stages a transfer of tokens outside the vault. BTT itself would let them go to
// nobody, or to its own contract.
func (v *Vault) BuildTransferBTT(
	ctx context.Context, key Key, to marketplace.Address, amount marketplace.Amount,
) (Staged, error) {
	if to.IsZero() || to == v.config.Token || to == v.config.Vault {
		return Staged{}, marketplace.Invalid.Errorf("tokens sent to %q would be lost", to)
	}
	data := pack(tokenABI, "transfer", ethOf(to), bigOf(amount))
	return v.stageCall(ctx, key, v.config.Token, data)
}

// BuildTransferTRX stages a transfer of TRX in sun. The first one activates an account.
func (v *Vault) BuildTransferTRX(
	ctx context.Context, key Key, to marketplace.Address, sun int64,
) (Staged, error) {
	if to.IsZero() {
		return Staged{}, marketplace.Invalid.Errorf("TRX sent to nobody would be lost")
	}
	asked := &core.TransferContract{OwnerAddress: key.Address().Tron(), ToAddress: to.Tron(),
		Amount: sun}
	made, err := v.full.CreateTransaction2(ctx, asked)
	if err != nil {
		return Staged{}, unreachable("build transaction", err)
	}
	return v.stage(ctx, key, asked, core.Transaction_Contract_TransferContract, made, 0)
}
