package api

import (
	"context"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// Where an agent serves is told to who goes there and to nobody else. What is earned on a home's line is its
// owner's business. And auditors come by way of other agents' lines (marketplace.Carry): a list of these would
// tell a cheat that serves known auditors only whom to serve besides. Posters and downloaders need no list:
// they find agents as they find any peer, or knock.
//
// An epoch tells the auditors that it sends there (auditEpoch), an offer its own agent, and events nobody.

// A reach is what the caller has to do with other agents.
type reach struct {
	self    marketplace.Address           // zero: a visitor
	serves  map[marketplace.Infohash]bool // torrents that it took leases on: replicas fetch from each other
	carries bool                          // it was just asked to carry a visit there
}

// mayReach is the whole rule. A lease that is over leads nobody to its agent.
func (r reach) mayReach(l marketplace.Lease) bool {
	return l.Agent == r.self || l.State.Live() && (r.serves[l.Infohash] || r.carries)
}

// show returns a lease as the caller may see it.
func (r reach) show(l marketplace.Lease) marketplace.Lease {
	if !r.mayReach(l) {
		l.Peer = ""
	}
	return l
}

// reachOf asks the book what the caller has to do with the agents of some leases.
func (s *Server) reachOf(ctx context.Context, leases ...marketplace.Lease) (reach, error) {
	r := reach{self: callerOf(ctx).account, serves: map[marketplace.Infohash]bool{}}
	var asked []marketplace.Infohash
	for _, l := range leases {
		if !r.self.IsZero() && l.State.Live() && !r.mayReach(l) {
			asked = append(asked, l.Infohash)
		}
	}
	if len(asked) == 0 {
		return r, nil
	}
	serves, err := s.Book.Serves(ctx, r.self, asked)
	for _, h := range serves {
		r.serves[h] = true
	}
	return r, err
}

// carrierTo is reachOf for one lease that the caller may just have been asked to carry a visit to.
func (s *Server) carrierTo(ctx context.Context, l marketplace.Lease) (reach, error) {
	r, err := s.reachOf(ctx, l)
	if err == nil && !r.self.IsZero() && !r.mayReach(l) {
		r.carries, err = s.Book.Carries(ctx, r.self, l.Agent, time.Now())
	}
	return r, err
}

// own returns an offer as the caller may see it.
func own(ctx context.Context, o marketplace.Offer) marketplace.Offer {
	if o.Agent != callerOf(ctx).account {
		o.Terms.Peer = ""
	}
	return o
}
