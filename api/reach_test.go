package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// homes are the addresses of a street's agents. Nothing else in its market looks like one.
const homes = "198.51."

// A street is a market with agents at homes.
type street struct {
	*rig
	poster         escrow.Key
	lease          marketplace.Lease // proving, of the first agent
	bounty         marketplace.Bounty
	running, ended int64 // epochs that look at the lease
	agents         map[string]escrow.Key
}

// home is where the first agent serves.
const home = homes + "1.1:40001"

// newStreet makes a lease of an agent at home, beside two agents of the same torrent, of which one has not
// answered yet, one of another torrent, and two that carry visits, of which one was just asked to.
func newStreet(t *testing.T) *street {
	t.Helper()
	s := &street{rig: newRig(t), poster: newKey(t), agents: map[string]escrow.Key{}}
	must(t, s.book.ConfigureAuditors(t.Context(), s.server.info.Auditors, time.Now()))
	s.fund(s.poster.Address(), marketplace.BTT(100_000))
	s.bounty = s.posted("film", 3)
	var c *client.Client
	c, s.lease = s.moveIn("own", s.bounty, false)
	s.serve(c, s.lease)
	c, l := s.moveIn("same torrent", s.bounty, false)
	_, err := c.Accept(t.Context(), l.ID)
	must(t, err)
	s.moveIn("invited", s.bounty, false)
	other := s.posted("song", 1)
	c, l = s.moveIn("other torrent", other, false)
	s.serve(c, l)
	s.moveIn("carrier", marketplace.Bounty{}, true)
	s.moveIn("lender", marketplace.Bounty{}, true)
	s.ask("carrier", time.Now())

	rules, now := s.server.info.Rules, time.Now()
	s.running, s.ended = rules.EpochAt(now)+1000, rules.EpochAt(now)-1
	s.openEpoch(s.ended, now)
	s.openEpoch(s.running, now)
	return s
}

// ask has an agent carry a visit to the lease.
func (s *street) ask(carrier string, at time.Time) {
	s.t.Helper()
	var others []marketplace.Address
	for name, k := range s.agents {
		if name != carrier {
			others = append(others, k.Address())
		}
	}
	c, err := s.book.Carry(s.t.Context(), marketplace.Carry{Lease: s.lease.ID},
		marketplace.CarrierWish{Not: others}, at)
	must(s.t, err)
	if want := s.agents[carrier].Address(); c.Agent != want {
		s.t.Fatalf("%s is asked, not %s", c.Agent, want)
	}
}

// posted returns a bounty on a torrent of its own.
func (s *street) posted(name string, replicas int) marketplace.Bounty {
	s.t.Helper()
	c := s.as(s.poster)
	tor, err := c.AddTorrent(s.t.Context(), metainfoOf(name))
	must(s.t, err)
	terms := bountyOf(tor.Infohash)
	terms.Replicas = replicas
	b, err := c.PostBounty(s.t.Context(), "", terms)
	must(s.t, err)
	return b
}

// moveIn puts up the offer of one more agent, and gives it a replica of the bounty, if there is one.
func (s *street) moveIn(name string, b marketplace.Bounty, carries bool) (*client.Client, marketplace.Lease) {
	s.t.Helper()
	k := newKey(s.t)
	s.agents[name] = k
	terms := offerTerms(k.Address())
	n := len(s.agents)
	terms.Peer, terms.Carry = fmt.Sprintf("%s%d.1:4000%d", homes, n, n), carries
	c := s.as(k)
	o, err := c.PutOffer(s.t.Context(), terms)
	must(s.t, err)
	if b.ID == 0 {
		return c, marketplace.Lease{}
	}
	return c, s.fill(b, o)
}

func (s *street) serve(c *client.Client, l marketplace.Lease) {
	s.t.Helper()
	_, err := c.Accept(s.t.Context(), l.ID)
	must(s.t, err)
	_, err = c.Ready(s.t.Context(), l.ID, marketplace.Hash{1})
	must(s.t, err)
}

func TestAnAddressIsToldToWhoGoesThereAndToNobodyElse(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	places := map[string]string{
		"offers":        "/v1/offers",
		"offer":         fmt.Sprint("/v1/offers/", s.lease.Offer),
		"leases":        "/v1/leases",
		"lease":         fmt.Sprint("/v1/leases/", s.lease.ID),
		"running epoch": fmt.Sprint("/v1/audit/epochs/", s.running),
		"ended epoch":   fmt.Sprint("/v1/audit/epochs/", s.ended),
		"events":        "/v1/events?limit=200",
	}
	for who, c := range map[string]struct {
		key    escrow.Key
		told   []string // where
		nobody bool     // not signed in
	}{
		"visitor":       {nobody: true},
		"stranger":      {key: newKey(t)},
		"poster":        {key: s.poster},
		"own":           {key: s.agents["own"], told: []string{"offers", "offer", "leases", "lease"}},
		"same torrent":  {key: s.agents["same torrent"], told: []string{"leases", "lease"}},
		"invited":       {key: s.agents["invited"]},
		"other torrent": {key: s.agents["other torrent"]},
		"carrier":       {key: s.agents["carrier"], told: []string{"lease"}},
		"lender":        {key: s.agents["lender"]},
		"auditor":       {key: s.auditors[0], told: []string{"running epoch"}},
	} {
		var headers []string
		if !c.nobody {
			headers = []string{"Authorization", "Bearer " + s.session(c.key)}
		}
		for place, path := range places {
			resp, body := ask(t, "GET", s.web.URL+path, "", headers...)
			if want := slices.Contains(c.told, place); resp.StatusCode != http.StatusOK ||
				strings.Contains(body, home) != want {
				t.Errorf("%s reads of the address in %s: %t, want %t (%s)", who, place, !want, want, resp.Status)
			}
		}
	}
}

func TestAnAddressIsToldAsLongAsTheLeaseLives(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	own, err := s.as(s.agents["own"]).Abandon(t.Context(), s.lease.ID, "moving")
	if err != nil || own.Peer != home {
		t.Errorf("its agent reads %q of its lease that is over, %v", own.Peer, err)
	}
	for _, name := range []string{"same torrent", "carrier"} {
		if l, err := s.as(s.agents[name]).Lease(t.Context(), s.lease.ID); err != nil || l.Peer != "" {
			t.Errorf("%s reads %q of a lease that is over, %v", name, l.Peer, err)
		}
	}
}

func TestACarrierIsToldForAMinute(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.ask("lender", time.Now().Add(-2*time.Minute))
	if l, err := s.as(s.agents["lender"]).Lease(t.Context(), s.lease.ID); err != nil || l.Peer != "" {
		t.Errorf("who was asked two minutes ago reads %q, %v", l.Peer, err)
	}
}

func TestAnAuditorIsToldOfTheLeasesThatItIsDrawnFor(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	guest, epoch := newKey(t), s.running+1
	s.openEpoch(epoch, time.Now(), guest.Address()) // four auditors, of whom three are drawn
	e, err := s.book.AuditEpoch(t.Context(), epoch)
	must(t, err)
	for id, drawn := range s.server.info.Rules.Draw(e) {
		for _, k := range append(s.auditors, guest) {
			read, err := s.as(k).AuditEpoch(t.Context(), epoch)
			must(t, err)
			l, _ := read.Lease(id)
			if told := l.Peer != ""; told != slices.Contains(drawn, k.Address()) {
				t.Errorf("%s reads %q of lease %d, for which %s are drawn", k.Address(), l.Peer, id, drawn)
			}
		}
	}
}

// Whatever route there is, and whatever is asked of it: this test knows none by name.
func TestNoAnswerTellsAStrangerWhereAnAgentServes(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	last := s.earn(s.lease) // so that there are reports, proofs and cheques
	known := map[string][]string{
		"epoch": {itoa(int(s.running)), itoa(int(s.ended)), itoa(int(last))}, "before": {itoa(int(s.running))},
		"infohash": {s.lease.Infohash.String()}, "pieces": {"1"}, "auditor": {s.auditors[0].Address().String()},
		"address": {s.poster.Address().String(), s.auditors[0].Address().String()},
	}
	for i := range 8 {
		known["id"] = append(known["id"], itoa(i+1))
		known["lease"] = append(known["lease"], itoa(i+1))
	}
	for _, k := range s.agents {
		known["address"] = append(known["address"], k.Address().String())
	}
	token := s.session(newKey(t))
	answered := 0
	for _, op := range operations(s.server.spec) {
		if op.Method != http.MethodGet || op.Path == streamPath {
			continue
		}
		paths := []string{op.Path}
		for _, p := range op.Parameters {
			switch {
			case p.In == "path":
				paths = filled(paths, "{"+p.Name+"}", known[p.Name])
			case p.Required:
				paths = filled(paths, "", known[p.Name], p.Name)
			}
		}
		good := false
		for _, path := range paths {
			for _, headers := range [][]string{nil, {"Authorization", "Bearer " + token}} {
				resp, body := ask(t, "GET", s.web.URL+path, "", headers...)
				good = good || resp.StatusCode == http.StatusOK || op.Metadata["signer"] == true
				if strings.Contains(body, homes) || strings.Contains(body, `"peer":`) {
					t.Errorf("GET %s tells where an agent serves: %.300s", path, body)
				}
			}
		}
		if !good {
			t.Errorf("GET %s was never answered: teach this test what it asks for", op.Path)
		}
		answered++
	}
	if answered < 35 {
		t.Errorf("%d routes were asked", answered)
	}
	s.listen()
}

// listen reads as a visitor's stream what happened until the lease was active.
func (s *street) listen() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	told := map[string]bool{}
	for e, err := range s.visitor().Stream(ctx, marketplace.Address{}, "0-0") {
		must(s.t, err)
		if data := string(e.Data); strings.Contains(data, homes) || strings.Contains(data, `"peer":`) {
			s.t.Errorf("the stream tells where an agent serves: %s %s", e.Kind, data)
		}
		if told[e.Kind] = true; e.Kind == "lease.active" {
			break
		}
	}
	if !told["offer.live"] || !told["lease.reserved"] || !told["lease.active"] {
		s.t.Errorf("the stream tells of %v only", told)
	}
}

// filled puts each value in the place of a name in each path, or behind it as a query.
func filled(paths []string, place string, values []string, query ...string) (all []string) {
	for _, path := range paths {
		for _, v := range values {
			switch {
			case len(query) == 0:
				all = append(all, strings.Replace(path, place, v, 1))
			case strings.Contains(path, "?"):
				all = append(all, path+"&"+query[0]+"="+v)
			default:
				all = append(all, path+"?"+query[0]+"="+v)
			}
		}
	}
	return all
}
