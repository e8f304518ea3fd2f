package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

// at returns a client of a server that answers like h: a market in trouble, or a hostile one.
// How it gets on with the real one is tested in package api.
func at(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return client.New(server.URL)
}

func TestARequestPutOffIsRepeatedWithTheSameKey(t *testing.T) {
	t.Parallel()
	var keys []string
	began := time.Now()
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, `{"id": 7}`)
	})
	b, err := c.PostBounty(t.Context(), "", marketplace.BountyTerms{})
	if err != nil || b.ID != 7 || len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("bounty %d, keys %q, %v", b.ID, keys, err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("came back after %s, asked for 1 s", took)
	}
}

func TestALostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	c := at(t, func(w http.ResponseWriter, _ *http.Request) {
		if tries.Add(1) == 1 {
			panic(http.ErrAbortHandler) // done, but the answer is lost
		}
		fmt.Fprint(w, `{"id": 7}`)
	})
	if b, err := c.CancelBounty(t.Context(), "once", 7); err != nil || b.ID != 7 {
		t.Errorf("%d %v", b.ID, err)
	}
}

func TestARefusalIsNotRepeated(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	c := at(t, func(w http.ResponseWriter, _ *http.Request) {
		tries.Add(1)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"type": "https://everseed.example/problems/conflict", "detail": "too late"}`)
	})
	_, err := c.Accept(t.Context(), 1)
	var e *marketplace.Error
	if !errors.As(err, &e) || e.Kind != marketplace.Conflict || e.Detail != "too late" {
		t.Errorf("%v", err)
	}
	if tries.Load() != 1 {
		t.Errorf("sent %d times", tries.Load())
	}
}

func TestAnAnswerThatIsNoMarketsIsSaidSo(t *testing.T) {
	t.Parallel()
	c := at(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>parked domain", http.StatusNotFound)
	})
	_, err := c.Rules(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not from a market") {
		t.Errorf("%v", err)
	}
}

func TestADeadlineEndsTheWaiting(t *testing.T) {
	t.Parallel()
	c := at(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	_, err := c.Rules(ctx)
	if !errors.Is(err, marketplace.Unavailable) || time.Since(began) > time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// A signer counts what it is made to sign.
type signer struct {
	address marketplace.Address
	signed  int
}

func (s *signer) Address() marketplace.Address { return s.address }

func (s *signer) SignText(string) (marketplace.Signature, error) {
	s.signed++
	return marketplace.Signature{}, nil
}

func TestAChallengeOfAnotherMarketIsNotSigned(t *testing.T) {
	t.Parallel()
	me := &signer{address: marketplace.Address{1}}
	const ask = " wants you to sign in with your TRON account:\n"
	other := marketplace.Address{2}.String()
	for text, serve := range map[string]func(http.Handler) *httptest.Server{
		"bank.example" + ask + me.address.String() + "\n": httptest.NewTLSServer,

		"{host}" + ask + other + "\n": httptest.NewServer,
		"I owe the bearer 1000 BTT":   httptest.NewServer,
	} {
		server := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"text": %q}`, strings.ReplaceAll(text, "{host}", r.Host))
		}))
		c := client.New(server.URL)
		c.HTTP = server.Client()
		if err := c.Login(t.Context(), me); !errors.Is(err, marketplace.Forbidden) {
			t.Errorf("%q: %v", text, err)
		}
		server.Close()
	}
	if me.signed != 0 {
		t.Errorf("signed %d texts", me.signed)
	}
}

func TestAStreamThatBreaksIsResumedWhereItBroke(t *testing.T) {
	t.Parallel()
	var resumed []string
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		resumed = append(resumed, r.Header.Get("Last-Event-ID"))
		switch len(resumed) {
		case 1:
			fmt.Fprint(w, "id: 1\ndata: {\"kind\": \"a\"}\n\nid: 2\ndata: {\"kind\": \"b\"}\n\n"+
				"id: 3\ndata: {\"kind\": \"half") // cut in the middle of an event
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			fmt.Fprint(w, ": ping\nid: 5\n\n")
		default:
			fmt.Fprint(w, "id: 6\ndata: {\"kind\": \"c\"}\n\n")
		}
	})
	var kinds []string
	for e, err := range c.Stream(t.Context(), marketplace.Address{}, "") {
		if err != nil {
			t.Fatal(err)
		}
		if kinds = append(kinds, e.Kind); e.Kind == "c" {
			break
		}
	}
	if got, want := fmt.Sprint(kinds, resumed), "[a b c] [ 2 2 5]"; got != want {
		t.Errorf("kinds, resumed at: %s, want %s", got, want)
	}
}

func TestAStreamEndsWhenItIsRefusedForGood(t *testing.T) {
	t.Parallel()
	c := at(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"type": "https://everseed.example/problems/invalid", "detail": "no"}`)
	})
	n := 0
	for _, err := range c.Stream(t.Context(), marketplace.Address{}, "x") {
		if n++; !errors.Is(err, marketplace.Invalid) {
			t.Errorf("%v", err)
		}
	}
	if n != 1 {
		t.Errorf("yielded %d times", n)
	}
}
