package seederagent

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/everseed/everseed/marketplace"
)

// Who cannot connect to this machine knocks at the market, and the agent connects to where it is
// told (marketplace.Knock), be that a downloader or an auditor: nothing tells them apart.

// dialsMax bounds how often strangers can make the agent connect somewhere.
const dialsMax = 10 // a second

// knockEvery is how often the agent knocks at the same replica while it fetches.
const knockEvery = 20 * time.Second

// A doorman lets knocks in and out.
type doorman struct {
	dials   *rate.Limiter
	knocked map[replica]time.Time // the step's
}

type replica struct {
	agent marketplace.Address
	h     marketplace.Infohash
}

func newDoorman() doorman {
	return doorman{rate.NewLimiter(dialsMax, dialsMax), map[replica]time.Time{}}
}

// open connects to who knocks for a torrent that is under lease.
func (a *Agent) open(ctx context.Context, e marketplace.Event) {
	var k marketplace.Knock
	if json.Unmarshal(e.Data, &k) != nil || k.Agent != a.Key.Address() {
		return
	}
	to, err := netip.ParseAddrPort(k.Address)
	if err != nil || !a.state.serves(k.Infohash) || !a.doorman.dials.Allow() {
		return
	}
	if err := a.Engine.AddPeers(k.Infohash, []netip.AddrPort{to}); err != nil {
		a.Log.InfoContext(ctx, "knock not answered", "infohash", k.Infohash, "err", err)
	}
}

// serves says whether a lease on a torrent lived when the agent last looked.
func (s *status) serves(h marketplace.Infohash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.leases, func(l marketplace.Lease) bool { return l.Infohash == h })
}

// knock asks a replica that cannot be connected to for its content, if it can connect to us.
func (a *Agent) knock(ctx context.Context, l marketplace.Lease, now time.Time) {
	of := replica{l.Agent, l.Infohash}
	if a.Config.Peer == "" || now.Sub(a.doorman.knocked[of]) < knockEvery {
		return
	}
	a.doorman.knocked[of] = now
	k := marketplace.Knock{Infohash: l.Infohash, Agent: l.Agent, Address: a.Config.Peer}
	if err := a.Market.Knock(ctx, k); err != nil {
		a.Log.InfoContext(ctx, "knock not passed on", "infohash", l.Infohash, "err", err)
	}
}
