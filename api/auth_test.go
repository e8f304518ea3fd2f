package api

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// session signs in by hand and returns the token.
func (r *rig) session(k escrow.Key) string {
	r.t.Helper()
	text := r.challengeFor(k)
	signature, err := k.SignText(text)
	must(r.t, err)
	resp, body := r.answerChallenge(text, signature)
	var s client.Session
	if json.Unmarshal([]byte(body), &s) != nil || resp != 201 || s.Account != k.Address() {
		r.t.Fatalf("sign in: %d %s", resp, body)
	}
	return s.Token
}

func (r *rig) challengeFor(k escrow.Key) string {
	r.t.Helper()
	resp, body := ask(r.t, "POST", r.web.URL+"/v1/session/challenge",
		`{"address": "`+k.Address().String()+`"}`)
	var c client.Challenge
	if json.Unmarshal([]byte(body), &c) != nil || resp.StatusCode != 200 {
		r.t.Fatalf("challenge: %s %s", resp.Status, body)
	}
	return c.Text
}

func (r *rig) answerChallenge(text string, s marketplace.Signature) (int, string) {
	r.t.Helper()
	in, err := json.Marshal(map[string]any{"text": text, "signature": s})
	must(r.t, err)
	resp, body := ask(r.t, "POST", r.web.URL+"/v1/session", string(in))
	return resp.StatusCode, body
}

func TestOnlyTheKeysOwnerSignsIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mine, other := newKey(t), newKey(t)
	text := r.challengeFor(mine)
	forged, err := other.SignText(text)
	must(t, err)
	if status, body := r.answerChallenge(text, forged); status != 401 {
		t.Errorf("another key's signature: %d %s", status, body)
	}
	changed := strings.Replace(text, mine.Address().String(), other.Address().String(), 1)
	forged, err = other.SignText(changed)
	must(t, err)
	if status, body := r.answerChallenge(changed, forged); status != 401 {
		t.Errorf("a challenge made over for another account: %d %s", status, body)
	}
	good, err := mine.SignText(text)
	must(t, err)
	if status, body := r.answerChallenge(text, good); status != 201 {
		t.Errorf("the owner: %d %s", status, body)
	}
	if status, body := r.answerChallenge(text, good); status != 401 {
		t.Errorf("the same challenge again: %d %s", status, body)
	}
}

func TestAChallengeExpiresAndNamesThisMarket(t *testing.T) {
	t.Parallel()
	s := New(Config{Domain: "market.example", Info: marketplace.MarketInfo{ChainID: 9}})
	elsewhere := New(Config{Domain: "other.example", Info: marketplace.MarketInfo{ChainID: 9}})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := newKey(t).Address()
	text := s.challengeText(a, "N", now)
	for _, c := range []struct {
		name, text string
		at         time.Time
		good       bool
	}{
		{"at once", text, now, true},
		{"just in time", text, now.Add(challengeFor), true},
		{"too late", text, now.Add(challengeFor + time.Second), false},
		{"from the future", text, now.Add(-2 * time.Minute), false},
		{"another market's", elsewhere.challengeText(a, "N", now), now, false},
		{"longer life", strings.Replace(text, "03:09:05", "04:09:05", 1), now, false},
		{"more below", text + "\n", now, false},
		{"empty", "", now, false},
	} {
		account, nonce, err := s.readChallenge(c.text, c.at)
		if (err == nil) != c.good || (c.good && (account != a || nonce != "N")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAKeyDoesWhatItsScopesSayAndNoMore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := newKey(t)
	whole := r.as(me)
	made, err := whole.CreateKey(t.Context(), client.KeyTerms{Name: "bot",
		Scopes: []client.Scope{client.ScopeRead, client.ScopeTrade}})
	must(t, err)
	bot := r.visitor()
	bot.Token = made.Token

	if _, err := bot.PutOffer(t.Context(), offerTerms(me.Address())); err != nil {
		t.Errorf("trade with the scope for it: %v", err)
	}
	_, err = bot.PutOffer(t.Context(), offerTerms(newKey(t).Address()))
	wantKind(t, err, marketplace.Forbidden)
	_, err = bot.CreateKey(t.Context(), client.KeyTerms{Name: "x",
		Scopes: []client.Scope{client.ScopeRead}})
	wantKind(t, err, marketplace.Forbidden)

	cashier, err := whole.CreateKey(t.Context(), client.KeyTerms{Name: "cashier",
		Scopes: []client.Scope{client.ScopeWithdraw}})
	must(t, err)
	narrow := r.visitor()
	narrow.Token = cashier.Token
	_, err = narrow.CreateKey(t.Context(), client.KeyTerms{Name: "wider",
		Scopes: []client.Scope{client.ScopeTrade}})
	wantKind(t, err, marketplace.Forbidden)

	cold := newKey(t).Address()
	if _, err := whole.PutOffer(t.Context(), offerTerms(cold)); err != nil {
		t.Errorf("another payee by session: %v", err)
	}
	if _, err := bot.PutOffer(t.Context(), offerTerms(cold)); err != nil {
		t.Errorf("the payee that it has already: %v", err)
	}

	reader, err := whole.CreateKey(t.Context(), client.KeyTerms{Name: "reader",
		Scopes: []client.Scope{client.ScopeRead}})
	must(t, err)
	bot.Token = reader.Token
	_, err = bot.SetOfferState(t.Context(), marketplace.OfferPaused)
	wantKind(t, err, marketplace.Forbidden)

	keys, err := bot.Keys(t.Context())
	must(t, err)
	if len(keys) != 4 || keys[0].Name != "reader" || keys[0].Token != "" {
		t.Errorf("keys %+v", keys)
	}
	must(t, whole.RevokeKey(t.Context(), reader.ID))
	_, err = bot.Keys(t.Context())
	wantKind(t, err, marketplace.Unauthorized)
}

func TestASessionThatEndedIsRenewedByTheClient(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := newKey(t)
	c := r.as(me)
	keys, err := c.Keys(t.Context())
	must(t, err)
	must(t, r.book.RevokeKey(t.Context(), me.Address(), keys[0].ID, time.Now()))
	if keys, err = c.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%v %v", keys, err)
	}
}

func TestAKeyExpires(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := newKey(t)
	token, hash := newToken()
	_, err := r.book.CreateKey(t.Context(), orderbook.Key{Account: me.Address()}, "old", scopeTexts(allScopes), hash,
		time.Now().Add(-time.Second), time.Now().Add(-time.Hour))
	must(t, err)
	_, err = r.server.identify(context.Background(), "Bearer "+token, time.Now())
	wantKind(t, err, marketplace.Unauthorized)
	if _, err = r.server.identify(context.Background(), "bearer "+token,
		time.Now().Add(-time.Minute)); err != nil {
		t.Error(err)
	}
}
