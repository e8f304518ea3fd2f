package seederagent

import (
	"context"
	"fmt"
	"slices"
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

// A roll is the list of the auditors whose tickets count. The engine asks for one ticket at a time,
// so nothing guards it.
type roll struct {
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
// market's list anew, and so does age, but not often.
func (a *Agent) checkAuditor(ctx context.Context, who marketplace.Address, now time.Time) error {
	epoch, age := a.info.Rules.Epoch.Duration(), now.Sub(a.roll.tried)
	rest := min(time.Minute, max(time.Second, epoch/10))
	if age >= epoch || !a.roll.known[who] && age >= rest {
		a.roll.tried = now
		ctx, cancel := context.WithTimeout(ctx, rollWithin)
		defer cancel()
		all, err := a.Market.Auditors(ctx, "")
		if err != nil {
			err = fmt.Errorf("read the list of auditors: %w", err)
			a.Log.InfoContext(ctx, "old list of auditors is used", "auditors", len(a.roll.known), "err", err)
		} else {
			a.roll.read(all)
		}
	}
	if !a.roll.known[who] {
		return marketplace.Forbidden.Errorf("the market admitted no auditor %s", who)
	}
	return nil
}

// read takes a list over. An auditor that pauses still has the seats that it was drawn for.
func (r *roll) read(all []marketplace.Auditor) {
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
