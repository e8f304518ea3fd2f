package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/everseed/everseed/marketplace"
)

// A visit is one request: what the layers around a handler know of it.
type visit struct {
	id     string
	log    *slog.Logger
	from   netip.Addr
	caller *caller // nil: a visitor
	server *Server
	header http.Header // of the answer
}

type visitKey struct{}

var nobody = &visit{log: slog.New(slog.DiscardHandler), server: &Server{}}

func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return nobody
}

// use lays the layers around every route, the outermost first.
func (s *Server) use(r chi.Router) {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, marketplace.Forbidden.Errorf("another site's page may not change things here"))
	}))
	r.Use(s.receive, s.gauges.measure, s.rescue, secure, crossOrigin.Handler,
		middleware.GetHead, s.admit)
}

// receive gives the request an id.
func (s *Server) receive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{id: rand.Text(), log: s.Log, from: remote(r, s.Proxies), server: s,
			header: w.Header()}
		w.Header().Set("X-Request-Id", v.id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	})
}

// rescue answers when a handler panics.
func (s *Server) rescue(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				refuse(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers that keep browsers from doing anything clever with an answer. The page
// sets a policy of its own.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

// admit finds out who calls and whether they call too often: reads count per network address,
// writes per key. A wrong key counts as a write of its address, so that guessing is slow.
func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			next.ServeHTTP(w, r)
			return
		}
		if err := s.admitted(w.Header(), r, time.Now()); err != nil {
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// seenEvery is how often an account's sign of life is noted.
const seenEvery = 30 * time.Second

func (s *Server) admitted(h http.Header, r *http.Request, now time.Time) error {
	v := visitOf(r.Context())
	place := neighbours(v.from)
	who := place
	if header := r.Header.Get("Authorization"); header != "" {
		if _, wait := s.writes.take(place, 0, now); wait > 0 {
			return s.writes.spend(h, place, now)
		}
		caller, err := s.identify(r.Context(), header, now)
		if err != nil {
			s.writes.take(place, 1, now)
			h.Set("WWW-Authenticate", "Bearer")
			return err
		}
		v.caller, who = &caller, caller.key
		if _, wait := s.seen.take(caller.account.String(), 1, now); wait == 0 {
			if err := s.Book.Seen(r.Context(), caller.account, now); err != nil {
				return err
			}
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return s.reads.spend(h, place, now)
	}
	return s.writes.spend(h, who, now)
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	if s.Web != nil && !strings.HasPrefix(r.URL.Path, "/v1/") {
		s.Web.ServeHTTP(w, r)
		return
	}
	refuse(w, r, marketplace.NotFound.Errorf("there is no path %.100q; see /docs", r.URL.Path))
}

func (s *Server) badMethod(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if s.router.Match(chi.NewRouteContext(), m, r.URL.Path) {
			allowed = append(allowed, m)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	refuse(w, r, newProblem(r.Context(), badMethod, "this path takes "+strings.Join(allowed, ", ")))
}
