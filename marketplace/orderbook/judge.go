package orderbook

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
// many leases it judged. An epoch is over when all reports are in, or when no more are taken.
// Epochs are judged in order, because pay for one asks for the verdict of the one before. A lease
// that cannot be judged holds up nobody but itself.
func (b *Book) JudgeEpochs(ctx context.Context, now time.Time) (n int, err error) {
	type open struct {
		epoch int64
		over  bool
	}
	scan := func(row pgx.CollectableRow) (o open, err error) { return o, row.Scan(&o.epoch, &o.over) }
	r := b.opts.Rules
	epochs, err := many(ctx, b.pool, "epochs", scan, `SELECT epoch, epoch < $1 OR epoch < $2 AND
			(SELECT count(*) FROM reports p WHERE p.epoch = e.epoch) >=
			jsonb_array_length(leases) * least($3, cardinality(auditors))
		FROM audit_epochs e WHERE judged_at IS NULL ORDER BY epoch LIMIT $4`,
		r.EpochAt(now.Add(-r.ReportSlack.Duration())), r.EpochAt(now), r.Auditors, epochsMax)
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
	ids, all := make([]int64, 0, len(e.Leases)), true
	for _, l := range e.Leases {
		if all = all && !stuck[l.ID]; !stuck[l.ID] {
			ids = append(ids, l.ID)
		}
	}
	for some := range slices.Chunk(ids, judgeMax) {
		m, failed := b.judgeSome(ctx, some, epoch, stuck, now)
		n, err = n+m, errors.Join(err, failed)
	}
	if err != nil || !all {
		return n, err
	}
	_, err = b.exec(ctx, "close epoch", `UPDATE audit_epochs SET judged_at = $2
		WHERE epoch = $1 AND judged_at IS NULL`, epoch, now)
	return n, err
}

// judgeSome judges leases together, or, when that fails, one by one to find out which is stuck.
func (b *Book) judgeSome(ctx context.Context, ids []int64, epoch int64, stuck map[int64]bool,
	now time.Time) (n int, err error) {
	err = b.act(ctx, now, func(a *act) (err error) {
		n, err = a.judge(ids, epoch)
		return err
	})
	if err == nil || ctx.Err() != nil {
		return n, err
	}
	return b.each(ctx, now, "lease", ids, func(a *act, id int64) (bool, error) {
		n, err := a.judge([]int64{id}, epoch)
		stuck[id] = err != nil
		return n == 1, err
	})
}

// A hearing is one lease before its judge.
type hearing struct {
	lease  marketplace.Lease
	from   marketplace.LeaseState
	before bool // it passed the epoch before
	proof  marketplace.Proof
	fault  string // why the lease fails, if it does
}

// judge writes the proofs of an epoch for live leases that have none, books the pay, and moves
// the leases. It returns how many there were.
func (a *act) judge(ids []int64, epoch int64) (int, error) {
	all, err := a.hear(ids, epoch)
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
func (a *act) hear(ids []int64, epoch int64) ([]*hearing, error) {
	if _, err := a.exec(`SELECT FROM bounties WHERE id IN (SELECT bounty FROM leases
		WHERE id = ANY($1)) ORDER BY id FOR UPDATE`, ids); err != nil {
		return nil, fmt.Errorf("lock bounties: %w", err)
	}
	leases, err := many(a.ctx, a.Tx, "leases", scanLease, selectLease+`WHERE id = ANY($1)
		AND state IN `+live+` AND NOT EXISTS (SELECT FROM proofs p WHERE p.lease = leases.id
			AND p.epoch = $2) ORDER BY id`, ids, epoch)
	if err != nil {
		return nil, err
	}
	reports, err := many(a.ctx, a.Tx, "reports", scanReport, `SELECT body FROM reports
		WHERE lease = ANY($1) AND epoch = $2 ORDER BY lease, auditor`, ids, epoch)
	if err != nil {
		return nil, err
	}
	passed, err := many(a.ctx, a.Tx, "proofs", pgx.RowTo[int64], `SELECT lease FROM proofs
		WHERE lease = ANY($1) AND epoch = $2 AND verdict = 'pass'`, ids, epoch-1)
	if err != nil {
		return nil, err
	}
	all, byID := make([]*hearing, len(leases)), map[int64]*hearing{}
	for i, l := range leases {
		all[i] = &hearing{lease: l, from: l.State, before: slices.Contains(passed, l.ID)}
		byID[l.ID] = all[i]
	}
	said := map[int64][]marketplace.Report{}
	for _, r := range reports {
		said[r.Lease] = append(said[r.Lease], r)
	}
	for id, h := range byID {
		h.proof = marketplace.Proof{Lease: id, Bounty: h.lease.Bounty, Agent: h.lease.Agent,
			Epoch: epoch, Reports: len(said[id]), At: a.now}
		h.proof.Verdict, h.proof.Passes = a.rules.Judge(said[id])
	}
	return all, nil
}

func (a *act) writeProofs(all []*hearing) error {
	batch := &pgx.Batch{}
	for _, h := range all {
		p := h.proof
		batch.Queue(`INSERT INTO proofs (lease, bounty, agent, epoch, verdict, passes, reports, seconds,
			earned, drawn_from, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, p.Lease,
			p.Bounty, p.Agent, p.Epoch, string(p.Verdict), p.Passes, p.Reports, p.Seconds, p.Earned,
			p.From, p.At)
		a.happened("proof."+string(p.Verdict), p.Lease, p, p.Agent, h.lease.Poster)
	}
	if err := a.SendBatch(a.ctx, batch).Close(); err != nil {
		return fmt.Errorf("write proofs: %w", err)
	}
	return nil
}

// activate starts the pay of leases at the end of their first passed epoch. The first replica of
// a bounty starts the bounty's term, at whose end all its leases end.
func (a *act) activate(all []*hearing) error {
	for _, h := range all {
		if h.proof.Verdict != marketplace.VerdictPass || h.from != marketplace.Proving {
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
	moves := make([]leaseMove, len(all))
	for i, h := range all {
		a.sentence(h)
		moves[i] = leaseMove{h.from, h.lease}
	}
	if err := a.moveLeases(moves); err != nil {
		return err
	}
	for _, h := range all {
		if h.fault == "" {
			continue
		}
		if err := a.end(h.lease, marketplace.Failed, h.fault); err != nil {
			return err
		}
	}
	return a.settleJudged(all)
}

// settleJudged brings in line the bounties that lost a lease, and those that are closing: each
// epoch that was not paid leaves less to reserve for.
func (a *act) settleJudged(all []*hearing) error {
	var bounties, failed []int64
	for _, h := range all {
		bounties = append(bounties, h.lease.Bounty)
		if h.fault != "" {
			failed = append(failed, h.lease.Bounty)
		}
	}
	moved, err := many(a.ctx, a.Tx, "bounties", pgx.RowTo[int64], `SELECT id FROM bounties
		WHERE id = ANY($1) AND (closing <> '' OR id = ANY($2)) ORDER BY id`, bounties, failed)
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

// sentence is what a verdict does to a lease. Grace ends with a verdict and not by the clock: only
// an audit can find that an agent is back.
func (a *act) sentence(h *hearing) {
	l := &h.lease
	switch v := h.proof.Verdict; {
	case v == marketplace.VerdictPass:
		l.Passed++
		l.State, l.Deadline, l.Reason = marketplace.Active, time.Time{}, ""
	case v == marketplace.VerdictDataFault:
		l.Missed++
		h.fault = "served wrong data"
	case v == marketplace.VerdictFail && h.from == marketplace.Active:
		l.Missed++
		l.State, l.Deadline = marketplace.Grace, a.now.Add(a.rules.Grace.Duration())
		l.Reason = "missed the audit of an epoch"
	case v == marketplace.VerdictFail:
		l.Missed++
		if h.from == marketplace.Grace && !l.Deadline.After(a.now) {
			h.fault = "missed audits for longer than the grace"
		}
	}
}

// faultsMax is how many data faults disqualify an agent for good; the first one suspends it.
const faultsMax = 3

// judgeStandings counts verdicts and moves agents' standings.
func (a *act) judgeStandings(all []*hearing) error {
	passed, faults := map[string]int{}, map[string]int{}
	for _, h := range all {
		switch agent := h.lease.Agent.String(); h.proof.Verdict {
		case marketplace.VerdictPass:
			passed[agent]++
		case marketplace.VerdictDataFault:
			faults[agent]++
		}
	}
	agents := slices.Sorted(maps.Keys(passed))
	agents = slices.AppendSeq(agents, maps.Keys(faults))
	slices.Sort(agents)
	agents = slices.Compact(agents)
	passes, wrongs := make([]int, len(agents)), make([]int, len(agents))
	for i, agent := range agents {
		passes[i], wrongs[i] = passed[agent], faults[agent]
	}
	// Standing is only ever lowered by faults and raised by passes, in one statement.
	moved, err := many(a.ctx, a.Tx, "standing", pgx.RowTo[string], `
		WITH before AS (SELECT o.agent, o.standing, v.passed, v.faults
			FROM unnest($1::text[], $2::int[], $3::int[]) AS v (agent, passed, faults)
			JOIN offers o USING (agent) ORDER BY o.agent FOR UPDATE OF o)
		UPDATE offers o SET passed = o.passed + b.passed, faults = o.faults + b.faults,
			standing = CASE
				WHEN o.faults + b.faults >= $4 THEN 'disqualified'
				WHEN b.faults > 0 AND o.standing <> 'disqualified' THEN 'suspended'
				WHEN o.standing = 'new' AND o.passed + b.passed >= $5 AND first_seen <= $6 THEN 'vetted'
				ELSE o.standing END
		FROM before b WHERE o.agent = b.agent
		RETURNING CASE WHEN o.standing <> b.standing THEN o.agent ELSE '' END`,
		agents, passes, wrongs, faultsMax, a.rules.VetAudits, a.now.Add(-a.rules.VetAfter.Duration()))
	if err != nil {
		return err
	}
	for _, agent := range moved {
		if agent == "" {
			continue
		}
		o, err := one(a.ctx, a.Tx, "offer", scanOffer, selectOffer+`WHERE o.agent = $1`, agent)
		if err != nil {
			return err
		}
		a.happened("agent."+string(o.Standing), o.ID, o, o.Agent)
	}
	return nil
}
