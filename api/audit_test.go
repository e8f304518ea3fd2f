package api

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// signed returns an auditor's report that a lease passed.
func signed(t *testing.T, k escrow.Key, lease, epoch int64, at time.Time) marketplace.Report {
	t.Helper()
	rep := marketplace.Report{Lease: lease, Epoch: epoch, Auditor: k.Address(),
		Outcome: marketplace.Pass, Tries: []marketplace.Outcome{marketplace.Pass},
		Answers: []marketplace.Answer{
			{Piece: 1, Block: 3, Outcome: marketplace.Pass, TookMS: 11, Hash: marketplace.Hash{1}},
			{Piece: 2, Block: marketplace.WholePiece, Outcome: marketplace.Timeout, TookMS: 12},
		},
		Bytes: 32768, Wire: 33000, TookMS: 12, At: at.UTC().Truncate(time.Microsecond)}
	var err error
	rep.Signature, err = k.SignText(rep.Text())
	must(t, err)
	return rep
}

// proving returns a lease that awaits its first audit, and the poster's client.
func (r *rig) proving() (marketplace.Lease, *client.Client) {
	r.t.Helper()
	ctx := r.t.Context()
	poster, agent := newKey(r.t), newKey(r.t)
	r.fund(poster.Address(), marketplace.BTT(100_000))
	c, a := r.as(poster), r.as(agent)
	tor, err := c.AddTorrent(ctx, metainfoOf("a"))
	must(r.t, err)
	b, err := c.PostBounty(ctx, "", bountyOf(tor.Infohash))
	must(r.t, err)
	o, err := a.PutOffer(ctx, offerTerms(agent.Address()))
	must(r.t, err)
	l := r.fill(b, o)
	_, err = a.Accept(ctx, l.ID)
	must(r.t, err)
	l, err = a.Ready(ctx, l.ID)
	must(r.t, err)
	return l, c
}

// openEpoch opens an audit epoch at a moment in it, with more auditors than the market's.
func (r *rig) openEpoch(epoch int64, now time.Time, more ...marketplace.Address) {
	r.t.Helper()
	before := r.server.info.Rules.EpochStart(epoch).Add(-time.Second)
	must(r.t, r.book.Promise(r.t.Context(), epoch, marketplace.Hash{9}, before))
	must(r.t, r.book.OpenEpoch(r.t.Context(), marketplace.AuditEpoch{Epoch: epoch, Block: epoch,
		Hash: marketplace.Hash{7}, Secret: marketplace.Hash{8}, Commit: marketplace.Hash{9},
		Auditors: marketplace.SignersPanel(slices.Concat(r.server.info.Auditors, more))}, now))
}

func TestOnlyAuditorsReportAndOnlyInTheirOwnName(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, poster := r.proving()
	now := time.Now()
	epoch := r.server.info.Rules.EpochAt(now)
	r.openEpoch(epoch, now)
	first, second := r.as(r.auditors[0]), r.as(r.auditors[1])
	good := signed(t, r.auditors[0], l.ID, epoch, now)

	wantKind(t, r.visitor().Report(t.Context(), good), marketplace.Unauthorized)
	wantKind(t, poster.Report(t.Context(), good), marketplace.Forbidden)
	wantKind(t, second.Report(t.Context(), good), marketplace.Forbidden)
	forged := good
	forged.Outcome = marketplace.BadData
	wantKind(t, first.Report(t.Context(), forged), marketplace.Invalid)
	must(t, first.Report(t.Context(), good))
	reports, err := first.Reports(t.Context(), l.ID, epoch)
	if err != nil || len(reports) != 1 || reports[0].Text() != good.Text() ||
		reports[0].Signature != good.Signature {
		t.Errorf("%+v %v, want %+v", reports, err, good)
	}
	_, err = poster.Drafts(t.Context())
	wantKind(t, err, marketplace.Forbidden)
}

func TestOnlyAuditorsThatWereDrawnReport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	now := time.Now()
	epoch := r.server.info.Rules.EpochAt(now)
	fourth := newKey(t)
	r.openEpoch(epoch, now, fourth.Address())
	refused := 0
	for _, k := range append(r.auditors, fourth) {
		err := r.as(k).Report(t.Context(), signed(t, k, l.ID, epoch, now))
		if errors.Is(err, marketplace.Forbidden) {
			refused++
		} else {
			must(t, err)
		}
	}
	if refused != 1 {
		t.Errorf("%d of four auditors were refused where three are drawn", refused)
	}
}

func TestNobodyReadsReportsThatCouldStillBeCopied(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	rules := r.server.info.Rules
	open := rules.EpochAt(time.Now()) + 1000 // far from over
	told := func(c *client.Client) int {
		t.Helper()
		all, err := c.EpochReports(t.Context(), open)
		must(t, err)
		return len(all)
	}
	now := rules.EpochStart(open)
	r.openEpoch(open, now)
	for _, k := range r.auditors[:2] {
		must(t, r.book.SaveReport(t.Context(), signed(t, k, l.ID, open, now), now))
	}
	if n := told(r.visitor()); n != 0 {
		t.Errorf("a visitor reads %d reports", n)
	}
	if n := told(r.as(r.auditors[2])); n != 0 {
		t.Errorf("an auditor that has yet to report reads %d reports", n)
	}
	if n := told(r.as(r.auditors[0])); n != 1 {
		t.Errorf("an author reads %d reports, want its own", n)
	}
	over := rules.EpochStart(open + 1).Add(rules.ReportSlack.Duration())
	_, err := r.book.JudgeEpochs(t.Context(), over)
	must(t, err)
	late := signed(t, r.auditors[2], l.ID, open, over)
	wantKind(t, r.book.SaveReport(t.Context(), late, over), marketplace.Conflict)
	if n := told(r.visitor()); n != 2 {
		t.Errorf("afterwards a visitor reads %d reports", n)
	}
}

func TestEveryReportOfAnEpochIsOnSomePage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	rules := r.server.info.Rules
	epoch := rules.EpochAt(time.Now()) - 2
	now := rules.EpochStart(epoch)
	r.openEpoch(epoch, now)
	for _, k := range r.auditors {
		must(t, r.book.SaveReport(t.Context(), signed(t, k, l.ID, epoch, now), now))
	}
	_, err := r.book.JudgeEpochs(t.Context(), time.Now())
	must(t, err)
	path := r.web.URL + "/v1/reports?limit=2&epoch=" + itoa(int(epoch))
	authors := map[marketplace.Address]bool{}
	next := "&"
	for range len(r.auditors) {
		_, body := ask(t, "GET", path+next, "")
		var page struct {
			Items []marketplace.Report
			Next  string
		}
		must(t, json.Unmarshal([]byte(body), &page))
		for _, rep := range page.Items {
			authors[rep.Auditor] = true
		}
		if page.Next == "" {
			break
		}
		next = "&after=" + page.Next
	}
	if len(authors) != len(r.auditors) {
		t.Errorf("the pages have reports of %d auditors, want %d", len(authors), len(r.auditors))
	}
}

func TestAnEpochsSecretIsForAuditorsUntilItIsOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rules := r.server.info.Rules
	epoch := rules.EpochAt(time.Now()) + 1000 // far from over
	r.openEpoch(epoch, rules.EpochStart(epoch))
	old := rules.EpochAt(time.Now()) - 1
	r.openEpoch(old, rules.EpochStart(old))
	read := func(c *client.Client, epoch int64) marketplace.Hash {
		t.Helper()
		e, err := c.AuditEpoch(t.Context(), epoch)
		must(t, err)
		return e.Secret
	}
	if s := read(r.visitor(), epoch); !s.IsZero() {
		t.Errorf("a visitor knows the secret %s", s)
	}
	if s := read(r.as(newKey(t)), epoch); !s.IsZero() {
		t.Errorf("an agent knows the secret %s", s)
	}
	if s := read(r.as(r.auditors[2]), epoch); s != (marketplace.Hash{8}) {
		t.Errorf("an auditor reads %s", s)
	}
	if s := read(r.visitor(), old); s != (marketplace.Hash{8}) {
		t.Errorf("afterwards all read %s", s)
	}
	_, body := ask(t, "GET", r.web.URL+"/v1/audit/epochs/"+itoa(int(epoch)), "")
	if strings.Contains(body, "secret") || !strings.Contains(body, `"leases":[]`) {
		t.Errorf("%s", body)
	}
}

func TestSecretsArePromisedToEverybodyBeforeTheyAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rules := r.server.info.Rules
	open := rules.EpochAt(time.Now()) + 1000 // far from over
	old := rules.EpochAt(time.Now()) - 1
	r.openEpoch(open, rules.EpochStart(open))
	r.openEpoch(old, rules.EpochStart(old))
	all, err := r.as(r.auditors[0]).Promises(t.Context())
	if err != nil || len(all) != 2 || all[0].Epoch != open || all[1].Epoch != old {
		t.Fatalf("%+v %v", all, err)
	}
	if !all[0].Secret.IsZero() || all[1].Secret != (marketplace.Hash{8}) {
		t.Errorf("%+v", all)
	}
	for _, p := range all {
		if p.Commit != (marketplace.Hash{9}) || !rules.InTime(p) {
			t.Errorf("%+v", p)
		}
	}
	before, err := r.visitor().AuditEpoch(t.Context(), old)
	must(t, err)
	r.openEpoch(old+1, rules.EpochStart(old+1))
	after, err := r.visitor().AuditEpoch(t.Context(), old)
	if err != nil || before.Next != nil || after.Next == nil || after.Next.Epoch != old+1 ||
		after.Next.Commit != (marketplace.Hash{9}) || !after.PromisedAt.Before(rules.EpochStart(old)) {
		t.Errorf("%+v %v", after, err)
	}
}

func TestAChequeIsSignedByAQuorumOfAuditors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, poster := r.proving()
	rules := r.server.info.Rules
	first := rules.EpochAt(time.Now())
	for epoch := first; epoch < first+3; epoch++ { // three passed epochs: the last two are paid
		now := rules.EpochStart(epoch)
		r.openEpoch(epoch, now)
		for _, k := range r.auditors[:2] {
			must(t, r.book.SaveReport(t.Context(), signed(t, k, l.ID, epoch, now), now))
		}
		_, err := r.book.JudgeEpochs(t.Context(), rules.EpochStart(epoch+1).Add(
			rules.ReportSlack.Duration()))
		must(t, err)
	}
	one, two := r.as(r.auditors[0]), r.as(r.auditors[1])
	drafts, err := one.Drafts(t.Context())
	must(t, err)
	if len(drafts) == 0 {
		t.Fatal("nothing is owed")
	}
	d := drafts[0]
	foreign, err := newKey(t).SignCheque(r.server.domain, d.Cheque)
	must(t, err)
	_, err = one.SignCheque(t.Context(), d.ID, foreign)
	wantKind(t, err, marketplace.Invalid)
	_, err = poster.SignCheque(t.Context(), d.ID, foreign)
	wantKind(t, err, marketplace.Forbidden)

	mine, err := r.auditors[0].SignCheque(r.server.domain, d.Cheque)
	must(t, err)
	sc, err := one.SignCheque(t.Context(), d.ID, mine)
	if err != nil || sc.State != marketplace.ChequeOwed || len(sc.Signatures) != 1 {
		t.Fatalf("%+v %v", sc, err)
	}
	_, err = two.SignCheque(t.Context(), d.ID, mine)
	wantKind(t, err, marketplace.Invalid)
	theirs, err := r.auditors[1].SignCheque(r.server.domain, d.Cheque)
	must(t, err)
	sc, err = two.SignCheque(t.Context(), d.ID, theirs)
	if err != nil || sc.State != marketplace.ChequeSigned || len(sc.Signers) != 2 {
		t.Fatalf("%+v %v", sc, err)
	}
	again, err := two.SignCheque(t.Context(), d.ID, theirs) // its answer may have been lost
	if err != nil || again.State != marketplace.ChequeSigned || len(again.Signatures) != 2 {
		t.Errorf("signed again: %+v %v", again, err)
	}
	cheques, err := r.visitor().Cheques(t.Context(), client.ChequeFilter{Payee: d.Cheque.To,
		State: marketplace.ChequeSigned})
	if err != nil || len(cheques) != 1 || cheques[0].ID != d.ID || len(cheques[0].Signatures) != 2 {
		t.Errorf("%+v %v", cheques, err)
	}
	proofs, err := r.visitor().Proofs(t.Context(), client.ProofFilter{Lease: l.ID})
	if err != nil || len(proofs) != 3 {
		t.Errorf("%+v %v", proofs, err)
	}
}

func TestWhatEverybodyMayRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	v, ctx := r.visitor(), t.Context()
	info, err := v.Rules(ctx)
	if err != nil || info.Vault != r.server.info.Vault || info.Rules != r.server.info.Rules {
		t.Errorf("%+v %v", info, err)
	}
	m, err := v.Market(ctx)
	if err != nil || m.Offers != 1 || m.Leased != 1 || m.Wanted != 2 {
		t.Errorf("%+v %v", m, err)
	}
	calls, err := v.Calls(ctx)
	if err != nil || len(calls) != 1 {
		t.Fatalf("%+v %v", calls, err)
	}
	if c, err := v.Call(ctx, calls[0].ID); err != nil || len(c.Fills) != 1 {
		t.Errorf("%+v %v", c, err)
	}
	offers, err := v.Offers(ctx)
	if err != nil || len(offers) != 1 {
		t.Fatalf("%+v %v", offers, err)
	}
	if o, err := v.Offer(ctx, offers[0].ID); err != nil || o.Agent != l.Agent {
		t.Errorf("%+v %v", o, err)
	}
	if one, err := v.Lease(ctx, l.ID); err != nil || one.State != marketplace.Proving {
		t.Errorf("%+v %v", one, err)
	}
	if lines, err := v.Statement(ctx, l.Poster, client.StatementFilter{}); err != nil || len(lines) < 2 {
		t.Errorf("%+v %v", lines, err)
	}
	if s, err := v.Solvency(ctx); err != nil || s.Reserved.IsZero() {
		t.Errorf("%+v %v", s, err)
	}
	if resp, body := ask(t, "GET", r.web.URL+"/readyz", ""); !strings.HasPrefix(body, "ready") {
		t.Errorf("%s %s", resp.Status, body)
	}
	_, body := ask(t, "GET", r.web.URL+"/metrics", "")
	for _, want := range []string{"market_http_streams 0", "market_replicas_replaced 0",
		`market_replacement_seconds{of="p90"} 0`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	_, body = ask(t, "GET", r.web.URL+"/v1/rules", "")
	var raw map[string]any
	if json.Unmarshal([]byte(body), &raw) != nil || raw["rules"].(map[string]any)["epoch"] != "5s" {
		t.Errorf("%s", body)
	}
}
