package api

import (
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// lends puts up an offer of an agent that carries visits.
func (r *rig) lends(k escrow.Key, peer string) {
	r.t.Helper()
	terms := offerTerms(k.Address())
	terms.Peer, terms.Carry = peer, true
	_, err := r.as(k).PutOffer(r.t.Context(), terms)
	must(r.t, err)
}

// carryOf is signed by an auditor.
func carryOf(t *testing.T, k escrow.Key, lease, epoch int64) marketplace.Carry {
	t.Helper()
	c := marketplace.Carry{Lease: lease, Epoch: epoch, Auditor: k.Address(), Door: ":7001",
		Token: marketplace.Hash{1}}
	var err error
	c.Signature, err = k.SignText(c.Text())
	must(t, err)
	return c
}

func TestOnlyTheCarrierIsToldWhomToVisit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, l := r.leased()
	carrier := newKey(t)
	r.lends(carrier, "8.8.8.8:1")
	own := r.as(r.auditors[0])
	heard := told[marketplace.Carry](t, r.as(carrier), carrier.Address(), marketplace.CarryKind)
	others := told[marketplace.Carry](t, r.visitor(), carrier.Address(), marketplace.CarryKind)
	r.streaming(2)
	c := carryOf(t, r.auditors[0], l.ID, r.server.info.Rules.EpochAt(time.Now()))
	want := c
	want.Door = "127.0.0.1:7001"
	for end := time.Now().Add(20 * time.Second); ; {
		drawn, err := own.Carry(t.Context(), c, marketplace.CarrierWish{})
		if err != nil || drawn.Agent != carrier.Address() {
			t.Fatalf("drawn: %v %v", drawn, err)
		}
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("it is told %+v, want %+v", got, want)
			}
		case <-time.After(time.Second): // a stream that has only just begun may miss the first
			if time.Now().Before(end) {
				continue
			}
			t.Fatal("the carrier is not told")
		}
		break
	}
	_, err := own.Carry(t.Context(), c, marketplace.CarrierWish{}) // the hub is past the first one when this is told
	must(t, err)
	<-heard
	select {
	case c := <-others:
		t.Errorf("everybody is told %+v", c)
	default:
	}
	_, err = own.Carry(t.Context(), c, marketplace.CarrierWish{Not: []marketplace.Address{carrier.Address()}})
	wantKind(t, err, marketplace.NotFound)
}

func TestACarryIsForAnAuditorsOwnVisits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, l := r.leased()
	carrier, stranger := newKey(t), newKey(t)
	r.lends(carrier, "8.8.8.8:1")
	own := r.auditors[0]
	now := func() int64 { return r.server.info.Rules.EpochAt(time.Now()) }
	for name, c := range map[string]struct {
		by   escrow.Key
		kind marketplace.Kind
		with func(*marketplace.Carry)
	}{
		"no auditor":      {stranger, marketplace.Forbidden, func(*marketplace.Carry) {}},
		"another's":       {r.auditors[1], marketplace.Forbidden, func(*marketplace.Carry) {}},
		"an old epoch":    {own, marketplace.Invalid, func(c *marketplace.Carry) { *c = carryOf(t, own, l.ID, now()-2) }},
		"a far epoch":     {own, marketplace.Invalid, func(c *marketplace.Carry) { *c = carryOf(t, own, l.ID, now()+2) }},
		"a false text":    {own, marketplace.Invalid, func(c *marketplace.Carry) { c.Token = marketplace.Hash{2} }},
		"no lease":        {own, marketplace.NotFound, func(c *marketplace.Carry) { *c = carryOf(t, own, 99, now()) }},
		"another's door":  {own, marketplace.Invalid, func(c *marketplace.Carry) { c.Door = "9.9.9.9:1" }},
		"no door at all":  {own, marketplace.Invalid, func(c *marketplace.Carry) { c.Door = "" }},
		"a door inside":   {own, marketplace.Invalid, func(c *marketplace.Carry) { c.Door = "10.0.0.1:1" }},
		"nothing is odd":  {own, "", func(*marketplace.Carry) {}},
		"one epoch later": {own, "", func(c *marketplace.Carry) { *c = carryOf(t, own, l.ID, now()-1) }},
	} {
		by := r.as(c.by) // before the carry is made: an epoch has five seconds
		asked := carryOf(t, own, l.ID, now())
		c.with(&asked)
		_, err := by.Carry(t.Context(), asked, marketplace.CarrierWish{})
		if c.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		t.Log(name)
		wantKind(t, err, c.kind)
	}
	_, err := r.visitor().Carry(t.Context(), carryOf(t, own, l.ID, now()), marketplace.CarrierWish{})
	wantKind(t, err, marketplace.Unauthorized)
}
