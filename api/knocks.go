package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// knocksMax is how many of the newest knocks the hub keeps.
const knocksMax = 1024

type knockBody struct{ Body marketplace.Knock }

// knock has an agent told to connect to the caller. Who is no auditor may not have an agent told so
// often that auditors would find it busy.
func (s *Server) knock(ctx context.Context, in *knockBody) error {
	v := visitOf(ctx)
	k, now := in.Body, time.Now()
	to, err := k.From(s.info.Rules, v.from)
	if err != nil {
		return err
	}
	if err := (metainfo.Guard{Loopback: s.info.Rules.AllowLoopback}).Check(to); err != nil {
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
	select {
	case s.hub.bell <- struct{}{}:
	default:
	}
	return nil
}

// doorWithin bounds how long a door is tried.
const doorWithin = 5 * time.Second

type doorBody struct{ Body marketplace.Door }

// door tries to connect to where an auditor listens, as an agent would. It leads to the caller's own
// network, as a knock does, and sends nothing.
func (s *Server) door(ctx context.Context, in *doorBody) (out marketplace.DoorState, err error) {
	to, err := marketplace.Knock{Address: in.Body.Address}.From(s.info.Rules, visitOf(ctx).from)
	if err != nil {
		return out, err
	}
	if err := (metainfo.Guard{Loopback: s.info.Rules.AllowLoopback}).Check(to); err != nil {
		return out, err
	}
	self := callerOf(ctx).account
	switch known, err := s.Book.Audits(ctx, self); {
	case err != nil:
		return out, err
	case !known && !slices.Contains(s.info.Auditors, self):
		return out, marketplace.Forbidden.Errorf("%s is no auditor of this market", self)
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

// readKnocks takes new knocks out of the book.
func (h *hub) readKnocks(ctx context.Context) error {
	_, last := h.knocksAfter(0)
	more, err := h.book.KnocksAfter(ctx, last, readMax)
	if err != nil {
		return err
	}
	if len(more) == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.knocks = append(h.knocks, more...)
	if extra := len(h.knocks) - knocksMax; extra > 0 {
		h.knocks = slices.Clone(h.knocks[extra:])
	}
	h.knocked = more[len(more)-1].ID
	h.wakeAll()
	return nil
}

// knocksAfter returns the knocks after the one with an id, and the id of the newest.
func (h *hub) knocksAfter(id int64) (more []orderbook.PassedKnock, last int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.knocks)
	for i > 0 && h.knocks[i-1].ID > id {
		i--
	}
	return h.knocks[i:len(h.knocks):len(h.knocks)], h.knocked
}

// passKnocks tells the client who knocks at its door. It has no id to resume by: a knock that was
// missed is repeated by who knocks.
func (c *stream) passKnocks() error {
	if !c.own {
		return nil
	}
	more, last := c.server.hub.knocksAfter(c.knocked)
	c.knocked = last
	for _, k := range more {
		if k.Agent != *c.who {
			continue
		}
		noun, err := json.Marshal(k.Knock)
		if err != nil {
			return fmt.Errorf("encode knock: %w", err)
		}
		e := marketplace.Event{Kind: marketplace.KnockKind, Who: []marketplace.Address{k.Agent},
			Data: noun, At: time.Now().UTC()}
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode knock: %w", err)
		}
		if err := c.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", e.Kind, data)); err != nil {
			return err
		}
	}
	return nil
}
