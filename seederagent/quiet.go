package seederagent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// An auditor's ticket opens a quiet window: for a moment the agent serves a torrent to nobody but
// auditors (marketplace.Ticket). The agent decides by itself whether a ticket is good, from its
// leases, the rules and the list of auditors, so that a window opens while the market is away, and
// at once.

// rollWithin bounds how long reading the list of auditors may keep tickets waiting.
const rollWithin = 10 * time.Second

// A roll is the list of the auditors whose tickets count.
type roll struct {
	mu    sync.Mutex // guards the fields below
	known map[marketplace.Address]bool
	tried time.Time
}

// quiet returns how long the window is that a ticket opens, or 0.
func (a *Agent) quiet(
	ctx context.Context, h marketplace.Infohash, t marketplace.Ticket,
) time.Duration {
	if err := a.checkTicket(ctx, h, t, time.Now()); err != nil {
		// Anybody can show anything: what strangers invent is not worth a line each.
		a.Log.DebugContext(ctx, "ticket refused", "infohash", h, "lease", t.Lease, "auditor", t.Auditor,
			"err", err)
		return 0
	}
	return a.info.Rules.Quiet.Duration()
}

// checkTicket says why a ticket is no good. What costs most comes last.
func (a *Agent) checkTicket(
	ctx context.Context, h marketplace.Infohash, t marketplace.Ticket, now time.Time,
) error {
	if !a.state.holds(t.Lease, h) {
		return marketplace.Invalid.Errorf("lease %d of torrent %s is not mine", t.Lease, h)
	}
	// Clocks differ, and so does the moment at which a try begins and its epoch ends.
	if k := a.info.Rules.EpochAt(now); t.Epoch < k-1 || t.Epoch > k+1 {
		return marketplace.Invalid.Errorf("ticket is for epoch %d; this is %d", t.Epoch, k)
	}
	signer, err := escrow.RecoverText(t.Text(), t.Signature)
	if err != nil {
		return err
	}
	if signer != t.Auditor {
		return marketplace.Invalid.Errorf("ticket of %s is signed by %s", t.Auditor, signer)
	}
	return a.checkAuditor(ctx, signer, now)
}

// checkAuditor says why an auditor's tickets do not count. Who is unknown makes the agent read the
// list of auditors anew, but not often.
func (a *Agent) checkAuditor(ctx context.Context, who marketplace.Address, now time.Time) error {
	if !a.roll.has(who) {
		ctx, cancel := context.WithTimeout(ctx, rollWithin)
		defer cancel()
		rest := min(time.Minute, max(time.Second, a.info.Rules.Epoch.Duration()/10))
		if err := a.callRoll(ctx, now, rest); err != nil {
			a.Log.InfoContext(ctx, "old list of auditors is used", "err", err)
		}
	}
	if !a.roll.has(who) {
		return marketplace.Forbidden.Errorf("the market admitted no auditor %s", who)
	}
	return nil
}

// callRoll reads the market's list of auditors, unless that was tried within a time. Each step does
// it once an epoch, so that a ticket seldom has to wait for it.
func (a *Agent) callRoll(ctx context.Context, now time.Time, every time.Duration) error {
	if !a.roll.due(now, every) {
		return nil
	}
	all, err := a.Market.Auditors(ctx, "")
	if err != nil {
		return fmt.Errorf("read the list of auditors: %w", err)
	}
	a.roll.read(all)
	return nil
}

func (r *roll) due(now time.Time, every time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.tried) < every {
		return false
	}
	r.tried = now
	return true
}

func (r *roll) has(who marketplace.Address) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[who]
}

// read takes a list over. An auditor that pauses still has the seats that it was drawn for.
func (r *roll) read(all []marketplace.Auditor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = map[marketplace.Address]bool{}
	for _, a := range all {
		if a.State == marketplace.Admitted || a.State == marketplace.PausedAuditor {
			r.known[a.Terms.Auditor] = true
		}
	}
}

// holds says whether a lease lived when the agent last looked, and was of a torrent.
func (s *status) holds(lease int64, h marketplace.Infohash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.leases, func(l marketplace.Lease) bool {
		return l.ID == lease && l.Infohash == h
	})
}
