package escrow_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

func TestDialRefusesWhatCannotBeRight(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "no TRON node",
		" , ":                                 "no TRON node",
		"localhost":                           "lacks host or port",
		":50051":                              "lacks host or port",
		"http://a:1":                          "neither grpc:// nor grpcs://",
		"grpc://user:hush@a:1":                "has a user",
		"a:1/hush":                            "a path",
		"a:1?hush=hush":                       "solid=port",
		"a:1?solid=":                          "solid=port",
		"a:1?solid=b:c:d":                     "host:port",
		"a:1,grpcs://a:1":                     "named twice",
		"a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9": "at most 8",
		"a:1%zz":                              "cannot be read",
	} {
		_, err := escrow.Dial(t.Context(), escrow.Config{GRPC: text})
		refuses(t, text, err, marketplace.Invalid)
		if err != nil && (!strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "hush")) {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := escrow.Dial(t.Context(), escrow.Config{GRPC: "a:1,grpc://b:1", APIKey: "hush"})
	refuses(t, "a key in the clear", err, marketplace.Invalid)
	if err == nil || !strings.Contains(err.Error(), "grpcs://") ||
		strings.Contains(err.Error(), "hush") {
		t.Errorf("a key in the clear: %v", err)
	}
}

// identity returns a certificate for this machine, and who vouches for it.
func identity(t *testing.T) (credentials.TransportCredentials, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return credentials.NewTLS(&tls.Config{Certificates: server.TLS.Certificates,
		MinVersion: tls.VersionTLS12}), roots
}

func TestAnAPIKeyIsSentOverTLSAndNowhereElse(t *testing.T) {
	w := newTown(t)
	creds, roots := identity(t)
	open, secure := newGate(t, w.chain), newGate(t, w.chain, withTLS(creds))
	v := w.via(func(c *escrow.Config) {
		c.GRPC = "grpcs://" + secure.addr + "," + open.addr
		c.APIKey, c.Roots = "hush", roots
	})
	ask := func() {
		t.Helper()
		if _, err := v.SolidHead(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	other := func(k string) bool { return k != "hush" }
	if len(secure.keys) == 0 || slices.ContainsFunc(secure.keys, other) {
		t.Errorf("keys over TLS: %q", secure.keys)
	}
	secure.shut()
	ask()
	if len(open.keys) != 0 {
		t.Errorf("keys in the clear: %q", open.keys)
	}
}

func TestANodeThatNobodyVouchesForIsNotAsked(t *testing.T) {
	w := newTown(t)
	creds, _ := identity(t)
	g := newGate(t, w.chain, withTLS(creds))
	v := w.via(func(c *escrow.Config) { c.GRPC = "grpcs://" + g.addr })
	_, err := v.SolidHead(t.Context())
	refuses(t, "a certificate of nobody known", err, marketplace.Unavailable)
}

// On java-tron the solid service has a port of its own.
func TestASolidServiceMayHaveAPortOfItsOwn(t *testing.T) {
	w := newTown(t)
	full, solid := newGate(t, w.chain), newGate(t, w.chain)
	answers := func(part string, g *gate) {
		g.set(func() {
			g.after = func(method string) {
				if !strings.Contains(method, part) {
					t.Errorf("%s was asked for %s", part, method)
				}
			}
		})
	}
	answers(".Wallet/", full)
	answers(".WalletSolidity/", solid)
	_, port, _ := strings.Cut(solid.addr, ":")
	for _, where := range []string{port, solid.addr} {
		v := w.via(func(c *escrow.Config) { c.GRPC = full.addr + "?solid=" + where })
		ask(t, v.SolidHead)
		ask(t, v.Head)
	}
}

func ask(t *testing.T, head func(context.Context) (escrow.Block, error)) {
	t.Helper()
	if _, err := head(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestANodeWithoutASolidServiceIsToldWhereToNameOne(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer() // answers that it has no such service
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	v, err := escrow.Dial(t.Context(), escrow.Config{GRPC: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.SolidHead(t.Context())
	refuses(t, "no solid service", err, marketplace.Invalid)
	if err != nil && !strings.Contains(err.Error(), "?solid=50061") {
		t.Errorf("no next step in: %v", err)
	}
	server.Stop()
	if err := errors.Join(<-done, v.Close()); err != nil {
		t.Error(err)
	}
}
