package api

import (
	"encoding/json"
	"net/netip"
	"strconv"
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

// audited makes a lease that all auditors are drawn for, in the epochs around.
func (r *rig) audited() marketplace.Lease {
	r.t.Helper()
	agent, l := r.leased()
	_, err := agent.Accept(r.t.Context(), l.ID)
	must(r.t, err)
	l, err = agent.Ready(r.t.Context(), l.ID, marketplace.Hash{1})
	must(r.t, err)
	must(r.t, r.book.ConfigureAuditors(r.t.Context(), r.server.info.Auditors, time.Now()))
	k := r.server.info.Rules.EpochAt(time.Now())
	for epoch := k - 2; epoch < k+12; epoch++ {
		r.openEpoch(epoch, time.Now())
	}
	return l
}

func TestOnlyTheCarrierIsToldWhomToVisit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.audited()
	carrier := newKey(t)
	r.lends(carrier, "8.8.8.8:1")
	own := r.as(r.auditors[0])
	heard := told[marketplace.Carry](t, r.as(carrier), carrier.Address(), marketplace.CarryKind)
	others := told[marketplace.Carry](t, r.visitor(), carrier.Address(), marketplace.CarryKind)
	neighbour := newKey(t)
	nextDoor := told[marketplace.Carry](t, r.as(neighbour), neighbour.Address(), marketplace.CarryKind)
	r.streaming(3)
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
	case c := <-nextDoor:
		t.Errorf("another agent is told %+v", c)
	default:
	}
	_, err = own.Carry(t.Context(), c, marketplace.CarrierWish{Not: []marketplace.Address{carrier.Address()}})
	wantKind(t, err, marketplace.NotFound)
}

func TestACarryIsForAnAuditorsOwnVisits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.audited()
	carrier, stranger := newKey(t), newKey(t)
	r.lends(carrier, "8.8.8.8:1")
	_, other := r.leased() // when the epochs were open already
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
		"not its lease":   {own, marketplace.Forbidden, func(c *marketplace.Carry) { *c = carryOf(t, own, other.ID, now()) }},
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

func TestAnAuditorGetsFewCarriersForALease(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Limits.Carries = Rate{PerSecond: 0.001, Burst: 3} })
	l := r.audited()
	for i := range byte(10) {
		r.lends(newKey(t), netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, 8, i, 8}), 1).String())
	}
	asks := func(k escrow.Key) error {
		c := r.as(k)
		_, err := c.Carry(t.Context(), carryOf(t, k, l.ID, r.server.info.Rules.EpochAt(time.Now())),
			marketplace.CarrierWish{})
		return err
	}
	for range 3 {
		must(t, asks(r.auditors[0]))
	}
	wantKind(t, asks(r.auditors[0]), marketplace.TooMany)
	must(t, asks(r.auditors[1]))
	text, err := json.Marshal(carryOf(t, r.auditors[0], l.ID, r.server.info.Rules.EpochAt(time.Now())))
	must(t, err)
	resp, _ := ask(t, "POST", r.web.URL+"/v1/carries", string(text), "Idempotency-Key", "k", "Content-Type",
		"application/json", "Authorization", "Bearer "+r.session(r.auditors[0]))
	if wait, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || wait < 500 {
		t.Errorf("%s: it is told to come again in %q s", resp.Status, resp.Header.Get("Retry-After"))
	}
}
