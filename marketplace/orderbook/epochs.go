package orderbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const selectEpoch = `SELECT epoch, block, hash, commit, secret, auditors, leases, opened_at
	FROM audit_epochs `

func scanEpoch(row pgx.CollectableRow) (e marketplace.AuditEpoch, err error) {
	var auditors []string
	var leases []byte
	if err := row.Scan(&e.Epoch, &e.Block, &e.Hash, &e.Commit, &e.Secret, &auditors, &leases,
		at{&e.OpenedAt}); err != nil {
		return e, err
	}
	return e, errors.Join(list{&e.Auditors}.texts(auditors), json.Unmarshal(leases, &e.Leases))
}

// OpenEpoch writes down an epoch's beacon and freezes which leases are audited in it. Opening it
// again changes nothing: what an epoch asks for is decided once.
func (b *Book) OpenEpoch(ctx context.Context, e marketplace.AuditEpoch, now time.Time) error {
	return b.act(ctx, now, func(a *act) error {
		leases, err := many(ctx, a.Tx, "leases", scanLease, selectLease+`
			WHERE state IN ('proving', 'active', 'grace') AND (ends_at IS NULL OR ends_at > $1)
			ORDER BY id`, a.rules.EpochStart(e.Epoch))
		if err != nil {
			return err
		}
		n, err := a.exec(`INSERT INTO audit_epochs (epoch, block, hash, commit, secret, auditors, leases,
			opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`, e.Epoch, e.Block,
			e.Hash, e.Commit, e.Secret, texts(e.Auditors), mustJSON(leases), a.now)
		if err != nil {
			return fmt.Errorf("open epoch %d: %w", e.Epoch, err)
		}
		if n == 1 {
			open := map[string]any{"epoch": e.Epoch, "block": e.Block, "leases": len(leases)}
			a.happened("epoch.open", e.Epoch, open)
		}
		return nil
	})
}

// AuditEpoch returns an epoch with its secret; who may see that is decided at the door.
func (b *Book) AuditEpoch(ctx context.Context, epoch int64) (marketplace.AuditEpoch, error) {
	return one(ctx, b.pool, fmt.Sprintf("epoch %d; it is opened by the first solid block in it", epoch),
		scanEpoch, selectEpoch+`WHERE epoch = $1`, epoch)
}

// LastEpoch returns the newest epoch that was opened, or 0.
func (b *Book) LastEpoch(ctx context.Context) (int64, error) {
	return one(ctx, b.pool, "epoch", pgx.RowTo[int64],
		`SELECT coalesce(max(epoch), 0) FROM audit_epochs`)
}

// SaveReport takes an auditor's signed report, once a lease and epoch, until the epoch is judged.
func (b *Book) SaveReport(ctx context.Context, r marketplace.Report, now time.Time) error {
	return b.act(ctx, now, func(a *act) error {
		e, err := one(ctx, a.Tx, fmt.Sprint("epoch ", r.Epoch), scanEpoch,
			selectEpoch+`WHERE epoch = $1 AND judged_at IS NULL FOR SHARE`, r.Epoch)
		if errors.Is(err, marketplace.NotFound) {
			return marketplace.Conflict.Errorf("epoch %d is not open for reports", r.Epoch)
		}
		if err != nil {
			return err
		}
		isIt := func(l marketplace.Lease) bool { return l.ID == r.Lease }
		if !slices.Contains(e.Auditors, r.Auditor) || !slices.ContainsFunc(e.Leases, isIt) {
			return marketplace.Forbidden.Errorf("lease %d is not yours to audit in epoch %d", r.Lease,
				r.Epoch)
		}
		if _, err := a.exec(`INSERT INTO reports (lease, epoch, auditor, body, at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, r.Lease, r.Epoch, r.Auditor, mustJSON(r),
			a.now); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
		return nil
	})
}

// A ReportFilter chooses reports; zero fields choose all.
type ReportFilter struct{ Lease, Epoch int64 }

func scanReport(row pgx.CollectableRow) (r marketplace.Report, err error) {
	var body []byte
	if err := row.Scan(&body); err != nil {
		return r, err
	}
	return r, json.Unmarshal(body, &r)
}

// Reports returns reports of epochs before page.After, newest epoch first.
func (b *Book) Reports(
	ctx context.Context, f ReportFilter, p Page,
) ([]marketplace.Report, error) {
	return many(ctx, b.pool, "reports", scanReport, `SELECT body FROM reports WHERE epoch < $1
		AND ($2::bigint = 0 OR lease = $2) AND ($3::bigint = 0 OR epoch = $3)
		ORDER BY epoch DESC, lease DESC, auditor LIMIT $4`, p.before(), f.Lease, f.Epoch, p.limit())
}

// A ProofFilter chooses proofs; zero fields choose all.
type ProofFilter struct {
	Lease, Bounty int64
	Agent         marketplace.Address
}

func scanProof(row pgx.CollectableRow) (p marketplace.Proof, err error) {
	return p, row.Scan(&p.Lease, &p.Bounty, &p.Agent, &p.Epoch, &p.Verdict, &p.Passes, &p.Reports,
		&p.Seconds, &p.Earned, at{&p.At})
}

const selectProof = `SELECT lease, bounty, agent, epoch, verdict, passes, reports, seconds, earned,
	at FROM proofs `

// Proofs returns proofs of epochs before page.After, newest epoch first.
func (b *Book) Proofs(ctx context.Context, f ProofFilter, p Page) ([]marketplace.Proof, error) {
	return many(ctx, b.pool, "proofs", scanProof, selectProof+`WHERE epoch < $1
		AND ($2::bigint = 0 OR lease = $2) AND ($3::bigint = 0 OR bounty = $3) AND ($4 = '' OR agent = $4)
		ORDER BY epoch DESC, lease DESC LIMIT $5`, p.before(), f.Lease, f.Bounty, f.Agent.String(),
		p.limit())
}

// JudgeEpochs turns the reports of every epoch that is over into proofs and pay, and returns how
// many leases it judged. An epoch is over when all reports are in, or when no more are taken.
func (b *Book) JudgeEpochs(ctx context.Context, now time.Time) (n int, err error) {
	r := b.opts.Rules
	due, err := many(ctx, b.pool, "epochs", pgx.RowTo[int64], `SELECT epoch FROM audit_epochs e
		WHERE judged_at IS NULL AND (epoch < $1 OR epoch < $2 AND (SELECT count(*) FROM reports p
			WHERE p.epoch = e.epoch) >= jsonb_array_length(leases) * least($3, cardinality(auditors)))
		ORDER BY epoch LIMIT 100`, r.EpochAt(now.Add(-r.ReportSlack.Duration())), r.EpochAt(now),
		r.Auditors)
	if err != nil {
		return 0, err
	}
	for _, epoch := range due {
		m, err := b.judgeEpoch(ctx, epoch, now)
		if n += m; err != nil {
			return n, fmt.Errorf("judge epoch %d: %w", epoch, err)
		}
	}
	return n, nil
}

// judgeEpoch judges the leases of one epoch, each in a transaction of its own, and then closes the
// epoch. A lease that has its proof is passed over, so that a crash in between is harmless.
func (b *Book) judgeEpoch(ctx context.Context, epoch int64, now time.Time) (n int, err error) {
	e, err := b.AuditEpoch(ctx, epoch)
	if err != nil {
		return 0, err
	}
	for _, frozen := range e.Leases {
		err := b.act(ctx, now, func(a *act) error { return a.judge(frozen.ID, epoch) })
		if err != nil {
			return n, fmt.Errorf("lease %d: %w", frozen.ID, err)
		}
		n++
	}
	return n, b.closeEpoch(ctx, epoch, now)
}

// judge writes the proof of one lease and epoch, books the pay and moves the lease.
func (a *act) judge(id, epoch int64) error {
	l, err := a.lockLease(id)
	if err != nil || !l.State.Live() {
		return err
	}
	reports, err := many(a.ctx, a.Tx, "reports", scanReport,
		`SELECT body FROM reports WHERE lease = $1 AND epoch = $2 ORDER BY auditor`, id, epoch)
	if err != nil {
		return err
	}
	verdict, passes := a.rules.Judge(reports)
	proof := marketplace.Proof{Lease: id, Bounty: l.Bounty, Agent: l.Agent, Epoch: epoch,
		Verdict: verdict, Passes: passes, Reports: len(reports), At: a.now}
	if verdict == marketplace.VerdictPass {
		if proof.Seconds, err = a.paidSeconds(l, epoch); err != nil {
			return err
		}
	}
	verified := l.Verified + proof.Seconds
	earned := marketplace.KeepPay(l.Price, l.Billed, verified)
	proof.Earned = earned.Sub(l.Earned)
	n, err := a.exec(`INSERT INTO proofs (lease, bounty, agent, epoch, verdict, passes, reports,
		seconds, earned, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT DO NOTHING`, id, l.Bounty, l.Agent, epoch, string(verdict), passes, len(reports),
		proof.Seconds, proof.Earned, a.now)
	if err != nil || n == 0 {
		return err // n == 0: judged before
	}
	a.happened("proof."+string(verdict), id, proof, l.Agent, l.Poster)
	if err := a.accrue(&l, verified, earned, epoch); err != nil {
		return err
	}
	said := map[marketplace.Address][][]marketplace.Report{l.Agent: {reports}}
	if err := a.judgeStandings(epoch, said); err != nil {
		return err
	}
	return a.follow(l, verdict, epoch)
}

// paidSeconds is what a pass of an epoch pays for.
func (a *act) paidSeconds(l marketplace.Lease, epoch int64) (int64, error) {
	before, err := many(a.ctx, a.Tx, "proofs", pgx.RowTo[string],
		`SELECT verdict FROM proofs WHERE lease = $1 AND epoch = $2`, l.ID, epoch-1)
	if err != nil {
		return 0, err
	}
	passed := len(before) == 1 && before[0] == string(marketplace.VerdictPass)
	return a.rules.PaidSeconds(epoch, passed, l.ActiveAt, l.EndsAt), nil
}

// accrue books what a lease has earned beyond what was booked: to the payee, to its holdback and
// to the fee.
func (a *act) accrue(l *marketplace.Lease, verified int64, earned marketplace.Amount,
	epoch int64) error {
	split := a.rules.Split(l.Earned, earned)
	total := split.Total()
	if total.IsZero() {
		return nil
	}
	from, fee := accountReserved(l.Bounty), a.book.opts.FeePayee
	for _, t := range []transfer{
		{credit: accountPayable(l.Poster, l.Mandate, l.Payee), amount: split.Payable, code: "accrue"},
		{credit: accountHoldback(l.ID), amount: split.Holdback, code: "holdback"},
		{credit: accountPayable(l.Poster, l.Mandate, fee), amount: split.Fee, code: "fee"},
	} {
		t.debit, t.bounty, t.lease = from, l.Bounty, l.ID
		a.enter(t, l.ID, epoch)
	}
	l.Verified, l.Earned, l.Held = verified, earned, l.Held.Add(split.Holdback)
	if _, err := a.exec(`UPDATE bounties SET spent = spent + $2 WHERE id = $1`, l.Bounty,
		total); err != nil {
		return fmt.Errorf("count spending: %w", err)
	}
	if err := a.post(); err != nil {
		return err
	}
	return errors.Join(a.draft(l.Poster, l.Mandate, l.Payee), a.draft(l.Poster, l.Mandate, fee))
}

// follow moves a lease as its verdict says.
func (a *act) follow(l marketplace.Lease, v marketplace.Verdict, epoch int64) error {
	from := l.State
	switch {
	case v == marketplace.VerdictPass:
		l.Passed++
		l.State, l.Deadline = marketplace.Active, time.Time{}
		if from == marketplace.Proving {
			if err := a.activate(&l, epoch); err != nil {
				return err
			}
		}
	case v == marketplace.VerdictDataFault:
		l.Missed++
		if err := a.moveLease(from, l); err != nil {
			return err
		}
		if err := a.end(l, marketplace.Failed, "served wrong data"); err != nil {
			return err
		}
		return a.settle(l.Bounty)
	case v == marketplace.VerdictFail && from == marketplace.Active:
		l.Missed++
		l.State, l.Deadline = marketplace.Grace, a.now.Add(a.rules.Grace.Duration())
		l.Reason = "missed the audit of an epoch"
	case v == marketplace.VerdictFail:
		l.Missed++
	}
	if err := a.moveLease(from, l); err != nil {
		return err
	}
	// Grace ends with a verdict and not by the clock: only an audit can find that an agent is back.
	if v == marketplace.VerdictFail && from == marketplace.Grace && !l.Deadline.After(a.now) {
		if err := a.end(l, marketplace.Failed, "missed audits for longer than the grace"); err != nil {
			return err
		}
	}
	return a.settle(l.Bounty)
}

// activate starts a lease's pay at the end of its first passed epoch. The first replica of a
// bounty starts the bounty's term, at whose end all its leases end.
func (a *act) activate(l *marketplace.Lease, epoch int64) error {
	l.ActiveAt, l.Reason = a.rules.EpochStart(epoch+1), ""
	b, err := bounty(a.ctx, a.Tx, l.Bounty)
	if err != nil {
		return err
	}
	if b.EndsAt.IsZero() {
		b.EndsAt = l.ActiveAt.Add(l.KeepFor.Duration())
		if err := a.move("bounty", `UPDATE bounties SET ends_at = $2
			WHERE id = $1 AND ends_at IS NULL`, b.ID, b.EndsAt); err != nil {
			return err
		}
		// The other replicas end with it. Those under notice end sooner.
		if _, err := a.exec(`UPDATE leases SET ends_at = least(coalesce(ends_at, $2), $2)
			WHERE bounty = $1 AND state IN `+live, b.ID, b.EndsAt); err != nil {
			return fmt.Errorf("end leases together: %w", err)
		}
	}
	if l.EndsAt.IsZero() || l.EndsAt.After(b.EndsAt) {
		l.EndsAt = b.EndsAt
	}
	return nil
}
