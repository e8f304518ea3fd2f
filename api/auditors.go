package api

import (
	"context"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

type auditorBody struct{ Body marketplace.AuditorTerms }

// registerAuditor takes an auditor's signed terms. A session alone would not do: the terms say who
// is paid, and whoever pays wants to see who said so.
func (s *Server) registerAuditor(ctx context.Context, in *auditorBody) (marketplace.Auditor, error) {
	t := in.Body
	if t.Auditor != callerOf(ctx).account {
		return marketplace.Auditor{}, marketplace.Forbidden.Errorf("these are the terms of %s; register"+
			" yourself", t.Auditor)
	}
	signer, err := escrow.RecoverText(t.Text(), t.Signature)
	if err != nil || signer != t.Auditor {
		return marketplace.Auditor{}, &marketplace.Error{Kind: marketplace.Invalid, Field: "signature",
			Detail: "is not " + t.Auditor.String() + "'s over these terms"}
	}
	return s.Book.RegisterAuditor(ctx, t, time.Now())
}

type auditorStateBody struct {
	Body struct {
		State marketplace.AuditorState `json:"state" enum:"admitted,paused,left"`
	} `nameHint:"AuditorStateBody"`
}

// setAuditorState pauses, resumes or leaves. To be admitted is the operator's to say: only who was
// may resume.
func (s *Server) setAuditorState(ctx context.Context, in *auditorStateBody) (
	marketplace.Auditor, error) {
	self, to := callerOf(ctx).account, in.Body.State
	now, err := s.Book.Auditor(ctx, self)
	if err != nil {
		return now, err
	}
	if to == marketplace.Admitted && now.State != marketplace.PausedAuditor {
		return now, marketplace.Forbidden.Errorf("you are %s; the operator admits auditors", now.State)
	}
	return s.Book.MoveAuditor(ctx, self, to, "", time.Now())
}

type auditorsIn struct {
	Paging
	State marketplace.AuditorState `query:"state"`
}

func (s *Server) auditors(ctx context.Context, in *auditorsIn) (page[marketplace.Auditor], error) {
	return numbered(ctx, in.Paging, func(ctx context.Context, p orderbook.Page) (
		[]marketplace.Auditor, error) {
		return s.Book.Auditors(ctx, in.State, p)
	}, func(a marketplace.Auditor) int64 { return a.ID })
}

func (s *Server) auditor(ctx context.Context, in *ByAddress) (marketplace.Auditor, error) {
	return s.Book.Auditor(ctx, in.Address)
}

type shiftsIn struct {
	Paging
	Epoch   int64               `query:"epoch" minimum:"1"`
	Auditor marketplace.Address `query:"auditor"`
}

func (s *Server) shifts(ctx context.Context, in *shiftsIn) (page[marketplace.Shift], error) {
	filter := orderbook.ShiftFilter{Epoch: in.Epoch, Auditor: in.Auditor}
	return numbered(ctx, in.Paging, func(ctx context.Context, p orderbook.Page) (
		[]marketplace.Shift, error) {
		return s.Book.Shifts(ctx, filter, p)
	}, func(x marketplace.Shift) int64 { return x.ID })
}
