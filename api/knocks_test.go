package api

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

// told follows an account's events as a client and hands on what notices of a kind say.
func told[N any](t *testing.T, c *client.Client, who marketplace.Address, kind string) <-chan N {
	t.Helper()
	heard := make(chan N, 100)
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	t.Cleanup(func() { stop(); <-over })
	go func() {
		defer close(over)
		for e, err := range c.Stream(ctx, who, "") {
			var n N
			if err == nil && e.Kind == kind && json.Unmarshal(e.Data, &n) == nil {
				heard <- n
			}
		}
	}()
	return heard
}

// streaming waits until n streams are open.
func (r *rig) streaming(n int64) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); r.server.gauges.streams.Load() < n; {
		if time.Now().After(end) {
			r.t.Fatalf("%d streams are open", r.server.gauges.streams.Load())
		}
		time.Sleep(time.Millisecond)
	}
}

// leased returns an agent with a lease, its client, and the lease.
func (r *rig) leased() (agent *client.Client, l marketplace.Lease) {
	r.t.Helper()
	ctx := r.t.Context()
	poster, self := newKey(r.t), newKey(r.t)
	r.fund(poster.Address(), marketplace.BTT(100_000))
	c, a := r.as(poster), r.as(self)
	tor, err := c.AddTorrent(ctx, metainfoOf("a"))
	must(r.t, err)
	b, err := c.PostBounty(ctx, "", bountyOf(tor.Infohash))
	must(r.t, err)
	terms := offerTerms(self.Address())
	terms.Peer = ""
	o, err := a.PutOffer(ctx, terms)
	must(r.t, err)
	return a, r.fill(b, o)
}

func TestAnAgentThatNobodyCanConnectToIsWhereTheMarketSeesIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, l := r.leased()
	if l, err := a.Lease(t.Context(), l.ID); err != nil || l.Peer != "127.0.0.1:0" {
		t.Errorf("it serves at %q, %v", l.Peer, err)
	}
	terms := offerTerms(newKey(t).Address())
	terms.Payee = l.Payee
	terms.Peer = "8.8.8.8:0" // what it says of itself counts for nothing
	if o, err := a.PutOffer(t.Context(), terms); err != nil || o.Terms.Peer != "127.0.0.1:0" {
		t.Errorf("%q %v", o.Terms.Peer, err)
	}
	terms.Peer = "8.8.8.8:1" // where auditors will find it, or not
	if o, err := a.PutOffer(t.Context(), terms); err != nil || o.Terms.Peer != "8.8.8.8:1" {
		t.Errorf("%q %v", o.Terms.Peer, err)
	}
}

func TestOnlyTheAgentIsToldWhoKnocks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, l := r.leased()
	hears := func(c *client.Client, who marketplace.Address) <-chan marketplace.Knock {
		return told[marketplace.Knock](t, c, who, marketplace.KnockKind)
	}
	mine := hears(a, l.Agent)
	others := []<-chan marketplace.Knock{hears(r.visitor(), l.Agent), hears(r.as(newKey(t)), l.Agent),
		hears(a, l.Poster)}
	r.streaming(4)
	guest := r.as(newKey(t))
	k := marketplace.Knock{Infohash: l.Infohash, Agent: l.Agent, Address: ":7001"}
	want := k
	want.Address = "127.0.0.1:7001"
	heard := func() bool { // a stream that has only just begun may miss the first
		must(t, guest.Knock(t.Context(), k))
		select {
		case got := <-mine:
			if got != want {
				t.Errorf("it is told %+v, want %+v", got, want)
			}
			return true
		case <-time.After(time.Second):
			return false
		}
	}
	for end := time.Now().Add(20 * time.Second); !heard(); {
		if time.Now().After(end) {
			t.Fatal("the agent is not told")
		}
	}
	must(t, guest.Knock(t.Context(), k)) // the hub is past the first one when this is told
	<-mine
	for i, o := range others {
		select {
		case k := <-o:
			t.Errorf("stream %d is told %+v", i, k)
		default:
		}
	}
	events, _, err := r.visitor().Events(t.Context(), "", l.Agent, 100)
	must(t, err)
	for _, e := range events {
		if e.Kind == marketplace.KnockKind {
			t.Errorf("everybody is told %+v", e)
		}
	}
}

func TestAKnockLeadsToTheOneWhoKnocksOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, l := r.leased()
	guest := r.as(newKey(t))
	for _, address := range []string{
		"8.8.8.8:80", "10.0.0.1:80", "[::1]:0", "127.0.0.1", "name:80", "", "169.254.169.254:80",
	} {
		err := guest.Knock(t.Context(), marketplace.Knock{Infohash: l.Infohash, Agent: l.Agent,
			Address: address})
		wantKind(t, err, marketplace.Invalid)
	}
	k := marketplace.Knock{Infohash: l.Infohash, Agent: newKey(t).Address(), Address: ":80"}
	wantKind(t, guest.Knock(t.Context(), k), marketplace.NotFound)
	k = marketplace.Knock{Infohash: marketplace.Infohash{9}, Agent: l.Agent, Address: ":80"}
	wantKind(t, guest.Knock(t.Context(), k), marketplace.NotFound)
	k.Infohash = l.Infohash
	wantKind(t, r.visitor().Knock(t.Context(), k), marketplace.Unauthorized)
	must(t, guest.Knock(t.Context(), k))
}

func TestWhoKnocksTooOftenDoesNotKeepAuditorsOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Limits.Knocks = Rate{PerSecond: 0.001, Burst: 3} })
	_, l := r.leased()
	k := marketplace.Knock{Infohash: l.Infohash, Agent: l.Agent, Address: ":80"}
	for range 3 { // from another account each: that does not help
		must(t, r.as(newKey(t)).Knock(t.Context(), k))
	}
	wantKind(t, r.as(newKey(t)).Knock(t.Context(), k), marketplace.TooMany)
	must(t, r.book.ConfigureAuditors(t.Context(), r.server.info.Auditors, time.Now()))
	must(t, r.as(r.auditors[0]).Knock(t.Context(), k))
}

func TestAKnockIsOldAfterAMinute(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, l := r.leased()
	k := marketplace.Knock{Infohash: l.Infohash, Agent: l.Agent, Address: "127.0.0.1:1"}
	now := time.Now()
	for i := range 3 {
		must(t, r.book.Knock(t.Context(), k, now.Add(time.Duration(i)*40*time.Second)))
	}
	kept, err := r.book.NoticesAfter(t.Context(), 0, 10)
	must(t, err)
	if len(kept) != 2 {
		t.Errorf("%d knocks are kept, want those of the last minute", len(kept))
	}
}

func TestAnAuditorLearnsWhetherItsDoorIsOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	own := r.as(r.auditors[0])
	door, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(door.Addr().String())
	must(t, err)
	for _, address := range []string{door.Addr().String(), ":" + port} {
		if reached, err := own.Reach(t.Context(), address); err != nil || !reached {
			t.Errorf("the open door %s: %v %v", address, reached, err)
		}
	}
	_, err = r.as(newKey(t)).Reach(t.Context(), ":"+port)
	wantKind(t, err, marketplace.Forbidden)
	_, err = own.Reach(t.Context(), "8.8.8.8:"+port) // nobody is sent against others
	wantKind(t, err, marketplace.Invalid)
	must(t, door.Close())
	if reached, err := own.Reach(t.Context(), ":"+port); err != nil || reached {
		t.Errorf("the shut door: %v %v", reached, err)
	}
}
