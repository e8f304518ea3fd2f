package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/everseed/everseed/marketplace"
)

const streamPath = "/v1/stream"

// plain adds the routes that are no JSON, and their lines in the spec.
func (s *Server) plain(r chi.Router) {
	for _, p := range []struct {
		path, id, kind, summary string
		serve                   http.HandlerFunc
	}{
		{streamPath, "stream", "text/event-stream", "Events as they happen", s.streamEvents},
		{"/healthz", "healthz", "text/plain", "Whether the process is alive", s.healthz},
		{"/readyz", "readyz", "text/plain", "Whether requests would be served", s.readyz},
		{"/metrics", "metrics", "text/plain", "Figures for Prometheus",
			promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}).ServeHTTP},
		{"/openapi.yaml", "openapi", "application/yaml", "This document", s.openapi},
		{"/docs", "docs", "text/html", "This document, to be read", s.docs},
		{"/docs/money", "docs-money", "text/html", "Who holds your money", custody},
		{"/docs/style.css", "docs-style", "text/css", "How /docs looks", docsStyle},
	} {
		r.Get(p.path, p.serve)
		op := &huma.Operation{OperationID: p.id, Method: http.MethodGet, Path: p.path,
			Summary: p.summary, Tags: []string{"ops"},
			Responses: map[string]*huma.Response{"200": {Description: "OK",
				Content: map[string]*huma.MediaType{p.kind: {
					Schema: &huma.Schema{Type: huma.TypeString}}}}}}
		if p.path == streamPath {
			describeStream(op)
		}
		s.spec.AddOperation(op)
	}
}

func describeStream(op *huma.Operation) {
	op.Tags = []string{"market"}
	op.Description = "Server-sent events: `id` is the event's id, `event` its kind, `data` an " +
		"Event. Without `Last-Event-ID` (or `after`) it begins with the next event. A ping comes " +
		"every 15 s; a client that reads too slowly is cut and resumes by its last id. An account that " +
		"follows its own events also gets `knock`, whose data holds a Knock, and `carry`, whose data holds a " +
		"Carry: they have no id and are not repeated."
	cursor := &huma.Schema{Type: huma.TypeString}
	op.Parameters = []*huma.Param{
		{Name: "who", In: "query", Description: "Only what concerns this account",
			Schema: addressText{}.Schema(nil)},
		{Name: "after", In: "query", Description: "Resume after this event", Schema: cursor},
		{Name: "Last-Event-ID", In: "header", Description: "Goes before after", Schema: cursor},
	}
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") }

// readyz says whether the book answers, how far behind the chain it is, and whether redemptions
// are frozen: reading and trading go on then.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	block, err := s.Book.ChainCursor(ctx)
	if err != nil {
		visitOf(ctx).log.ErrorContext(ctx, "not ready", "err", err)
		refuse(w, r, marketplace.Unavailable.Errorf("the book does not answer"))
		return
	}
	frozen, err := s.Book.Frozen(ctx)
	if err != nil {
		visitOf(ctx).log.ErrorContext(ctx, "not ready", "err", err)
		refuse(w, r, marketplace.Unavailable.Errorf("the book does not answer"))
		return
	}
	lag := time.Since(block.At).Round(time.Second)
	if block.At.IsZero() {
		lag = 0
	}
	if s.ChainLagMax > 0 && (block.At.IsZero() || lag > s.ChainLagMax) {
		refuse(w, r, marketplace.Unavailable.Errorf("the book is %s behind the chain", lag))
		return
	}
	fmt.Fprintf(w, "ready\nblock %d\nbehind %s\n", block.Number, lag)
	if frozen != "" {
		fmt.Fprintf(w, "redemptions frozen: %s\n", frozen)
	}
}

func (s *Server) openapi(w http.ResponseWriter, r *http.Request) {
	doc, err := s.yaml()
	if err != nil {
		refuse(w, r, fmt.Errorf("encode the spec: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(doc) // a reader that left needs no answer
}
