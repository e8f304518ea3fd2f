package escrow

import (
	"context"

	"github.com/everseed/everseed/marketplace"
)

// A payee who keeps its money elsewhere signs a payout: this cheque, when it is brought with this
// signature, pays that recipient. A cheque pays once, so the signature cannot be used again; and
// whoever has the cheque alone can still redeem it to the payee.

var payoutType = keccak([]byte("Payout(bytes32 cheque,address recipient)"))

// PayoutDigest returns what the payee of a cheque signs to have it pay a recipient (TIP-712).
func (d Domain) PayoutDigest(c marketplace.Cheque, recipient marketplace.Address) [32]byte {
	cheque, to := d.Digest(c), addressWord(recipient)
	return d.digest(keccak(payoutType[:], cheque[:], to[:]))
}

// SignPayout signs, as the payee of a cheque, that it pays a recipient.
func (k Key) SignPayout(
	d Domain, c marketplace.Cheque, recipient marketplace.Address,
) (marketplace.Signature, error) {
	if err := d.check(); err != nil {
		return marketplace.Signature{}, err
	}
	if c.To != k.Address() {
		return marketplace.Signature{}, marketplace.Invalid.Errorf("cheque pays %s, and %s cannot"+
			" send its money elsewhere", c.To, k.Address())
	}
	if recipient.IsZero() || recipient == d.Vault {
		return marketplace.Signature{}, marketplace.Invalid.Errorf("tokens paid to %q would be lost",
			recipient)
	}
	return k.sign(d.PayoutDigest(c, recipient))
}

// BuildRedeemTo stages the redemption of a cheque to the recipient that its payee signed for.
// What it pays is booked as paid to the payee.
func (v *Vault) BuildRedeemTo(
	ctx context.Context, key Key, c marketplace.Cheque, all []marketplace.Signature,
	recipient marketplace.Address, payee marketplace.Signature,
) (Staged, error) {
	domain, err := v.Domain(ctx)
	if err != nil {
		return Staged{}, err
	}
	by, err := recoverSigner(domain.PayoutDigest(c, recipient), payee)
	if err != nil {
		return Staged{}, err
	}
	if by != c.To {
		return Staged{}, marketplace.Conflict.Errorf("payout of a cheque to %s is signed by %s",
			c.To, by)
	}
	return v.buildRedeem(ctx, key, "redeemTo", c, all, ethOf(recipient), payee[:])
}
