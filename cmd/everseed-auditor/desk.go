package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A desk is where one auditor works: it audits, and it signs cheques if mandates name it.
type desk struct {
	key    escrow.Key
	market *client.Client
	leaves *audit.Leaves
	sealed *audit.Envelopes
	lobby  audit.Lobby
	vias   []audit.Via
	log    *slog.Logger

	info     marketplace.MarketInfo
	verified map[proofID]bool // proofs that were recomputed from their reports
	heard    hearing          // the last epoch that was looked at as a whole
	sent     schedule         // ... whose schedule was
}

// A schedule says who was sent to which lease in an epoch.
type schedule struct {
	epoch int64
	panel []marketplace.Seat
	to    map[int64][]marketplace.Address
}

// A hearing is all that is said in an epoch, as far as it is believed.
type hearing struct {
	epoch   int64
	reports map[int64][]marketplace.Report // of each lease
}

type proofID struct{ lease, epoch int64 }

// open reads the market's rules and signs in, trying until the market answers.
func (d *desk) open(ctx context.Context) error {
	d.verified = map[proofID]bool{}
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := d.signIn(ctx)
		if err == nil || !errors.Is(err, marketplace.Unavailable) {
			return err
		}
		d.log.InfoContext(ctx, "the market does not answer; trying again", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (d *desk) signIn(ctx context.Context) (err error) {
	if d.info, err = d.market.Rules(ctx); err != nil {
		return fmt.Errorf("read the market's rules: %w", err)
	}
	if err := d.market.Login(ctx, d.key); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if d.signs() {
		return nil
	}
	self, err := d.market.Auditor(ctx, d.key.Address())
	if errors.Is(err, marketplace.NotFound) {
		return marketplace.Forbidden.Errorf("the market does not know %s as an auditor; offer to be one"+
			" with `everseed-auditor register`", d.key.Address())
	}
	if err != nil {
		return fmt.Errorf("ask how we stand: %w", err)
	}
	d.log.InfoContext(ctx, "auditor runs", "auditor", d.key.Address(), "state", self.State,
		"capacity", self.Terms.Capacity)
	return nil
}

// signs says whether mandates name this auditor: then it signs cheques.
func (d *desk) signs() bool { return slices.Contains(d.info.Auditors, d.key.Address()) }

// audit does this auditor's part of every epoch until ctx is done.
func (d *desk) audit(ctx context.Context) error {
	a := &audit.Auditor{Address: d.key.Address(), Market: reporter{d}, Rules: d.info.Rules,
		Guard: metainfo.Guard{Loopback: d.info.Rules.AllowLoopback}, Lobby: d.lobby, Vias: d.vias,
		Leaves: d.leaves, Envelopes: d.sealed, Sign: d.key.SignText, Log: d.log}
	return a.Run(ctx)
}

// A reporter is the market as an auditor sees it.
type reporter struct{ *desk }

func (r reporter) AuditEpoch(ctx context.Context, k int64) (marketplace.AuditEpoch, error) {
	e, err := r.market.AuditEpoch(ctx, k)
	return e, r.again(ctx, err)
}

func (r reporter) Metainfo(ctx context.Context, h marketplace.Infohash) ([]byte, error) {
	return r.market.Metainfo(ctx, h)
}

func (r reporter) Commit(ctx context.Context, epoch int64, all []marketplace.Commitment) (
	[]marketplace.NotTaken, error) {
	refused, err := r.market.Commit(ctx, epoch, all)
	return refused, r.again(ctx, err)
}

func (r reporter) Reveal(ctx context.Context, all []marketplace.Report) (
	[]marketplace.NotTaken, error) {
	refused, err := r.market.Reveal(ctx, all)
	return refused, r.again(ctx, err)
}

func (r reporter) Knock(ctx context.Context, k marketplace.Knock) error {
	return r.again(ctx, r.market.Knock(ctx, k))
}

func (r reporter) Carry(ctx context.Context, c marketplace.Carry, w marketplace.CarrierWish) (
	marketplace.Carrier, error) {
	found, err := r.market.Carry(ctx, c, w)
	return found, r.again(ctx, err)
}

func (r reporter) Reach(ctx context.Context, address string) (bool, error) {
	reached, err := r.market.Reach(ctx, address)
	return reached, r.again(ctx, err)
}

// again signs in anew when the session is over. The call that found out is not repeated: its
// caller comes again.
func (d *desk) again(ctx context.Context, err error) error {
	if errors.Is(err, marketplace.Unauthorized) {
		return errors.Join(err, d.market.Login(ctx, d.key))
	}
	return err
}

// sign looks at the drafts of cheques until ctx is done.
func (d *desk) sign(ctx context.Context) error {
	tick := time.NewTicker(max(time.Second, d.info.Rules.Epoch.Duration()/60))
	defer tick.Stop()
	for {
		if err := d.signDrafts(ctx); err != nil && ctx.Err() == nil {
			d.log.InfoContext(ctx, "drafts not read; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (d *desk) signDrafts(ctx context.Context) error {
	drafts, err := d.market.Drafts(ctx)
	if err != nil {
		return d.again(ctx, err)
	}
	for _, draft := range drafts {
		if err := d.check(ctx, draft); err != nil {
			// A market that drafts what its proofs do not bear is a matter for people.
			d.log.ErrorContext(ctx, "cheque refused", "cheque", draft.ID, "payee", draft.Cheque.To,
				"amount", draft.Cheque.Cumulative, "err", err)
			continue
		}
		sig, err := d.key.SignCheque(d.domain(), draft.Cheque)
		if err != nil {
			return fmt.Errorf("sign cheque %d: %w", draft.ID, err)
		}
		_, err = d.market.SignCheque(ctx, draft.ID, sig)
		if err != nil && !errors.Is(err, marketplace.Conflict) { // others were faster
			return fmt.Errorf("hand in signature of cheque %d: %w", draft.ID, err)
		}
	}
	return nil
}

func (d *desk) domain() escrow.Domain {
	return escrow.Domain{ChainID: d.info.ChainID, Vault: d.info.Vault}
}

// check recomputes a cheque: every proof from its signed reports, and the amount from the proofs.
func (d *desk) check(ctx context.Context, draft marketplace.Draft) error {
	leases := map[int64]marketplace.Lease{}
	for _, l := range draft.Leases {
		leases[l.ID] = l
	}
	for _, p := range draft.Proofs {
		id := proofID{p.Lease, p.Epoch}
		if p.Seconds == 0 || d.verified[id] {
			continue
		}
		if err := d.checkProof(ctx, p, leases[p.Lease]); err != nil {
			return fmt.Errorf("lease %d, epoch %d: %w", p.Lease, p.Epoch, err)
		}
		d.verified[id] = true
	}
	owed := d.info.Rules.Owed(draft, d.info.FeePayee)
	if draft.Cheque.Cumulative.Cmp(owed) > 0 {
		return fmt.Errorf("the proofs bear %s BTT", owed)
	}
	return nil
}

// checkProof holds a paid proof against the auditors' signed reports, and the lease's root and times. That its
// root was shown is the market's word, which replays of the epochs before hold against reports.
func (d *desk) checkProof(ctx context.Context, p marketplace.Proof, l marketplace.Lease) error {
	v, err := d.verdict(ctx, l, p)
	if err != nil {
		return err
	}
	if v != marketplace.VerdictPass {
		return fmt.Errorf("the reports say %s", v)
	}
	if !l.Shown() {
		return fmt.Errorf("%d audits in a row of %d have shown its root", l.Clean, l.CleanMin)
	}
	most := d.info.Rules.PaidSeconds(p.Epoch, true, l.ActiveAt, l.EndsAt)
	if p.Seconds > most {
		return fmt.Errorf("%d s are paid of %d", p.Seconds, most)
	}
	return nil
}

// verdict judges a lease anew. If somebody accuses it, all that is said in the epoch is read:
// whether the accuser is believed shows only there. It cannot turn a pass into anything else.
func (d *desk) verdict(
	ctx context.Context, l marketplace.Lease, p marketplace.Proof,
) (marketplace.Verdict, error) {
	epoch := p.Epoch
	reports, err := d.market.Reports(ctx, l.ID, epoch)
	if err == nil {
		err = d.genuine(ctx, reports, epoch)
	}
	if err != nil {
		return "", fmt.Errorf("read reports: %w", err)
	}
	if !slices.ContainsFunc(reports, d.vouched) {
		return "", errors.New("no auditor that signs cheques passed it: others alone can make no pass")
	}
	if !slices.Equal(p.Paid, d.info.Rules.PaidAuditors(reports, d.sent.panel)) {
		return "", errors.New("others are paid for audits than those whose passes were heard")
	}
	v, _ := d.info.Rules.Judge(reports)
	if v != marketplace.VerdictDataFault {
		return v, nil
	}
	if err := d.hear(ctx, epoch); err != nil {
		return "", fmt.Errorf("read an epoch's reports: %w", err)
	}
	said := d.heard.reports[l.ID]
	if l.Accused != nil && l.Accused.Epoch < epoch {
		if err := d.accused(ctx, l); err != nil {
			return "", err
		}
		said = l.Accused.Unheeding(d.info.Rules, said)
	}
	v, _ = d.info.Rules.Judge(said)
	return v, nil
}

// vouched says whether a report is a pass by an auditor that signed cheques when this desk opened.
// Whom else the market admits is its own affair; they may all be its own.
func (d *desk) vouched(r marketplace.Report) bool {
	return r.Outcome == marketplace.Pass && slices.Contains(d.info.Auditors, r.Auditor)
}

// accused holds the market's word that an auditor accused a lease before against that auditor's.
func (d *desk) accused(ctx context.Context, l marketplace.Lease) error {
	reports, err := d.market.Reports(ctx, l.ID, l.Accused.Epoch)
	if err == nil {
		err = d.genuine(ctx, reports, l.Accused.Epoch)
	}
	if err != nil {
		return fmt.Errorf("read an accusation: %w", err)
	}
	for _, r := range reports {
		if r.Auditor == l.Accused.Auditor && d.info.Rules.Accuses(r) {
			return nil
		}
	}
	return fmt.Errorf("%s did not accuse it in epoch %d", l.Accused.Auditor, l.Accused.Epoch)
}

// hear reads all that is said in an epoch.
func (d *desk) hear(ctx context.Context, epoch int64) error {
	if d.heard.epoch == epoch {
		return nil
	}
	said, err := d.market.EpochReports(ctx, epoch)
	if err == nil {
		err = d.genuine(ctx, said, epoch)
	}
	if err != nil {
		return err
	}
	d.heard = hearing{epoch, map[int64][]marketplace.Report{}}
	for _, r := range d.info.Rules.Heard(said) {
		d.heard.reports[r.Lease] = append(d.heard.reports[r.Lease], r)
	}
	return nil
}

// genuine holds reports against their signatures and the schedule. An auditor says one thing of a
// lease, and only of one that it was sent to: the market cannot call upon whom it likes.
func (d *desk) genuine(ctx context.Context, reports []marketplace.Report, epoch int64) error {
	if err := d.schedule(ctx, epoch); err != nil {
		return err
	}
	type voice struct {
		who   marketplace.Address
		lease int64
	}
	seen := map[voice]bool{}
	for _, r := range reports {
		who, err := escrow.RecoverText(r.Text(), r.Signature)
		if err != nil || who != r.Auditor || seen[voice{who, r.Lease}] || r.Epoch != epoch ||
			!slices.Contains(d.sent.to[r.Lease], who) {
			return fmt.Errorf("a report of %s on lease %d is not theirs", r.Auditor, r.Lease)
		}
		seen[voice{who, r.Lease}] = true
	}
	return nil
}

// schedule draws who was sent where in an epoch, by the secret that was promised. One of which we were told
// anything false while it lasted is none that we sign for.
func (d *desk) schedule(ctx context.Context, epoch int64) error {
	if d.sent.epoch == epoch {
		return nil
	}
	e, err := d.market.AuditEpoch(ctx, epoch)
	if err != nil {
		return fmt.Errorf("read epoch: %w", err)
	}
	if audit.Commit(e.Secret) != e.Commit {
		return errors.New("its secret is not the promised one")
	}
	told, kept, err := d.sealed.Roster(epoch)
	if err == nil && kept {
		err = told.Check(d.info.Rules, e, d.key.Address())
	}
	if err != nil {
		return err
	}
	d.sent = schedule{epoch, e.Auditors, d.info.Rules.Draw(e)}
	return nil
}
