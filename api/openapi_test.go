package api

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"testing"

	"github.com/go-chi/chi/v5"
)

var update = flag.Bool("update", false, "write openapi.yaml")

func TestOpenAPIIsCurrent(t *testing.T) {
	t.Parallel()
	want, err := Spec()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.yaml", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("openapi.yaml")
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("openapi.yaml is not what the routes say (%v); run go generate ./api", err)
	}
}

func TestEveryRouteIsInTheSpec(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	known := map[string]bool{}
	for _, op := range operations(s.spec) {
		known[op.Method+" "+op.Path] = true
	}
	routes := 0
	err := chi.Walk(s.router, func(
		method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler,
	) error {
		routes++
		if !known[method+" "+route] {
			t.Errorf("%s %s is not in the spec", method, route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if routes != len(known) {
		t.Errorf("%d routes, %d operations in the spec", routes, len(known))
	}
}
