package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A Config is what a Server is made of. Book, Info and Domain are needed; the rest has defaults.
type Config struct {
	Book *orderbook.Book
	Info marketplace.MarketInfo // what GET /v1/rules says

	// Domain is the name that accounts sign in to, host or host:port as browsers see it. It is
	// never taken from a request: that would let any site sign people in here.
	Domain string

	// Quote answers POST /v1/quote; poster is zero for visitors. Without it the route says 503.
	Quote func(
		ctx context.Context, poster marketplace.Address, t marketplace.BountyTerms,
	) (marketplace.Quote, error)

	Web         http.Handler         // everything that is no route of the API; may be nil
	Wake        <-chan struct{}      // says that there are new events; may be nil
	Tick        time.Duration        // how often to look for events anyway; default 250 ms
	Metrics     *prometheus.Registry // what /metrics shows; default: the server's own
	Limits      Limits               // zero: no limits, for devnets
	Proxies     []netip.Prefix       // whose X-Forwarded-For is believed
	ChainLagMax time.Duration        // /readyz fails when the book is further behind; zero: never
	Log         *slog.Logger         // default: drop
}

// A Server is the HTTP API.
type Server struct {
	Config
	info    marketplace.MarketInfo
	domain  escrow.Domain
	reads   *limiter
	writes  *limiter
	knocks  *limiter
	carries *limiter
	seen    *limiter // lets a sign of life of each account through now and then
	gauges  *gauges
	hub     *hub
	spec    *huma.OpenAPI
	yaml    func() ([]byte, error) // the spec, encoded once

	writeMax time.Duration // a stream that takes longer to take what it is sent is cut
	router   chi.Router
}

// New returns a server. Mount Handler and run Run.
func New(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Tick == 0 {
		c.Tick = 250 * time.Millisecond
	}
	s := &Server{Config: c, info: c.Info,
		domain:  escrow.Domain{ChainID: c.Info.ChainID, Vault: c.Info.Vault},
		reads:   newLimiter("reads", c.Limits.Reads),
		writes:  newLimiter("writes", c.Limits.Writes),
		knocks:  newLimiter("knocks", c.Limits.Knocks),
		carries: newLimiter("carries", c.Limits.Carries),
		seen:    newLimiter("signs of life", Rate{PerSecond: 1 / seenEvery.Seconds(), Burst: 1}),
		gauges:  newGauges(c.Metrics),
		hub:     newHub(c.Book),
		router:  chi.NewRouter(), writeMax: 10 * time.Second,
	}
	if c.Book != nil {
		c.Metrics.MustRegister(money{c.Book}, keeping{c.Book})
	}
	s.use(s.router)
	a := humachi.New(s.router, s.humaConfig())
	a.UseMiddleware(s.authorize)
	s.spec = a.OpenAPI()
	s.yaml = sync.OnceValues(s.spec.YAML)
	s.routes(a)
	s.plain(s.router)
	s.router.NotFound(s.notFound)
	s.router.MethodNotAllowed(s.badMethod)
	return s
}

// Handler serves the API and, below it, the page.
func (s *Server) Handler() http.Handler { return s.router }

// Run reads the book's events for all streams until ctx is done; then the streams end.
func (s *Server) Run(ctx context.Context) error { return s.hub.run(ctx, s.Wake, s.Tick, s.Log) }

// Spec returns the OpenAPI document that api/openapi.yaml is a copy of.
func Spec() ([]byte, error) { return New(Config{}).yaml() }

func (s *Server) humaConfig() huma.Config {
	c := huma.DefaultConfig("Everseed market", "1")
	c.Info.Description = "Posters, agents, auditors and pages speak to a market through this API. " +
		"Amounts are decimal BTT in strings, sizes are bytes, times RFC 3339 in UTC. What happens here is " +
		"public, but for where agents serve: `peer` is left out for all who do not go there."
	c.Servers = []*huma.Server{{URL: "/"}}
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil // the default one adds $schema to every answer
	c.RejectUnknownQueryParameters = true
	c.OnAddOperation = []huma.AddOpFunc{finish}
	c.Transformers = []huma.Transformer{noNull}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{bearer: {Type: "http",
		Scheme: "bearer", Description: "A session's token or an API key (es_…)"}}
	nouns(c.Components.Schemas)
	return c
}

// signsCheques says whether mandates name an account: such an auditor looks at drafts.
func (s *Server) signsCheques(a marketplace.Address) bool {
	return slices.Contains(s.info.Auditors, a)
}
