package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

type carryBody struct {
	Body struct {
		marketplace.Carry
		marketplace.CarrierWish
	} `nameHint:"CarryBody"`
}

// carry draws whose line is lent for an auditor's visit, and has that agent told. Each carry is signed, so
// that no agent need believe the market that an auditor wants it. An auditor gets carriers for the leases that it is
// drawn for, and few: who is asked calls it, so by many it would learn where everybody lives, and have lines
// lent for nothing.
func (s *Server) carry(ctx context.Context, in *carryBody) (out marketplace.Carrier, err error) {
	self, err := s.auditing(ctx)
	if err != nil {
		return out, err
	}
	c, now := in.Body.Carry, time.Now()
	if c.Auditor != self {
		return out, marketplace.Forbidden.Errorf("the carry is of %s; ask for your own visits", c.Auditor)
	}
	if k := s.info.Rules.EpochAt(now); c.Epoch < k-1 || c.Epoch > k {
		return out, &marketplace.Error{Kind: marketplace.Invalid, Field: "epoch", Detail: "is over, or did not begin"}
	}
	if signer, err := escrow.RecoverText(c.Text(), c.Signature); err != nil || signer != self {
		return out, &marketplace.Error{Kind: marketplace.Invalid, Field: "signature",
			Detail: "is not " + self.String() + "'s over this carry"}
	}
	to, err := s.leads(ctx, c.Door)
	if err != nil {
		return out, err
	}
	c.Door = to.String()
	drawn, err := s.Book.Drawn(ctx, c.Epoch)
	if err != nil {
		return out, err
	}
	if !slices.Contains(drawn[c.Lease], self) {
		return out, marketplace.Forbidden.Errorf("lease %d is not yours to audit in epoch %d", c.Lease, c.Epoch)
	}
	if err := s.carries.spend(visitOf(ctx).header, fmt.Sprint(self, c.Lease), now); err != nil {
		return out, err
	}
	if out, err = s.Book.Carry(ctx, c, in.Body.CarrierWish, now); err == nil {
		s.hub.notify()
	}
	return out, err
}
