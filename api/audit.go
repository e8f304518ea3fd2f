package api

import (
	"context"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

type epochIn struct {
	Epoch int64 `path:"epoch" minimum:"0"`
}

// auditEpoch hides an epoch's secret until the epoch is over: who knows it knows which pieces
// will be asked for.
func (s *Server) auditEpoch(ctx context.Context, in *epochIn) (marketplace.AuditEpoch, error) {
	e, err := s.Book.AuditEpoch(ctx, in.Epoch)
	if err != nil {
		return e, err
	}
	over := !time.Now().Before(s.info.Rules.EpochStart(in.Epoch + 1))
	if !over && !sits(e, callerOf(ctx).account) {
		e.Secret = marketplace.Hash{}
	}
	return e, nil
}

// sits says whether an account is on the panel of an epoch.
func sits(e marketplace.AuditEpoch, who marketplace.Address) bool {
	return slices.ContainsFunc(e.Auditors, func(s marketplace.Seat) bool { return s.Auditor == who })
}

// promises lists what was promised of epochs' secrets, and the secrets of those that are over.
func (s *Server) promises(ctx context.Context, in *Paging) (page[marketplace.Promise], error) {
	return numbered(ctx, *in, func(
		ctx context.Context, p orderbook.Page,
	) ([]marketplace.Promise, error) {
		all, err := s.Book.Promises(ctx, p)
		for i := range all {
			if time.Now().Before(s.info.Rules.EpochStart(all[i].Epoch + 1)) {
				all[i].Secret = marketplace.Hash{}
			}
		}
		return all, err
	}, func(p marketplace.Promise) int64 { return p.Epoch })
}

type reportBody struct{ Body marketplace.Report }

func (s *Server) report(ctx context.Context, in *reportBody) (marketplace.Report, error) {
	r := in.Body
	if r.Auditor != callerOf(ctx).account {
		return r, marketplace.Forbidden.Errorf("the report is by %s; hand in your own", r.Auditor)
	}
	signer, err := escrow.RecoverText(r.Text(), r.Signature)
	if err != nil || signer != r.Auditor {
		return r, &marketplace.Error{Kind: marketplace.Invalid, Field: "signature",
			Detail: "is not " + r.Auditor.String() + "'s over this report"}
	}
	return r, s.Book.SaveReport(ctx, r, time.Now())
}

func (s *Server) drafts(ctx context.Context, _ *struct{}) (page[marketplace.Draft], error) {
	drafts, err := s.Book.Drafts(ctx, callerOf(ctx).account)
	return page[marketplace.Draft]{Items: drafts}, err
}

type signatureBody struct {
	ByID
	Body struct {
		Signature marketplace.Signature `json:"signature" doc:"Over the cheque's TIP-712 digest"`
	} `nameHint:"SignatureBody"`
}

// signCheque takes only a signature that the vault would take.
func (s *Server) signCheque(
	ctx context.Context, in *signatureBody,
) (marketplace.SignedCheque, error) {
	self := callerOf(ctx).account
	draft, err := s.Book.Cheque(ctx, in.ID)
	if err != nil {
		return draft, err
	}
	signer, err := escrow.RecoverCheque(s.domain, draft.Cheque, in.Body.Signature)
	if err != nil || signer != self {
		return draft, &marketplace.Error{Kind: marketplace.Invalid, Field: "signature",
			Detail: "is not " + self.String() + "'s over this cheque as it stands now"}
	}
	return s.Book.SignCheque(ctx, in.ID, self, in.Body.Signature, time.Now())
}
