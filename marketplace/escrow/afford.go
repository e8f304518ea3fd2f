package escrow

import (
	"context"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/everseed/everseed/marketplace"
)

// Afford says whether an account can pay a fee in sun, from its TRX, from what it has staked and
// from the bytes that are free for all. A transaction that cannot be paid for is worse than none: it
// runs out of energy, and burns all there is for nothing.
func (v *Vault) Afford(ctx context.Context, a marketplace.Address, fee int64) error {
	have, err := v.TRX(ctx, a)
	if err != nil || have >= fee {
		return err
	}
	staked, err := v.staked(ctx, a)
	if err != nil || have+staked >= fee {
		return err
	}
	return because(CauseTRX, marketplace.Insufficient.Errorf("%s has %.2f TRX for fees; it takes"+
		" about %.2f", a, float64(have+staked)/Sun, float64(fee)/Sun))
}

// staked returns the sun that an account need not burn, because it has energy and bytes left.
func (v *Vault) staked(ctx context.Context, a marketplace.Address) (int64, error) {
	r, err := v.full.GetAccountResource(ctx, &core.Account{Address: a.Tron()})
	if status.Code(err) == codes.Unimplemented {
		return 0, nil // a chain without staking
	}
	if err != nil {
		return 0, unreachable("ask for staked energy", err)
	}
	p, err := v.prices(ctx)
	if err != nil {
		return 0, err
	}
	energy := max(0, r.GetEnergyLimit()-r.GetEnergyUsed())
	bytes := max(0, r.GetNetLimit()-r.GetNetUsed()) + max(0, r.GetFreeNetLimit()-r.GetFreeNetUsed())
	return energy*p.energy + bytes*p.net, nil
}
