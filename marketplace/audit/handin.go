package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// How much is handed in at once.
const (
	commitMax = 500
	revealMax = 100
)

// An outbox has the reports that are on their way: committed to as soon as they are found, revealed
// when the market says that all have committed, unless what we were told of their epoch was false. Its fields
// are guarded by the auditor's mu.
type outbox struct {
	loaded bool
	busy   bool
	at     time.Time // when to hand in next; zero: nothing waits
	fails  int       // hand-ins in a row that did not get through
	epochs map[int64][]*envelope

	rosters map[int64]Roster // that are not checked yet
	untrue  map[int64]bool   // epochs whose roster was false
}

// load takes up what an earlier process had in hand.
func (a *Auditor) load() {
	if a.out.loaded {
		return
	}
	a.out.loaded = true
	kept, err := a.Envelopes.all()
	if err != nil {
		a.Log.Error("reports in hand not read", "err", err)
	}
	a.out.epochs, a.out.untrue = kept, map[int64]bool{}
	if a.out.rosters, err = a.Envelopes.rosters(); err != nil {
		a.Log.Error("what we were told not read", "err", err)
	}
	if len(kept)+len(a.out.rosters) > 0 {
		a.out.at = time.Unix(1, 0)
	}
}

// open are the epochs that something is to be done about. The caller holds mu.
func (o *outbox) open() []int64 {
	all := slices.AppendSeq(slices.Collect(maps.Keys(o.epochs)), maps.Keys(o.rosters))
	slices.Sort(all)
	return slices.Compact(all)
}

// inHand says whether a lease has its report already.
func (a *Auditor) inHand(epoch, lease int64) bool {
	return slices.ContainsFunc(a.out.epochs[epoch], func(v *envelope) bool {
		return v.Report.Lease == lease
	})
}

// seal signs a report, writes it down and puts it into the outbox.
func (a *Auditor) seal(ctx context.Context, d *duty) {
	v := &envelope{Infohash: d.lease.Infohash, Report: d.found, learnt: d.learnt}
	var err error
	if v.Report.Signature, err = a.Sign(v.Report.Text()); err != nil {
		a.lost(ctx, v, err)
		return
	}
	if err := a.Envelopes.put(v); err != nil { // it is lost only if we are killed
		a.Log.ErrorContext(ctx, "report not on disk", "lease", v.Report.Lease, "err", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out.epochs[d.epoch] = append(a.out.epochs[d.epoch], v)
	soon := time.Now().Add(a.lookEvery() / 2) // others may come along
	if a.out.at.IsZero() || soon.Before(a.out.at) && a.out.fails == 0 {
		a.out.at = soon
	}
}

func (a *Auditor) lost(ctx context.Context, v *envelope, err error) {
	a.Log.ErrorContext(ctx, "audit report lost", "lease", v.Report.Lease, "epoch", v.Report.Epoch,
		"err", err)
}

// post begins to hand in, if it is time.
func (a *Auditor) post(ctx context.Context, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.out.busy || a.out.at.IsZero() || a.out.at.After(now) {
		return
	}
	a.out.busy = true
	a.busy++
	go func() {
		err := a.handInAll(ctx)
		a.mu.Lock()
		a.out.busy = false
		a.busy--
		a.nextPost(err, time.Now())
		a.mu.Unlock()
		a.tellRun()
	}()
}

// nextPost decides when to hand in again.
func (a *Auditor) nextPost(err error, now time.Time) {
	if a.out.fails++; err == nil {
		a.out.fails = 0
	}
	a.out.at = time.Time{}
	for _, epoch := range a.out.open() {
		next := a.Rules.EpochStart(epoch + 1)
		hasAll := !slices.ContainsFunc(a.out.epochs[epoch], func(v *envelope) bool { return !v.committed })
		if !hasAll || next.Before(now) {
			next = now.Add(a.lookEvery() << min(a.out.fails, 2))
		}
		if a.out.at.IsZero() || next.Before(a.out.at) {
			a.out.at = next
		}
	}
}

// handInAll does for every epoch in the outbox what is due.
func (a *Auditor) handInAll(ctx context.Context) (err error) {
	a.mu.Lock()
	epochs := a.out.open()
	a.mu.Unlock()
	for _, epoch := range epochs {
		a.mu.Lock()
		all := slices.Clone(a.out.epochs[epoch])
		a.mu.Unlock()
		failed := a.handIn(ctx, epoch, all)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err = errors.Join(err, failed)
		a.tidy(ctx, epoch, failed)
	}
	return err
}

// handIn commits, and reveals when the epoch is over.
func (a *Auditor) handIn(ctx context.Context, epoch int64, all []*envelope) error {
	for some := range slices.Chunk(waiting(all, false), commitMax) {
		sealed := make([]marketplace.Commitment, len(some))
		for i, v := range some {
			sealed[i] = v.Report.Sealed()
		}
		refused, err := a.Market.Commit(ctx, epoch, sealed)
		// Where the market takes no more it may have ours already, from before we were started.
		if err != nil && !errors.Is(err, marketplace.Conflict) {
			return err
		}
		a.settled(ctx, some, refused, func(v *envelope) { v.committed = true })
	}
	if time.Now().Before(a.Rules.EpochStart(epoch + 1)) {
		return nil
	}
	if err := a.vouch(ctx, epoch, all); err != nil {
		return err
	}
	most := revealMax
	if time.Now().Before(a.Rules.CommitBy(epoch)) {
		most = 1 // a question: the market takes reports sooner when all have committed
	}
	for left := waiting(all, true); len(left) > 0; most = revealMax {
		some := left[:min(len(left), most)]
		left = left[len(some):]
		reports := make([]marketplace.Report, len(some))
		for i, v := range some {
			reports[i] = v.Report
		}
		refused, err := a.Market.Reveal(ctx, reports)
		if err != nil {
			return err
		}
		a.settled(ctx, some, refused, func(v *envelope) {
			v.done = true
			a.learn(ctx, v)
		})
	}
	return nil
}

// waiting returns what is to be committed to, or what is committed and to be revealed.
func waiting(all []*envelope, committed bool) (some []*envelope) {
	for _, v := range all {
		if v.committed == committed && !v.done {
			some = append(some, v)
		}
	}
	return some
}

// settled notes what was taken; what was refused is lost.
func (a *Auditor) settled(ctx context.Context, some []*envelope, refused []marketplace.NotTaken,
	took func(*envelope),
) {
	why := map[int64]marketplace.NotTaken{}
	for _, r := range refused {
		why[r.Lease] = r
	}
	for _, v := range some {
		if r, no := why[v.Report.Lease]; no {
			v.done = true
			a.lost(ctx, v, r.Kind.Errorf("%s", r.Detail))
			continue
		}
		took(v)
	}
}

// tidy forgets an epoch when all of it is handed in, or can be no more.
func (a *Auditor) tidy(ctx context.Context, epoch int64, failed error) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	over := !now.Before(a.Rules.EpochStart(epoch + 1))
	late := now.After(a.Rules.ReportBy(epoch).Add(a.lookEvery()))
	left := slices.DeleteFunc(slices.Clone(a.out.epochs[epoch]), func(v *envelope) bool { return v.done })
	_, unchecked := a.out.rosters[epoch]
	if !over || (len(left) > 0 || unchecked) && !late {
		return
	}
	for _, v := range left {
		a.lost(ctx, v, failed)
	}
	delete(a.out.epochs, epoch)
	delete(a.out.rosters, epoch) // on disk it stays, and is checked when we are started next
	if err := a.Envelopes.drop(epoch); err != nil {
		a.Log.ErrorContext(ctx, "reports not tidied", "epoch", epoch, "err", err)
	}
}

// learn keeps the hashes that follow from a report which was handed in.
func (a *Auditor) learn(ctx context.Context, from *envelope) {
	v := a.library.get(from.Infohash)
	for piece, leaves := range from.learnt {
		if v == nil {
			return
		}
		if err := v.shelf.learn(from.Report.Epoch, piece, leaves); err != nil {
			a.Log.ErrorContext(ctx, "hashes not kept", "infohash", from.Infohash, "err", err)
			return
		}
	}
}
