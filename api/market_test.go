package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A rig is a market's API over a real book of its own.
type rig struct {
	t        *testing.T
	book     *orderbook.Book
	server   *Server
	web      *httptest.Server
	auditors []escrow.Key
	blocks   int64
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, web: httptest.NewUnstartedServer(nil)}
	info := marketplace.MarketInfo{Rules: marketplace.DevnetRules(), ChainID: 9, Quorum: 2,
		Vault: newKey(t).Address(), Token: newKey(t).Address(), FeePayee: newKey(t).Address()}
	for range 3 {
		k := newKey(t)
		r.auditors = append(r.auditors, k)
		info.Auditors = append(info.Auditors, k.Address())
	}
	var err error
	r.book, err = orderbook.Open(t.Context(), devstack.TestDatabase(t),
		orderbook.Options{Rules: info.Rules, FeePayee: info.FeePayee})
	must(t, err)
	c := Config{Book: r.book, Info: info, Domain: r.web.Listener.Addr().String(),
		Tick: 10 * time.Millisecond}
	for _, f := range change {
		f(&c)
	}
	r.server = New(c)
	r.web.Config.Handler = r.server.Handler()
	r.web.Start()
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		if err := r.server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		run.Wait()
		r.web.Close()
		r.book.Close()
	})
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantKind checks that an error is a refusal of a kind.
func wantKind(t *testing.T, err error, kind marketplace.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got %v, want %s", err, kind)
	}
}

func newKey(t *testing.T) escrow.Key {
	t.Helper()
	k, err := escrow.NewKey()
	must(t, err)
	return k
}

// as returns a client that is signed in with a key.
func (r *rig) as(k escrow.Key) *client.Client {
	r.t.Helper()
	c := r.visitor()
	must(r.t, c.Login(r.t.Context(), k))
	return c
}

// visitor returns a client that is not signed in.
func (r *rig) visitor() *client.Client {
	c := client.New(r.web.URL)
	c.HTTP = r.web.Client()
	return c
}

var mandate = marketplace.Hash{1, 2, 3}

// fund gives a poster BTT in the vault and a mandate, as if they had come in a block.
func (r *rig) fund(poster marketplace.Address, amount marketplace.Amount) {
	r.t.Helper()
	r.blocks++
	now := time.Now()
	must(r.t, r.book.Apply(r.t.Context(), []orderbook.ChainBlock{{
		Number: r.blocks, Hash: marketplace.Hash{byte(r.blocks), 9}, At: now,
		Events: []orderbook.ChainEvent{
			{Kind: orderbook.ChainDeposit, Tx: itoa(int(r.blocks)), Index: 0, Account: poster, Amount: amount},
			{Kind: orderbook.ChainMandate, Tx: itoa(int(r.blocks)), Index: 1, Account: poster,
				Mandate: marketplace.Mandate{Poster: poster, ID: mandate, Threshold: 2, Cap: amount,
					Signers: r.server.info.Auditors, Expiry: now.Add(90 * marketplace.Day)}},
		},
	}}, now))
}

// metainfoOf makes the .torrent of one file of 16 KiB pieces whose hashes are made up.
func metainfoOf(name string) []byte {
	pieces := strings.Repeat("x", 20*64)
	return []byte("d4:infod6:lengthi1048576e4:name" + bstring(name) +
		"12:piece lengthi16384e6:pieces" + bstring(pieces) + "ee")
}

func bstring(s string) string {
	var b bytes.Buffer
	b.WriteString(itoa(len(s)))
	b.WriteByte(':')
	b.WriteString(s)
	return b.String()
}

func bountyOf(h marketplace.Infohash) marketplace.BountyTerms {
	return marketplace.BountyTerms{Instrument: marketplace.Keepalive, Infohash: h, Replicas: 2,
		PriceMax: marketplace.BTT(1000), KeepFor: marketplace.Span(time.Hour), Mandate: mandate}
}

func offerTerms(payee marketplace.Address) marketplace.OfferTerms {
	return marketplace.OfferTerms{Storage: 1 << 30, UploadRate: 1 << 20, LeasesMax: 10,
		PriceMin: marketplace.MustAmount("0.1"), TermMax: marketplace.Span(90 * marketplace.Day),
		TorrentMax: 1 << 30, Region: "europe", Peer: "127.0.0.1:4000", Payee: payee}
}

// raw sends a request with a client's token, past the client's own care.
func (r *rig) raw(
	token, method, path, body string, headers ...string,
) (*http.Response, string) {
	r.t.Helper()
	return ask(r.t, method, r.web.URL+path, body,
		append([]string{"Authorization", "Bearer " + token}, headers...)...)
}
