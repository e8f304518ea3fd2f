package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

type epochIn struct {
	Epoch int64 `path:"epoch" minimum:"0"`
}

// auditEpoch hides an epoch's secret until the epoch is over: who knows it knows who will ask whom for what, and
// when. Until then an auditor on its panel is told its own parts, which give away nothing of others', and where
// the agents of these leases serve. Nobody else is ever told that.
func (s *Server) auditEpoch(ctx context.Context, in *epochIn) (marketplace.AuditEpoch, error) {
	e, err := s.Book.AuditEpoch(ctx, in.Epoch)
	if err != nil {
		return e, err
	}
	over := !time.Now().Before(s.info.Rules.EpochStart(in.Epoch + 1))
	if who := callerOf(ctx).account; !over && e.Seats(who) {
		drawn, err := s.Book.Drawn(ctx, in.Epoch)
		if err != nil {
			return marketplace.AuditEpoch{}, err
		}
		e.Parts = audit.PartsOf(s.info.Rules, e, drawn, who)
	}
	visited := map[int64]bool{}
	for _, p := range e.Parts {
		visited[p.Lease] = true
	}
	for i := range e.Leases {
		if l := &e.Leases[i]; !visited[l.ID] {
			l.Peer = ""
		}
	}
	if !over {
		e.Secret = marketplace.Hash{}
	}
	return e, nil
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

type commitmentsBody struct {
	Body struct {
		Epoch       int64                    `json:"epoch" minimum:"0"`
		Commitments []marketplace.Commitment `json:"commitments" minItems:"1" maxItems:"1000"`
	} `nameHint:"CommitmentsBody"`
}

// commit takes what the caller was drawn for, and names the rest.
func (s *Server) commit(ctx context.Context, in *commitmentsBody) (out marketplace.HandIn, err error) {
	self := callerOf(ctx).account
	own := make([]marketplace.Commitment, 0, len(in.Body.Commitments))
	for _, c := range in.Body.Commitments {
		if c.Auditor == self {
			own = append(own, c)
			continue
		}
		out.Refused = append(out.Refused, marketplace.NotTaken{Lease: c.Lease, Epoch: c.Epoch,
			Kind: marketplace.Forbidden, Detail: fmt.Sprintf("the commitment is of %s; hand in your own",
				c.Auditor)})
	}
	refused, err := s.Book.Commit(ctx, in.Body.Epoch, own, time.Now())
	out.Taken, out.Refused = len(own)-len(refused), append(out.Refused, refused...)
	return out, err
}

type reportsBody struct {
	Body struct {
		Reports []marketplace.Report `json:"reports" minItems:"1" maxItems:"200"`
	} `nameHint:"ReportsBody"`
}

// reveal takes reports that open the caller's commitments, which only who was drawn could make.
func (s *Server) reveal(ctx context.Context, in *reportsBody) (out marketplace.HandIn, err error) {
	self := callerOf(ctx).account
	good := make([]marketplace.Report, 0, len(in.Body.Reports))
	for _, r := range in.Body.Reports {
		if no := notOf(self, r); no != nil {
			out.Refused = append(out.Refused, *no)
			continue
		}
		good = append(good, r)
	}
	refused, err := s.Book.SaveReports(ctx, good, time.Now())
	out.Taken, out.Refused = len(good)-len(refused), append(out.Refused, refused...)
	return out, err
}

// notOf says why a report is not the caller's own.
func notOf(self marketplace.Address, r marketplace.Report) *marketplace.NotTaken {
	no := marketplace.NotTaken{Lease: r.Lease, Epoch: r.Epoch}
	if r.Auditor != self {
		no.Kind, no.Detail = marketplace.Forbidden, fmt.Sprintf("the report is by %s; hand in your own",
			r.Auditor)
		return &no
	}
	if signer, err := escrow.RecoverText(r.Text(), r.Signature); err != nil || signer != r.Auditor {
		no.Kind, no.Detail = marketplace.Invalid, fmt.Sprintf("signature is not %s's over this report",
			r.Auditor)
		return &no
	}
	return nil
}

type reportsIn struct {
	Paging
	Lease int64 `query:"lease" minimum:"1"`
	Epoch int64 `query:"epoch" minimum:"1"`
}

func (s *Server) commitments(ctx context.Context, in *reportsIn) (page[marketplace.Commitment], error) {
	filter := orderbook.CommitmentFilter{Lease: in.Lease, Epoch: in.Epoch,
		Before: s.info.Rules.EpochAt(time.Now()), Reader: callerOf(ctx).account}
	return numbered(ctx, in.Paging, func(
		ctx context.Context, p orderbook.Page,
	) ([]marketplace.Commitment, error) {
		return s.Book.Commitments(ctx, filter, p)
	}, func(c marketplace.Commitment) int64 { return c.ID })
}

type trailIn struct {
	Lease int64 `path:"lease" minimum:"1"`
	Epoch int64 `path:"epoch" minimum:"1"`
}

// trail adds the plan to what the book knows, and those who were drawn and never came.
func (s *Server) trail(ctx context.Context, in *trailIn) (marketplace.Trail, error) {
	t, of, err := s.Book.Trail(ctx, in.Lease, in.Epoch)
	if err != nil || t.ClosedAt.IsZero() {
		t.Secret = marketplace.Hash{}
		return t, err
	}
	for _, v := range audit.PlanOf(s.info.Rules, of.Epoch, of.Lease, of.Drawn) {
		i := slices.IndexFunc(t.Visits, func(x marketplace.Visit) bool { return x.Auditor == v.Auditor })
		if i < 0 {
			i = len(t.Visits)
			t.Visits = append(t.Visits, marketplace.Visit{Auditor: v.Auditor})
		}
		t.Visits[i].Planned = v.Tries
	}
	return t, nil
}

type knownIn struct {
	Auditor  marketplace.Address  `query:"auditor" required:"true"`
	Infohash marketplace.Infohash `query:"infohash" required:"true"`
	Before   int64                `query:"before" required:"true" doc:"Epoch"`
	Pieces   []int                `query:"pieces" required:"true" minItems:"1" maxItems:"100"`
}

func (s *Server) known(ctx context.Context, in *knownIn) (page[marketplace.Report], error) {
	items, err := s.Book.KnownBefore(ctx, in.Auditor, in.Infohash, in.Before, in.Pieces)
	return page[marketplace.Report]{Items: items}, err
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
