package orderbook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const (
	// epochsMax bounds how many epochs one JudgeEpochs takes on.
	epochsMax = 100
	// judgeMax bounds how many leases are judged in one transaction.
	judgeMax = 100
)

// JudgeEpochs turns the reports of every epoch that is over into proofs and pay, and returns how
// many leases it judged. An epoch is over when all reports are in, or all that were committed to in
// time, or when no more are taken. Epochs are judged in order, because pay for one asks for the verdict
// of the one before. A lease that cannot be judged holds up nobody but itself.
func (b *Book) JudgeEpochs(ctx context.Context, now time.Time) (n int, err error) {
	type open struct {
		epoch int64
		over  bool
	}
	scan := func(row pgx.CollectableRow) (o open, err error) { return o, row.Scan(&o.epoch, &o.over) }
	r := b.opts.Rules
	slack := r.ReportSlack.Duration()
	epochs, err := many(ctx, b.pool, "epochs", scan, `SELECT epoch, epoch < $1 OR
			epoch < $3 AND said >= committed OR epoch < $4 AND said >= `+duties+`
		FROM audit_epochs e,
			LATERAL (SELECT count(*) AS said FROM reports p WHERE p.epoch = e.epoch) p,
			LATERAL (SELECT count(*) AS committed FROM commitments c WHERE c.epoch = e.epoch) c
		WHERE judged_at IS NULL ORDER BY epoch LIMIT $5`, r.EpochAt(now.Add(-slack)), r.Auditors,
		r.EpochAt(now.Add(-slack/2)), r.EpochAt(now), epochsMax)
	if err != nil {
		return 0, err
	}
	stuck := map[int64]bool{}
	for _, o := range epochs {
		if !o.over || ctx.Err() != nil {
			break
		}
		m, failed := b.judgeEpoch(ctx, o.epoch, stuck, now)
		if n += m; failed != nil {
			err = errors.Join(err, fmt.Errorf("judge epoch %d: %w", o.epoch, failed))
		}
	}
	return n, err
}

// judgeEpoch judges the leases of one epoch, many in a transaction, and closes the epoch when all
// are judged. A lease that has its proof is passed over, so that a crash in between is harmless.
func (b *Book) judgeEpoch(ctx context.Context, epoch int64, stuck map[int64]bool, now time.Time) (
	n int, err error) {
	e, err := b.AuditEpoch(ctx, epoch)
	if err != nil {
		return 0, err
	}
	d := docket{AuditEpoch: e, believed: e.Believed(), stuck: stuck}
	if d.said, d.heard, err = b.heard(ctx, epoch, now); err != nil {
		return 0, err
	}
	ids, all := make([]int64, 0, len(e.Leases)), true
	for _, l := range e.Leases {
		if all = all && !stuck[l.ID]; !stuck[l.ID] {
			ids = append(ids, l.ID)
		}
	}
	for some := range slices.Chunk(ids, judgeMax) {
		m, failed := b.judgeSome(ctx, some, d, now)
		n, err = n+m, errors.Join(err, failed)
	}
	if err != nil || !all {
		return n, err
	}
	return n, b.closeEpoch(ctx, e, d.said, now)
}

// A docket is an epoch before its judge.
type docket struct {
	marketplace.AuditEpoch
	believed map[int64]bool                 // roots, when it opened
	said     []marketplace.Report           // all of it
	heard    map[int64][]marketplace.Report // of each lease, as far as they are believed
	stuck    map[int64]bool                 // leases that cannot be judged; kept up to date
}

// heard closes an epoch to reports and reads all that is said in it, before any lease is judged:
// whether an auditor is believed shows only in all that it says. What answers came is not needed
// for that.
func (b *Book) heard(ctx context.Context, epoch int64, now time.Time) (
	said []marketplace.Report, of map[int64][]marketplace.Report, err error) {
	if _, err := b.exec(ctx, "close to reports", `UPDATE audit_epochs SET closed_at = $2
		WHERE epoch = $1 AND closed_at IS NULL`, epoch, now); err != nil {
		return nil, nil, err
	}
	said, err = many(ctx, b.pool, "reports", scanReport, `SELECT id, body - 'answers' FROM reports
		WHERE epoch = $1 ORDER BY lease, auditor`, epoch)
	of = map[int64][]marketplace.Report{}
	for _, r := range b.opts.Rules.Heard(said) {
		of[r.Lease] = append(of[r.Lease], r)
	}
	return said, of, err
}

// judgeSome judges leases together, or, when that fails, one by one to find out which is stuck.
func (b *Book) judgeSome(ctx context.Context, ids []int64, d docket, now time.Time) (
	n int, err error) {
	err = b.act(ctx, now, func(a *act) (err error) {
		n, err = a.judge(ids, d)
		return err
	})
	if err == nil || ctx.Err() != nil {
		return n, err
	}
	return b.each(ctx, now, "lease", ids, func(a *act, id int64) (bool, error) {
		n, err := a.judge([]int64{id}, d)
		d.stuck[id] = err != nil
		return n == 1, err
	})
}

// A hearing is one lease before its judge.
type hearing struct {
	lease    marketplace.Lease
	from     marketplace.LeaseState
	activeAt time.Time // before it
	before   bool      // it passed the epoch before
	panel    []marketplace.Seat
	ruling   marketplace.Ruling
	record   marketplace.Record // of its agent, this epoch included
	proof    marketplace.Proof
	fault    *ending // how the lease fails, if it does
}

// judge writes the proofs of an epoch for live leases that have none, books the pay, and moves
// the leases. It returns how many there were.
func (a *act) judge(ids []int64, d docket) (int, error) {
	all, err := a.hear(ids, d)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	for _, then := range []func([]*hearing) error{
		a.pay, a.writeProofs, a.judgeStandings, a.activate, a.follow,
	} {
		if err := then(all); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// hear locks leases, behind their bounties, and reads what there is to say about each.
func (a *act) hear(ids []int64, d docket) ([]*hearing, error) {
	if _, err := a.exec(`SELECT FROM bounties WHERE id IN (SELECT bounty FROM leases
		WHERE id = ANY($1)) ORDER BY id FOR UPDATE`, ids); err != nil {
		return nil, fmt.Errorf("lock bounties: %w", err)
	}
	leases, err := many(a.ctx, a.Tx, "leases", scanLease, selectLease+`WHERE id = ANY($1)
		AND state IN `+live+` AND NOT EXISTS (SELECT FROM proofs p WHERE p.lease = leases.id
			AND p.epoch = $2) ORDER BY id`, ids, d.Epoch)
	if err != nil {
		return nil, err
	}
	passed, err := many(a.ctx, a.Tx, "proofs", pgx.RowTo[int64], `SELECT lease FROM proofs
		WHERE lease = ANY($1) AND epoch = $2 AND verdict = 'pass'`, ids, d.Epoch-1)
	if err != nil {
		return nil, err
	}
	all := make([]*hearing, len(leases))
	for i, l := range leases {
		h := &hearing{lease: l, from: l.State, activeAt: l.ActiveAt,
			before: slices.Contains(passed, l.ID), panel: d.Auditors}
		asked, _ := d.Lease(l.ID)
		h.ruling = a.rules.Hear(l, asked, d.Epoch, d.heard[l.ID], len(d.Auditors), a.now)
		h.lease.Clean = a.rules.Shows(l, asked, d.believed[l.ID], h.ruling)
		h.proof = marketplace.Proof{Lease: l.ID, Bounty: l.Bounty, Agent: l.Agent, Epoch: d.Epoch,
			Reports: len(d.heard[l.ID]), Verdict: h.ruling.Verdict, Passes: h.ruling.Passes, At: a.now,
			Clean: h.lease.Clean}
		for _, rep := range d.heard[l.ID] {
			h.proof.Wire += rep.Wire
		}
		all[i] = h
	}
	return all, a.accuse(all)
}

func (a *act) writeProofs(all []*hearing) error {
	batch := &pgx.Batch{}
	for _, h := range all {
		p := h.proof
		batch.Queue(`INSERT INTO proofs (lease, bounty, agent, epoch, verdict, passes, reports, seconds,
			earned, drawn_from, paid, at, wire, clean)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			p.Lease, p.Bounty, p.Agent, p.Epoch, string(p.Verdict), p.Passes, p.Reports, p.Seconds,
			p.Earned, p.From, mustJSON(append([]marketplace.PaidAuditor{}, p.Paid...)), p.At, p.Wire,
			p.Clean)
		if p.Reports > 0 {
			h.lease.Audited, h.lease.Wire = h.lease.Audited+1, h.lease.Wire+p.Wire
			batch.Queue(`UPDATE leases SET audited = $2, wire = $3 WHERE id = $1`, p.Lease,
				h.lease.Audited, h.lease.Wire)
		}
		a.happened("proof."+string(p.Verdict), p.Lease, p, p.Agent, h.lease.Poster)
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return fmt.Errorf("write proofs: %w", err)
	}
	return nil
}

// activate starts the pay of leases at the end of the first epoch that they passed with their root shown. The
// first replica of a bounty starts the bounty's term, at whose end all its leases end.
func (a *act) activate(all []*hearing) error {
	for _, h := range all {
		if h.proof.Verdict != marketplace.VerdictPass || h.from != marketplace.Proving ||
			h.lease.Accused.Waits() || !h.lease.Shown() {
			continue
		}
		l := &h.lease
		l.ActiveAt, l.Reason = a.rules.EpochStart(h.proof.Epoch+1), ""
		var ends time.Time
		err := a.QueryRow(a.ctx, `UPDATE bounties SET ends_at = coalesce(ends_at, $2) WHERE id = $1
			RETURNING ends_at`, l.Bounty, l.ActiveAt.Add(l.KeepFor.Duration())).Scan(at{&ends})
		if err != nil {
			return fmt.Errorf("start the term of bounty %d: %w", l.Bounty, err)
		}
		// The other replicas end with it. Those under notice end sooner.
		if _, err := a.exec(`UPDATE leases SET ends_at = least(ends_at, $2) WHERE bounty = $1
			AND state IN `+live, l.Bounty, ends); err != nil {
			return fmt.Errorf("end leases together: %w", err)
		}
		for _, other := range all {
			if o := &other.lease; o.Bounty == l.Bounty && (o.EndsAt.IsZero() || o.EndsAt.After(ends)) {
				o.EndsAt = ends
			}
		}
	}
	return nil
}

// follow moves leases as their verdicts say, and ends those that failed.
func (a *act) follow(all []*hearing) error {
	for _, h := range all {
		a.sentence(h)
	}
	a.yield(all)
	moves := make([]leaseMove, len(all))
	for i, h := range all {
		moves[i] = leaseMove{h.from, h.lease}
	}
	if err := a.moveLeases(moves); err != nil {
		return err
	}
	for _, h := range all {
		if h.fault == nil {
			continue
		}
		if err := a.end(h.lease, *h.fault); err != nil {
			return err
		}
	}
	if err := a.forecast(all); err != nil {
		return err
	}
	if err := a.resolve(all); err != nil {
		return err
	}
	return a.settleJudged(all)
}

// settleJudged brings in line the bounties whose leases moved, and those that are closing: each
// epoch that was not paid leaves less to reserve for.
func (a *act) settleJudged(all []*hearing) error {
	var bounties, moves []int64
	for _, h := range all {
		bounties = append(bounties, h.lease.Bounty)
		if h.fault != nil || h.from == marketplace.Grace || h.lease.State == marketplace.Grace {
			moves = append(moves, h.lease.Bounty)
		}
	}
	moved, err := many(a.ctx, a.Tx, "bounties", pgx.RowTo[int64], `SELECT id FROM bounties
		WHERE id = ANY($1) AND (closing <> '' OR id = ANY($2)) ORDER BY id`, bounties, moves)
	if err != nil {
		return err
	}
	for _, id := range moved {
		if err := a.settle(id); err != nil {
			return err
		}
	}
	return nil
}

// sentence is what a verdict does to a lease.
func (a *act) sentence(h *hearing) {
	after := a.rules.Follow(h.lease, h.proof.Verdict, a.now)
	if after.State == marketplace.Failed {
		h.fault = &ending{after.State, after.Cause, after.Reason}
		after.State, after.Cause, after.Reason = h.lease.State, h.lease.Cause, h.lease.Reason
	}
	h.lease = after
}
