package trial

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
)

// A career is one agent's life on the market.
type career struct {
	w        World
	panel    []word // what each auditor does
	who      []marketplace.Address
	agent    answer
	chance   *rand.Rand
	secret   marketplace.Hash
	nextID   int64
	leases   []*lease // nil where there is none
	record   marketplace.Record
	standing marketplace.Standing

	paid   []marketplace.Amount // for good, after each epoch
	kept   marketplace.Amount   // paid until now
	judged int                  // epochs of proven leases
	missed int                  // ... without a pass
	failed []int64              // epochs in which an audit could not reach it

	accused int // epochs until a data fault was found; 0: never
	active  int // epochs until a lease became active; 0: never
	lost    int // epochs until a lease failed; 0: never
	cut     int // epochs until it had no lease and got none; 0: never
}

// A lease is one duty in a career.
type lease struct {
	marketplace.Lease
	from   int64             // first epoch that audits it
	passed bool              // the epoch before
	asked  marketplace.Lease // as it stood when the epoch opened
	next   marketplace.Lease // ... and when the next one did: before this one was judged
}

// takeOn is a new lease, audited from an epoch on.
func (w World) takeOn(id, from int64) *lease {
	l := w.newLease(id, w.Rules.EpochStart(from))
	return &lease{from: from, Lease: l, next: l}
}

// open begins an epoch: auditors find the lease as it was before the last epoch was judged.
func (l *lease) open() { l.asked, l.next = l.next, l.Lease }

// hear judges the lease, as the book does.
func (l *lease) hear(w World, epoch int64, said []marketplace.Report, auditors int) marketplace.Ruling {
	now := w.Rules.EpochStart(epoch + 1).Add(w.Rules.ReportSlack.Duration())
	ruling := w.Rules.Hear(l.Lease, l.asked, epoch, said, auditors, now)
	if l.Accused = ruling.Accused; ruling.Verdict == marketplace.VerdictAccused {
		for _, rep := range said {
			if rep.Auditor == l.Accused.Auditor {
				l.Accused.Pieces = rep.Wrong()
			}
		}
	}
	return ruling
}

// newCareer begins a life before its first epoch.
func (w World) newCareer(run int, panel []word, begin func(World, *rand.Rand) answer) *career {
	c := &career{w: w, panel: panel, who: auditors(len(panel)), chance: w.chance(run),
		standing: marketplace.New, leases: make([]*lease, w.Leases),
		record: w.Rules.NewRecord(w.Rules.EpochStart(firstEpoch))}
	binary.BigEndian.PutUint64(c.secret[:], c.chance.Uint64())
	c.agent = begin(w, c.chance)
	return c
}

// run lives all epochs.
func (c *career) run() *career {
	for k := range c.w.epochs() {
		c.live(firstEpoch+k, int(k)+1)
	}
	for _, l := range c.leases { // what is alive now is taken to end well
		if l != nil {
			c.kept = c.kept.Add(l.Held)
		}
	}
	return c
}

func (c *career) admitted() bool {
	return c.standing == marketplace.New || c.standing == marketplace.Vetted
}

// live lives one epoch, the nth of the career.
func (c *career) live(epoch int64, nth int) {
	c.takeUp(epoch)
	open := c.open(epoch)
	idle := true
	for i, l := range c.leases {
		if l == nil {
			continue
		}
		idle = false
		if l.from > epoch {
			continue
		}
		l.open()
		c.judge(l, open, nth)
		if l.State == marketplace.Failed {
			c.leases[i] = nil
			c.lost = first(c.lost, nth)
		}
	}
	c.dismiss(nth)
	if idle && c.standing == marketplace.Suspended {
		c.record = c.w.Rules.Idle(c.record, epoch)
		c.standing = c.w.Rules.Standing(c.standing, c.record, epoch)
	}
	if c.out() {
		c.cut = first(c.cut, nth)
	}
	c.paid = append(c.paid, c.kept)
}

// dismiss ends the leases of an agent that was disqualified. Those that were not at fault get what
// was held back of them.
func (c *career) dismiss(nth int) {
	for i, l := range c.leases {
		if l != nil && c.standing == marketplace.Disqualified {
			c.kept = c.kept.Add(l.Held)
			c.leases[i] = nil
			c.lost = first(c.lost, nth)
		}
	}
}

func first(was, now int) int {
	if was > 0 {
		return was
	}
	return now
}

func (c *career) out() bool {
	for _, l := range c.leases {
		if l != nil {
			return false
		}
	}
	return !c.admitted()
}

// open is an epoch without leases; the block's hash is made up.
func (c *career) open(epoch int64) marketplace.AuditEpoch {
	e := marketplace.AuditEpoch{Epoch: epoch, Secret: c.secret,
		Auditors: marketplace.SignersPanel(c.who)}
	binary.BigEndian.PutUint64(e.Hash[:], uint64(epoch)) // #nosec G115 -- bits of it
	return e
}

// takeUp fills what is empty. A lease that is given within an epoch is audited from the next one.
func (c *career) takeUp(epoch int64) {
	for i, l := range c.leases {
		if l != nil || !c.admitted() {
			continue
		}
		from := epoch
		if epoch > firstEpoch {
			from++
		}
		c.nextID++
		c.leases[i] = c.w.takeOn(c.nextID, from)
	}
}

// judge does to a lease what the book does: verdict, pay, standing, and what follows.
func (c *career) judge(l *lease, open marketplace.AuditEpoch, nth int) {
	r, epoch := c.w.Rules, open.Epoch
	reports := c.audit(l, open)
	now := r.EpochStart(epoch + 1).Add(r.ReportSlack.Duration())
	ruling := l.hear(c.w, epoch, reports, len(c.who))
	l.Clean = r.Shows(l.Lease, l.asked, believed(l.asked), ruling)
	verdict := ruling.Verdict
	pass := verdict == marketplace.VerdictPass
	if l.State != marketplace.Proving {
		c.judged++
		if !pass {
			c.missed++
		}
	}
	if pass && !l.Accused.Waits() {
		c.pay(l, r.PaidSeconds(epoch, l.passed, l.ActiveAt, l.EndsAt))
	}
	c.note(epoch, reports)
	c.record = r.Record(c.record, epoch, ruling.Said)
	c.standing = r.Standing(c.standing, c.record, epoch)
	proving := l.State == marketplace.Proving
	l.Lease, l.passed = r.Follow(l.Lease, verdict, now), pass
	switch {
	case verdict == marketplace.VerdictDataFault, verdict == marketplace.VerdictAccused:
		c.accused = first(c.accused, nth)
	case proving && l.State == marketplace.Active:
		c.active = first(c.active, nth)
		l.ActiveAt = r.EpochStart(epoch + 1)
		l.EndsAt = l.ActiveAt.Add(l.KeepFor.Duration())
	case proving && !l.Deadline.After(now):
		l.State = marketplace.Failed
	}
}

// note remembers in which epochs the agent was away.
func (c *career) note(epoch int64, reports []marketplace.Report) {
	if len(c.failed) > 0 && c.failed[len(c.failed)-1] == epoch {
		return
	}
	for _, rep := range reports {
		if rep.Outcome == marketplace.Unreachable {
			c.failed = append(c.failed, epoch)
			return
		}
	}
}

// pay accrues what seconds earned; what is held back is lost with the lease.
func (c *career) pay(l *lease, seconds int64) {
	l.Verified += seconds
	earned := marketplace.KeepPay(l.Price, l.Billed, l.Verified)
	split := c.w.Rules.Split(l.Earned, earned)
	l.Earned, l.Held = earned, l.Held.Add(split.Holdback)
	c.kept = c.kept.Add(split.Payable)
}

// audit lets the auditors that the schedule names look at a lease.
func (c *career) audit(l *lease, open marketplace.AuditEpoch) (all []marketplace.Report) {
	open.Leases = []marketplace.Lease{l.asked}
	for _, planned := range audit.Plan(c.w.Rules, open)[l.ID] {
		v := &visit{Visit: planned, w: c.w, epoch: open.Epoch, lease: l.asked, chance: c.chance, agent: c.agent}
		if report, said := c.panel[index(planned.Auditor)](v); said {
			all = append(all, report)
		}
	}
	return all
}

// panel is n honest auditors, the first ones replaced.
func panel(n int, others ...word) []word {
	all := make([]word, n)
	for i := range all {
		all[i] = look
	}
	copy(all, others)
	return all
}
