package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/marketplace/orderbook"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestOthersFundABountyOnceHoweverOftenTheySend(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me, other := newKey(t), newKey(t)
	c, o := r.as(me), r.as(other)
	tor, err := c.AddTorrent(t.Context(), metainfoOf("a"))
	must(t, err)
	r.fund(me.Address(), marketplace.BTT(1000))
	r.fund(other.Address(), marketplace.BTT(1000))
	terms := bountyOf(tor.Infohash)
	terms.Fund = marketplace.MustAmount("0.001")
	b, err := c.PostBounty(t.Context(), "mine", terms)
	must(t, err)
	if b.State != marketplace.Unfunded || b.Reserved != terms.Fund || b.Needed.IsZero() {
		t.Fatalf("a part was pledged: %+v", b)
	}
	pledge := marketplace.Fund{Amount: terms.Fund, Mandate: terms.Mandate}
	for range 2 {
		b, err = o.FundBounty(t.Context(), "part", b.ID, pledge)
		must(t, err)
	}
	if len(b.Funders) != 2 || b.Funders[1].Pledged != pledge.Amount ||
		b.Funders[1].Poster != other.Address() {
		t.Errorf("pledged twice with one key: %+v", b.Funders)
	}
	_, err = o.FundBounty(t.Context(), "too much", b.ID,
		marketplace.Fund{Amount: marketplace.BTT(999), Mandate: terms.Mandate})
	wantKind(t, err, marketplace.Invalid)
	b, err = o.TakeBack(t.Context(), b.ID)
	must(t, err)
	if len(b.Funders) != 1 {
		t.Errorf("taken back, its funders are %+v", b.Funders)
	}
	b, err = o.FundBounty(t.Context(), "all", b.ID,
		marketplace.Fund{Amount: b.Needed, Mandate: terms.Mandate})
	must(t, err)
	if b.State != marketplace.Open || !b.Needed.IsZero() {
		t.Errorf("with all it needs it is %+v", b)
	}
	_, err = o.TakeBack(t.Context(), b.ID)
	wantKind(t, err, marketplace.Conflict)
}

func TestABountyIsPostedOnceHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := newKey(t)
	c := r.as(me)
	tor, err := c.AddTorrent(t.Context(), metainfoOf("a"))
	must(t, err)
	_, err = c.PostBounty(t.Context(), "early", bountyOf(tor.Infohash))
	wantKind(t, err, marketplace.Insufficient)
	r.fund(me.Address(), marketplace.BTT(1000))

	var same sync.WaitGroup
	ids := make([]int64, 8)
	for i := range ids {
		same.Go(func() {
			b, err := c.PostBounty(t.Context(), "order-1", bountyOf(tor.Infohash))
			if err != nil {
				t.Error(err)
			}
			ids[i] = b.ID
		})
	}
	same.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("one order became bounties %v", ids)
		}
	}
	other := bountyOf(tor.Infohash)
	other.Replicas = 1
	_, err = c.PostBounty(t.Context(), "order-1", other)
	wantKind(t, err, marketplace.Invalid)

	token := r.session(me)
	body, err := json.Marshal(bountyOf(tor.Infohash))
	must(t, err)
	resp, answer := r.raw(token, "POST", "/v1/bounties", string(body), "Idempotency-Key", "order-1")
	if resp.StatusCode != 201 || resp.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s %v %s", resp.Status, resp.Header, answer)
	}
	resp, answer = r.raw(token, "POST", "/v1/bounties", string(body))
	p := wantProblem(t, resp, answer, 422, marketplace.Invalid)
	if !strings.Contains(p.Detail, "Idempotency-Key") {
		t.Errorf("without a key: %s", p.Detail)
	}

	b, err := c.CancelBounty(t.Context(), "cancel-1", ids[0])
	if err != nil || b.State != marketplace.Cancelled {
		t.Errorf("%+v %v", b, err)
	}
	if again, err := c.CancelBounty(t.Context(), "cancel-1", ids[0]); err != nil ||
		again.State != marketplace.Cancelled {
		t.Errorf("cancel again: %v", err)
	}
	_, err = c.CancelBounty(t.Context(), "cancel-2", ids[0])
	wantKind(t, err, marketplace.Conflict)
	a, err := c.Account(t.Context(), me.Address())
	if err != nil || a.Free != marketplace.BTT(1000) || len(a.Mandates) != 1 {
		t.Errorf("after the refund: %+v %v", a, err)
	}
}

func TestABountyIsCancelledByItsPosterOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := newKey(t)
	r.fund(me.Address(), marketplace.BTT(1000))
	c := r.as(me)
	tor, err := c.AddTorrent(t.Context(), metainfoOf("a"))
	must(t, err)
	b, err := c.PostBounty(t.Context(), "", bountyOf(tor.Infohash))
	must(t, err)
	_, err = r.as(newKey(t)).CancelBounty(t.Context(), "", b.ID)
	wantKind(t, err, marketplace.Forbidden)
	_, err = r.visitor().CancelBounty(t.Context(), "", b.ID)
	wantKind(t, err, marketplace.Unauthorized)
}

func TestRefusalsKeepKindAndFieldsOverHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.as(newKey(t))
	_, err := c.PostBounty(t.Context(), "", marketplace.BountyTerms{Instrument: "x"})
	wantKind(t, err, marketplace.Invalid)
	fields := map[string]bool{}
	for _, e := range marketplace.Refusals(err) {
		fields[e.Field] = true
	}
	for _, f := range []string{"instrument", "infohash", "replicas", "price_max", "mandate"} {
		if !fields[f] {
			t.Errorf("%s is not blamed in %v", f, err)
		}
	}
	_, err = c.Bounty(t.Context(), 12345)
	var e *marketplace.Error
	if !errors.As(err, &e) || e.Kind != marketplace.NotFound || !strings.Contains(e.Detail, "12345") {
		t.Errorf("%v", err)
	}
}

func TestATorrentComesBackAsItWasSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.as(newKey(t))
	raw := metainfoOf("film")
	want, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	must(t, err)
	for range 2 {
		tor, err := c.AddTorrent(t.Context(), raw)
		must(t, err)
		if tor.Infohash != want.Infohash || tor.Name != "film" || tor.Size != 1<<20 {
			t.Errorf("%+v", tor)
		}
	}
	got, err := r.visitor().Metainfo(t.Context(), want.Infohash)
	if err != nil || string(got) != string(raw) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	all, err := r.visitor().Torrents(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
	_, err = r.visitor().AddTorrent(t.Context(), raw)
	wantKind(t, err, marketplace.Unauthorized)
}

func TestHostileTorrentsAreRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.session(newKey(t))
	good := string(metainfoOf("a"))
	for _, c := range []struct {
		name, kind, body string
		status           int
		want             marketplace.Kind
	}{
		{"another type", "application/json", good, 415, unsupported},
		{"no bencoding", torrentType, "hello", 422, marketplace.Invalid},
		{"cut off", torrentType, good[:100], 422, marketplace.Invalid},
		{"deep", torrentType, strings.Repeat("l", 100_000), 422, marketplace.Invalid},
		{"huge string", torrentType, "d4:info99999999999:", 422, marketplace.Invalid},
		{"path out", torrentType, strings.Replace(good, "4:name1:a", "4:name2:..", 1), 422,
			marketplace.Invalid},
		{"too large", torrentType, strings.Repeat("x", 10_000_001), 413, tooLarge},
	} {
		resp, body := r.raw(token, "POST", "/v1/torrents", c.body, "Content-Type", c.kind)
		wantProblem(t, resp, body, c.status, c.want)
	}
}

func TestAnAgentTakesALeaseOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, agent, c, a := r.reserved(marketplace.BTT(1000))

	_, err := c.Accept(t.Context(), l.ID)
	wantKind(t, err, marketplace.Forbidden)
	if l, err = a.Accept(t.Context(), l.ID); err != nil || l.State != marketplace.Fetching {
		t.Errorf("%+v %v", l, err)
	}
	if l, err = a.Ready(t.Context(), l.ID, marketplace.Hash{1}); err != nil ||
		l.State != marketplace.Proving {
		t.Errorf("%+v %v", l, err)
	}
	live, err := r.visitor().LiveLeases(t.Context(), agent.Address())
	if err != nil || len(live) != 1 || live[0].ID != l.ID {
		t.Errorf("%v %v", live, err)
	}
	if l, err = a.Abandon(t.Context(), l.ID, "disk died"); err != nil ||
		l.State != marketplace.Failed {
		t.Errorf("%+v %v", l, err)
	}
	if live, err = r.visitor().LiveLeases(t.Context(), agent.Address()); err != nil || len(live) != 0 {
		t.Errorf("%v %v", live, err)
	}
	all, err := r.visitor().LeasesOf(t.Context(), l.Bounty)
	if err != nil || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
}

func TestAnAgentCommitsToARootOnceAndBeforeItIsActive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, agent, c, a := r.reserved(marketplace.BTT(1000))
	root := marketplace.Hash{1, 2, 3}
	_, err := a.Ready(t.Context(), l.ID, root)
	wantKind(t, err, marketplace.Conflict) // not accepted yet
	_, err = a.Accept(t.Context(), l.ID)
	must(t, err)
	path, token := fmt.Sprintf("/v1/leases/%d/ready", l.ID), r.session(agent)
	for _, body := range []string{`{"root":"12"}`, `{"root":"` + strings.Repeat("x", 64) + `"}`, `{"root":7}`} {
		resp, text := r.raw(token, "POST", path, body)
		wantProblem(t, resp, text, 422, marketplace.Invalid)
	}
	_, err = a.Ready(t.Context(), l.ID, marketplace.Hash{}) // nothing could be proven by
	wantKind(t, err, marketplace.Invalid)
	for range 2 { // said twice it is answered twice
		l, err = a.Ready(t.Context(), l.ID, root)
		if err != nil || l.Root != root || l.State != marketplace.Proving || l.Clean != 0 || l.CleanMin != 1 {
			t.Errorf("%+v %v", l, err)
		}
	}
	if l, err = a.Ready(t.Context(), l.ID, marketplace.Hash{}); err != nil || l.Root != root {
		t.Errorf("a root that is not said again is %s: %v", l.Root, err)
	}
	_, err = a.Ready(t.Context(), l.ID, marketplace.Hash{9})
	wantKind(t, err, marketplace.Conflict)
	_, err = c.Ready(t.Context(), l.ID, root)
	wantKind(t, err, marketplace.Forbidden)
	if l, err = r.visitor().Lease(t.Context(), l.ID); err != nil || l.Root != root {
		t.Errorf("shown is %s: %v", l.Root, err)
	}
}

func TestNobodyCommitsToARootThatTheTorrentTells(t *testing.T) {
	t.Parallel()
	r, file := newRig(t), filepath.Join(t.TempDir(), "a")
	must(t, os.WriteFile(file, make([]byte, 100_000), 0o600))
	raw, err := metainfo.V2.Build(t.Context(), file, 32<<10, nil)
	must(t, err)
	l, _, _, a := r.reservedOf(raw, marketplace.BTT(1000))
	_, err = a.Accept(t.Context(), l.ID)
	must(t, err)
	_, err = a.Ready(t.Context(), l.ID, marketplace.Hash{1})
	wantKind(t, err, marketplace.Invalid)
	if l, err = a.Ready(t.Context(), l.ID, marketplace.Hash{}); err != nil || l.State != marketplace.Proving ||
		l.CleanMin != 0 {
		t.Errorf("%+v %v", l, err)
	}
}

// reserved returns a lease that its agent has not answered yet, the agent, and the clients of the poster, who
// has so much money, and of the agent.
func (r *rig) reserved(money marketplace.Amount) (l marketplace.Lease, agent escrow.Key, c, a *client.Client) {
	r.t.Helper()
	return r.reservedOf(metainfoOf("a"), money)
}

// reservedOf is reserved for a .torrent.
func (r *rig) reservedOf(torrent []byte, money marketplace.Amount) (l marketplace.Lease, agent escrow.Key,
	c, a *client.Client) {
	r.t.Helper()
	ctx, poster := r.t.Context(), newKey(r.t)
	agent = newKey(r.t)
	r.fund(poster.Address(), money)
	c, a = r.as(poster), r.as(agent)
	tor, err := c.AddTorrent(ctx, torrent)
	must(r.t, err)
	b, err := c.PostBounty(ctx, "", bountyOf(tor.Infohash))
	must(r.t, err)
	o, err := a.PutOffer(ctx, offerTerms(agent.Address()))
	must(r.t, err)
	return r.fill(b, o), agent, c, a
}

// fill gives one replica of a bounty to an offer, as a call of the matcher would.
func (r *rig) fill(b marketplace.Bounty, o marketplace.Offer) marketplace.Lease {
	r.t.Helper()
	ctx := r.t.Context()
	leader, err := r.book.Lead(ctx, "matcher")
	must(r.t, err)
	defer leader.Resign()
	price := o.Terms.PriceMin
	_, err = r.book.RecordCall(ctx, leader.Fence(), marketplace.Call{At: time.Now(), Bounties: 1,
		Offers: 1, Fills: []marketplace.Fill{{Bounty: b.ID, Offer: o.ID, Price: price}},
		Hash:      marketplace.Hash{byte(b.ID), byte(o.ID)}, // no two are the same
		Clearings: []marketplace.Price{{Signature: "1", Price: price, Replicas: 1}},
	}, orderbook.Reasons{}, time.Now())
	must(r.t, err)
	leases, err := r.visitor().Leases(ctx, client.LeaseFilter{Bounty: b.ID, Agent: o.Agent})
	if err != nil || len(leases) != 1 {
		r.t.Fatalf("%v %v", leases, err)
	}
	return leases[0]
}

func TestListsAreReadPageByPage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := newKey(t)
	r.fund(me.Address(), marketplace.BTT(1000))
	c := r.as(me)
	tor, err := c.AddTorrent(t.Context(), metainfoOf("a"))
	must(t, err)
	for i := range 5 {
		_, err := c.PostBounty(t.Context(), fmt.Sprint("o", i), bountyOf(tor.Infohash))
		must(t, err)
	}
	var seen []int64
	after := ""
	for range 3 {
		resp, body := ask(t, "GET", r.web.URL+"/v1/bounties?limit=2"+after, "")
		var p page[marketplace.Bounty]
		if json.Unmarshal([]byte(body), &p) != nil || resp.StatusCode != 200 {
			t.Fatalf("%s %s", resp.Status, body)
		}
		for _, b := range p.Items {
			seen = append(seen, b.ID)
		}
		after = "&after=" + p.Next
	}
	if fmt.Sprint(seen) != "[5 4 3 2 1]" {
		t.Errorf("read %v", seen)
	}
	if _, body := ask(t, "GET", r.web.URL+"/v1/proofs", ""); body != "{\"items\":[],\"next\":\"\"}\n" {
		t.Errorf("empty list: %s", body)
	}
}

func TestAReasonMayBeLongAndInAnyLanguage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _, _, a := r.reserved(marketplace.BTT(1000))
	_, err := a.Decline(t.Context(), l.ID, "a\x00b")
	wantKind(t, err, marketplace.Invalid)
	if l, err = a.Decline(t.Context(), l.ID, "x"+strings.Repeat("é", 499)); err != nil ||
		l.State != marketplace.Released {
		t.Errorf("%+v %v", l, err)
	}
}
