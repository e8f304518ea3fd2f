package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
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
	l, _, c, a := r.reserved(marketplace.BTT(100_000))
	_, err := a.Accept(ctx, l.ID)
	must(r.t, err)
	l, err = a.Ready(ctx, l.ID, marketplace.Hash{1})
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

// commit lets auditors commit to reports when their epoch began.
func (r *rig) commit(all ...marketplace.Report) {
	r.t.Helper()
	for _, rep := range all {
		refused, err := r.book.Commit(r.t.Context(), rep.Epoch, []marketplace.Commitment{rep.Sealed()},
			r.server.info.Rules.EpochStart(rep.Epoch))
		if err != nil || len(refused) > 0 {
			r.t.Fatal(refused, err)
		}
	}
}

// save reveals a report at a moment, past the API, and returns why it was not taken.
func (r *rig) save(rep marketplace.Report, at time.Time) error {
	r.t.Helper()
	refused, err := r.book.SaveReports(r.t.Context(), []marketplace.Report{rep}, at)
	if err == nil && len(refused) > 0 {
		err = refused[0].Kind.Errorf("%s", refused[0].Detail)
	}
	return err
}

// said commits to a report and reveals it in time, past the API.
func (r *rig) said(rep marketplace.Report) {
	r.t.Helper()
	r.commit(rep)
	must(r.t, r.save(rep, r.server.info.Rules.CommitBy(rep.Epoch)))
}

// reveal hands one report in, and returns why it was not taken.
func reveal(t *testing.T, c *client.Client, rep marketplace.Report) error {
	t.Helper()
	refused, err := c.Reveal(t.Context(), []marketplace.Report{rep})
	if err == nil && len(refused) > 0 {
		err = refused[0].Kind.Errorf("%s", refused[0].Detail)
	}
	return err
}

func TestOnlyAuditorsReportAndOnlyInTheirOwnName(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, poster := r.proving()
	now := time.Now()
	epoch := r.server.info.Rules.EpochAt(now) - 1 // over, and all will have committed
	r.openEpoch(epoch, now)
	first, second := r.as(r.auditors[0]), r.as(r.auditors[1])
	windowed := func(w marketplace.Window) marketplace.Report {
		rep := signed(t, r.auditors[0], l.ID, epoch, now)
		rep.Window = &w
		var err error
		rep.Signature, err = r.auditors[0].SignText(rep.Text())
		must(t, err)
		return rep
	}
	good := windowed(marketplace.Window{Quiet: true, Served: true, ColdUS: 9000, WarmUS: 800, Bytes: 1 << 20, TookUS: 7})
	r.commit(good, signed(t, r.auditors[1], l.ID, epoch, now), signed(t, r.auditors[2], l.ID, epoch, now))

	wantKind(t, reveal(t, r.visitor(), good), marketplace.Unauthorized)
	wantKind(t, reveal(t, poster, good), marketplace.Forbidden)
	wantKind(t, reveal(t, second, good), marketplace.Forbidden)
	forged := good
	forged.Outcome = marketplace.BadData
	wantKind(t, reveal(t, first, forged), marketplace.Invalid)
	for _, absurd := range []marketplace.Window{{ColdUS: -1}, {WarmUS: -1}, {Bytes: -1}, {Bytes: 1 << 62}, {TookUS: -1}} {
		wantKind(t, reveal(t, first, windowed(absurd)), marketplace.Invalid)
	}
	must(t, reveal(t, first, good))
	reports, err := first.Reports(t.Context(), l.ID, epoch)
	if err != nil || len(reports) != 1 || reports[0].Text() != good.Text() ||
		reports[0].Signature != good.Signature {
		t.Errorf("%+v %v, want %+v", reports, err, good)
	}
	_, err = poster.Drafts(t.Context())
	wantKind(t, err, marketplace.Forbidden)
}

func TestOnlyAuditorsThatWereDrawnCommit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, poster := r.proving()
	r.auditors = append(r.auditors, newKey(t)) // four, of whom three are drawn
	now := time.Now()
	epoch := r.server.info.Rules.EpochAt(now) + 1000
	r.openEpoch(epoch, now, r.auditors[3].Address())
	commit := func(c *client.Client, all ...marketplace.Commitment) int {
		t.Helper()
		refused, err := c.Commit(t.Context(), epoch, all)
		must(t, err)
		return len(refused)
	}
	refused := 0
	for i, k := range r.auditors {
		own := signed(t, k, l.ID, epoch, now).Sealed()
		other := signed(t, r.auditors[(i+1)%4], l.ID, epoch, now).Sealed()
		away := own
		away.Lease++
		if n := commit(r.as(k), other, away); n != 2 {
			t.Errorf("%d are refused: one in another's name, and one for a lease that is not there", n)
		}
		refused += commit(r.as(k), own)
	}
	if refused != 1 {
		t.Errorf("%d of four auditors were refused where three are drawn", refused)
	}
	if commit(poster, marketplace.Commitment{Lease: l.ID, Epoch: epoch, Auditor: l.Poster}) != 1 {
		t.Error("a poster audits")
	}
}

func TestNobodyLearnsThatNoAuditorWillComeAnyMore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	now := time.Now()
	open, old := r.server.info.Rules.EpochAt(now)+1000, r.server.info.Rules.EpochAt(now)-1
	r.openEpoch(open, now)
	r.openEpoch(old, now)
	r.commit(signed(t, r.auditors[0], l.ID, open, now), signed(t, r.auditors[0], l.ID, old, now))
	for c, want := range map[*client.Client]int{r.visitor(): 1, r.as(r.auditors[1]): 1,
		r.as(r.auditors[0]): 2} {
		all, err := c.Commitments(t.Context(), l.ID, 0)
		if err != nil || len(all) != want {
			t.Errorf("%+v %v, want %d", all, err, want)
		}
	}
}

func TestAReportIsTakenOnlyWhenAllHaveCommittedAndOpensWhatItsAuthorCommittedTo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	rules := r.server.info.Rules
	epoch := rules.EpochAt(time.Now()) + 1000 // far from over
	now, over := rules.EpochStart(epoch), rules.EpochStart(epoch+1)
	r.openEpoch(epoch, now)
	ctx, first := t.Context(), r.as(r.auditors[0])
	own, other := signed(t, r.auditors[0], l.ID, epoch, now), signed(t, r.auditors[1], l.ID, epoch, now)
	r.commit(own)
	// A copier has only the commitment to copy, and nothing that opens it.
	stolen := own.Sealed()
	stolen.Auditor = r.auditors[2].Address()
	refused, err := r.as(r.auditors[2]).Commit(ctx, epoch, []marketplace.Commitment{stolen})
	if err != nil || len(refused) > 0 {
		t.Fatalf("%v %v", refused, err)
	}
	wantKind(t, reveal(t, first, own), marketplace.Conflict)
	wantKind(t, r.save(own, over), marketplace.Conflict) // two of three have
	r.commit(other)
	wantKind(t, r.save(own, over.Add(-time.Microsecond)), marketplace.Conflict)
	must(t, r.save(own, over))
	copied := own
	copied.Auditor = stolen.Auditor
	copied.Signature, err = r.auditors[2].SignText(copied.Text())
	must(t, err)
	wantKind(t, r.save(copied, over), marketplace.Invalid)
	for _, at := range []time.Time{over, rules.CommitBy(epoch)} {
		_, late := r.book.Commit(ctx, epoch, []marketplace.Commitment{copied.Sealed()}, at)
		wantKind(t, late, marketplace.Conflict)
	}
	judged := func(at time.Time) int {
		t.Helper()
		n, err := r.book.JudgeEpochs(ctx, at)
		must(t, err)
		return n
	}
	if n := judged(rules.CommitBy(epoch)); n != 0 {
		t.Error("judged before those that committed had time to reveal")
	}
	if n := judged(rules.ReportBy(epoch)); n != 1 {
		t.Errorf("judged %d leases", n)
	}
	wantKind(t, r.save(other, rules.ReportBy(epoch)), marketplace.Conflict)
	for i, k := range r.auditors {
		all, err := r.as(k).Commitments(ctx, l.ID, epoch)
		if err != nil || len(all) != 1 || all[0].OpenedAt.IsZero() == (i == 0) || all[0].At.IsZero() {
			t.Errorf("%+v %v", all, err)
		}
	}
}

func TestAnEpochIsJudgedWhenAllThatWasCommittedToIsRevealed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	rules := r.server.info.Rules
	epoch := rules.EpochAt(time.Now()) + 1000
	now := rules.EpochStart(epoch)
	r.openEpoch(epoch, now)
	for _, k := range r.auditors[:2] { // the third is dead
		r.said(signed(t, k, l.ID, epoch, now))
	}
	early := rules.CommitBy(epoch).Add(-time.Microsecond)
	if n, err := r.book.JudgeEpochs(t.Context(), early); n != 0 || err != nil {
		t.Errorf("judged %d leases before the deadline, %v", n, err)
	}
	if n, err := r.book.JudgeEpochs(t.Context(), rules.CommitBy(epoch)); n != 1 || err != nil {
		t.Errorf("judged %d leases when the deadline was past, %v", n, err)
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
		r.said(signed(t, k, l.ID, open, now))
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
	wantKind(t, r.save(late, over), marketplace.Conflict)
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
		r.said(signed(t, k, l.ID, epoch, now))
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

// TestAnAuditorLearnsItsOwnPartOfAnEpochOnlyUntilItIsOver looks at what each sort of caller is told: four
// auditors, of whom each lease draws three, an agent and a visitor.
func TestAnAuditorLearnsItsOwnPartOfAnEpochOnlyUntilItIsOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	r.auditors = append(r.auditors, newKey(t))
	rules := r.server.info.Rules
	epoch := rules.EpochAt(time.Now()) + 1000 // far from over
	r.openEpoch(epoch, rules.EpochStart(epoch), r.auditors[3].Address())
	old := rules.EpochAt(time.Now()) - 1
	r.openEpoch(old, rules.EpochStart(old), r.auditors[3].Address())
	read := func(c *client.Client, epoch int64) marketplace.AuditEpoch {
		t.Helper()
		e, err := c.AuditEpoch(t.Context(), epoch)
		must(t, err)
		return e
	}
	for who, c := range map[string]*client.Client{"a visitor": r.visitor(), "an agent": r.as(newKey(t))} {
		if e := read(c, epoch); !e.Secret.IsZero() || e.Parts != nil || len(e.Leases) != 1 {
			t.Errorf("%s is told %+v", who, e)
		}
		if e := read(c, old); e.Secret != (marketplace.Hash{8}) || e.Parts != nil {
			t.Errorf("afterwards %s is told %+v", who, e)
		}
	}
	whole, err := r.book.AuditEpoch(t.Context(), epoch)
	must(t, err)
	due, sent := audit.Plan(rules, whole)[l.ID], 0
	for _, k := range r.auditors {
		e := read(r.as(k), epoch)
		if !e.Secret.IsZero() || (e.Leases[0].Peer != "") != (len(e.Parts) > 0) {
			t.Errorf("an auditor is told %+v", e)
		}
		for _, p := range e.Parts {
			sent++
			if !slices.ContainsFunc(due, func(v audit.Visit) bool {
				return v.Auditor == k.Address() && v.Is(p)
			}) {
				t.Errorf("%s is told %+v, which is not its part", k.Address(), p)
			}
		}
		told := audit.Roster{Commit: audit.Commit(whole.Secret), Parts: e.Parts}
		must(t, told.Check(rules, whole, k.Address()))
		if again := read(r.as(k), epoch); len(again.Parts) != len(e.Parts) {
			t.Errorf("who asks again is told %+v", again.Parts)
		}
		if e := read(r.as(k), old); e.Secret != (marketplace.Hash{8}) || e.Parts != nil {
			t.Errorf("afterwards an auditor is told %+v", e)
		}
	}
	if sent != rules.Auditors {
		t.Errorf("%d auditors are sent to a lease", sent)
	}
	_, body := ask(t, "GET", r.web.URL+"/v1/audit/epochs/"+itoa(int(epoch)), "")
	if strings.Contains(body, "secret") || strings.Contains(body, "parts") {
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

// earn lets a lease pass three epochs by two auditors, of which the last two are paid, and returns the
// last one.
func (r *rig) earn(l marketplace.Lease) (last int64) {
	r.t.Helper()
	rules := r.server.info.Rules
	first := rules.EpochAt(time.Now()) - 4 // so that all is over
	for last = first; last < first+3; last++ {
		now := rules.EpochStart(last)
		r.openEpoch(last, now)
		for _, k := range r.auditors[:2] {
			r.said(signed(r.t, k, l.ID, last, now))
		}
		_, err := r.book.JudgeEpochs(r.t.Context(), rules.ReportBy(last))
		must(r.t, err)
	}
	return last - 1
}

func TestATrailLeadsFromTheChallengesToTheCheque(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	last := r.earn(l)
	one, err := r.visitor().Trail(t.Context(), l.ID, last)
	must(t, err)
	if one.Verdict != marketplace.VerdictPass || one.Seconds != 5 || one.Secret != (marketplace.Hash{8}) ||
		one.BlockHash != (marketplace.Hash{7}) || one.PromisedAt.IsZero() || one.Earned.IsZero() {
		t.Errorf("%+v", one)
	}
	reports := 0
	for _, v := range one.Visits {
		if len(v.Planned) == 0 {
			t.Errorf("%s was drawn for no time", v.Auditor)
		}
		if v.Report == nil {
			if v.Auditor != r.auditors[2].Address() || !v.CommittedAt.IsZero() {
				t.Errorf("%+v", v)
			}
			continue
		}
		if reports++; v.Report.Commitment() != v.Commitment || v.RevealedAt.Before(v.CommittedAt) ||
			len(v.Report.Answers) != 2 || v.Report.Answers[0].Hash.IsZero() {
			t.Errorf("%+v", v)
		}
	}
	if reports != 2 || len(one.Visits) != 3 {
		t.Errorf("%d visits, %d reports", len(one.Visits), reports)
	}
	if len(one.Cheques) != 1 || one.Cheques[0].Cheque.To != l.Payee ||
		one.Cheques[0].Cheque.Cumulative.Cmp(one.Earned) < 0 {
		t.Errorf("%+v", one.Cheques)
	}
	unpaid, err := r.visitor().Trail(t.Context(), l.ID, last-2)
	if err != nil || unpaid.Seconds != 0 || len(unpaid.Cheques) != 0 || len(unpaid.Visits) != 3 {
		t.Errorf("%+v %v", unpaid, err)
	}
	open := last + 100
	r.openEpoch(open, r.server.info.Rules.EpochStart(open).Add(-time.Hour))
	r.commit(signed(t, r.auditors[0], l.ID, open, time.Now()))
	sealed, err := r.visitor().Trail(t.Context(), l.ID, open)
	if err != nil || !sealed.Secret.IsZero() || len(sealed.Visits) > 0 || sealed.Block != open {
		t.Errorf("of an epoch that runs everybody reads %+v %v", sealed, err)
	}
	_, err = r.visitor().Trail(t.Context(), l.ID+1, last)
	wantKind(t, err, marketplace.NotFound)
}

func TestAnEpochsLogComesWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	last := r.earn(l)
	for _, lease := range []int64{0, l.ID} {
		log, err := r.visitor().EpochLog(t.Context(), last, lease)
		if err != nil || len(log.Commitments) != 2 || len(log.Reports) != 2 || len(log.Proofs) != 1 ||
			len(log.Before) != 2 || log.Before[1].Epoch != last-1 || log.Proofs[0].Epoch != last ||
			log.Shown == nil || log.Shown.Epoch != last || len(log.Epoch.Leases) != 1 {
			t.Fatalf("lease %d: %+v %v", lease, log, err)
		}
		told := map[int64]int{}
		for _, s := range log.Shifts {
			told[s.Epoch]++
		}
		if lease == 0 && (told[last] != 3 || told[last-1] != 3) || lease != 0 && len(log.Shifts) > 0 {
			t.Errorf("lease %d: shifts of epochs %v", lease, told)
		}
	}
	third := r.auditors[2].Address()
	_, body := ask(t, "GET", r.web.URL+"/v1/audit/shifts?limit=2&auditor="+third.String(), "")
	var page struct {
		Items []marketplace.Shift
		Next  string
	}
	must(t, json.Unmarshal([]byte(body), &page))
	if len(page.Items) != 2 || page.Next == "" || page.Items[0].Epoch != last ||
		page.Items[1].Auditor != third || page.Items[0].Due != 1 || page.Items[0].Done != 0 {
		t.Errorf("of who slept is told %s", body)
	}
}

func TestTheLogOfAHearingTellsWhoAccused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	rules := r.server.info.Rules
	accused := r.earn(l) + 1
	now := rules.EpochStart(accused)
	r.openEpoch(accused, now)
	for i, k := range r.auditors {
		rep := signed(t, k, l.ID, accused, now)
		if i == 0 {
			rep.Outcome, rep.Tries = marketplace.BadData, []marketplace.Outcome{marketplace.BadData}
			rep.Answers[1].Outcome = marketplace.BadData
			var err error
			rep.Signature, err = k.SignText(rep.Text())
			must(t, err)
		}
		r.said(rep)
	}
	judge := func(epoch int64) {
		t.Helper()
		_, err := r.book.JudgeEpochs(t.Context(), rules.ReportBy(epoch))
		must(t, err)
	}
	judge(accused)
	hears := accused + 2
	r.openEpoch(hears, rules.EpochStart(hears))
	for _, k := range r.auditors[1:] {
		r.said(signed(t, k, l.ID, hears, rules.EpochStart(hears)))
	}
	judge(hears)
	for _, lease := range []int64{0, l.ID} {
		before, err := r.visitor().EpochLog(t.Context(), accused, lease)
		must(t, err)
		log, err := r.visitor().EpochLog(t.Context(), hears, lease)
		must(t, err)
		of := r.auditors[0].Address()
		if p := before.Proofs[0]; p.Accuser != of || len(before.Accusers) > 0 {
			t.Errorf("the accusation: %+v", before)
		}
		if len(log.Accusers) != 1 || log.Accusers[0].Auditor != of || log.Accusers[0].Epoch != accused ||
			len(log.Before) != 1 || log.Before[0].Accuser != of || log.Proofs[0].Hearing == nil ||
			log.Proofs[0].Hearing.Outcome != marketplace.Refuted {
			t.Errorf("its hearing: %+v", log)
		}
	}
}

func TestWhatAnAuditorKnewFollowsFromItsOwnClosedReports(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	rules, k := r.server.info.Rules, r.auditors[0]
	epoch := rules.EpochAt(time.Now()) - 3
	for _, e := range []int64{epoch, epoch + 1} {
		now := rules.EpochStart(e)
		r.openEpoch(e, now)
		rep := signed(t, k, l.ID, e, now)
		rep.Answers[1].Outcome = marketplace.Pass // piece 2, whole
		var err error
		rep.Signature, err = k.SignText(rep.Text())
		must(t, err)
		r.said(rep)
	}
	known := func(who marketplace.Address, before int64, pieces ...int) int {
		t.Helper()
		all, err := r.book.KnownBefore(t.Context(), who, l.Infohash, before, pieces)
		must(t, err)
		return len(all)
	}
	if n := known(k.Address(), epoch+2, 1, 2); n != 0 {
		t.Errorf("%d reports of epochs that are not closed", n)
	}
	_, err := r.book.JudgeEpochs(t.Context(), rules.ReportBy(epoch+1))
	must(t, err)
	for _, c := range []struct {
		who    marketplace.Address
		before int64
		piece  int
		want   int
	}{
		{k.Address(), epoch + 2, 2, 1}, // the earliest of two
		{k.Address(), epoch + 1, 2, 1},
		{k.Address(), epoch, 2, 0},
		{k.Address(), epoch + 2, 1, 0}, // only a block of it
		{r.auditors[1].Address(), epoch + 2, 2, 0},
	} {
		if n := known(c.who, c.before, c.piece); n != c.want {
			t.Errorf("%+v: %d", c, n)
		}
	}
	log, err := r.visitor().EpochLog(t.Context(), epoch+1, 0) // it asks for block 3 of piece 1
	if err != nil || len(log.Earlier) != 0 {
		t.Errorf("%+v %v", log.Earlier, err)
	}
}

func TestAChequeIsSignedByAQuorumOfAuditors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, poster := r.proving()
	r.earn(l)
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
