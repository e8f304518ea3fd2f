package api

import (
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// auditorTerms are signed terms of an auditor for ten leases an epoch.
func auditorTerms(t *testing.T, k escrow.Key) marketplace.AuditorTerms {
	t.Helper()
	terms := marketplace.AuditorTerms{Auditor: k.Address(), Capacity: 10,
		Payee: marketplace.Address{7}, Name: "a library", At: time.Now().UTC()}
	var err error
	terms.Signature, err = k.SignText(terms.Text())
	must(t, err)
	return terms
}

func TestAnAuditorRegistersItselfAndTheOperatorAdmitsIt(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	key := newKey(t)
	self, terms := r.as(key), auditorTerms(t, key)

	other := auditorTerms(t, newKey(t))
	_, err := self.RegisterAuditor(ctx, other)
	wantKind(t, err, marketplace.Forbidden)
	forged := terms
	forged.Payee = marketplace.Address{8}
	_, err = self.RegisterAuditor(ctx, forged)
	wantKind(t, err, marketplace.Invalid)

	got, err := self.RegisterAuditor(ctx, terms)
	must(t, err)
	if got.State != marketplace.Applied || got.Signs || got.Terms.Text() != terms.Text() {
		t.Errorf("%+v", got)
	}
	_, err = self.SetAuditorState(ctx, marketplace.Admitted)
	wantKind(t, err, marketplace.Forbidden)
	_, err = r.book.MoveAuditor(ctx, key.Address(), marketplace.Admitted, "", time.Now())
	must(t, err)
	_, err = self.SetAuditorState(ctx, marketplace.PausedAuditor)
	must(t, err)
	got, err = self.SetAuditorState(ctx, marketplace.Admitted)
	must(t, err)
	known, err := r.visitor().Auditor(ctx, key.Address())
	must(t, err)
	if got.State != marketplace.Admitted || known.State != got.State {
		t.Errorf("%s, to others %s", got.State, known.State)
	}
	_, err = self.Drafts(ctx)
	wantKind(t, err, marketplace.Forbidden)
}

func TestOldTermsOfAnAuditorReplaceNoNewerOnes(t *testing.T) {
	t.Parallel()
	r, ctx, key := newRig(t), t.Context(), newKey(t)
	self, first := r.as(key), auditorTerms(t, key)
	second := first
	second.Capacity, second.At = 20, first.At.Add(time.Second)
	var err error
	second.Signature, err = key.SignText(second.Text())
	must(t, err)
	_, err = self.RegisterAuditor(ctx, second)
	must(t, err)
	_, err = self.RegisterAuditor(ctx, second) // the answer was lost
	must(t, err)
	_, err = self.RegisterAuditor(ctx, first) // a copy from before
	wantKind(t, err, marketplace.Conflict)
}
