package api

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

type knockBody struct{ Body marketplace.Knock }

// knock has an agent told to connect to the caller. Who is no auditor may not have an agent told so
// often that auditors would find it busy.
func (s *Server) knock(ctx context.Context, in *knockBody) error {
	v := visitOf(ctx)
	k, now := in.Body, time.Now()
	to, err := s.leads(ctx, k.Address)
	if err != nil {
		return err
	}
	k.Address = to.String()
	known, err := s.Book.Audits(ctx, callerOf(ctx).account)
	if err != nil {
		return err
	}
	if !known {
		if err := s.knocks.spend(v.header, k.Agent.String(), now); err != nil {
			return err
		}
	}
	if err := s.Book.Knock(ctx, k, now); err != nil {
		return err
	}
	s.hub.notify()
	return nil
}

// doorWithin bounds how long a door is tried.
const doorWithin = 5 * time.Second

type doorBody struct{ Body marketplace.Door }

// door tries to connect to where an auditor listens, as an agent would. It leads to the caller's own
// network, as a knock does, and sends nothing.
func (s *Server) door(ctx context.Context, in *doorBody) (out marketplace.DoorState, err error) {
	to, err := s.leads(ctx, in.Body.Address)
	if err != nil {
		return out, err
	}
	if _, err := s.auditing(ctx); err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, doorWithin)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return marketplace.DoorState{Detail: err.Error()}, nil
	}
	return marketplace.DoorState{Reached: true}, c.Close()
}

// leads returns where an address leads that the caller listens at.
func (s *Server) leads(ctx context.Context, address string) (netip.AddrPort, error) {
	to, err := marketplace.Knock{Address: address}.From(s.info.Rules, visitOf(ctx).from)
	if err != nil {
		return to, err
	}
	return to, metainfo.Guard{Loopback: s.info.Rules.AllowLoopback}.Check(to)
}

// auditing returns the caller, who must be an auditor.
func (s *Server) auditing(ctx context.Context) (marketplace.Address, error) {
	self := callerOf(ctx).account
	known, err := s.Book.Audits(ctx, self)
	if err == nil && !known && !slices.Contains(s.info.Auditors, self) {
		err = marketplace.Forbidden.Errorf("%s is no auditor of this market", self)
	}
	return self, err
}
