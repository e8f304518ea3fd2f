package api

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
)

// gauges are the API's own figures.
type gauges struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	streams  atomic.Int64
}

func newGauges(r *prometheus.Registry) *gauges {
	g := &gauges{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "market_http_requests_total", Help: "Requests answered."},
			[]string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "market_http_seconds", Help: "Time to answer, streams left out.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}},
			[]string{"method", "route"}),
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "market_http_streams", Help: "Event streams open now."},
		func() float64 { return float64(g.streams.Load()) })
	r.MustRegister(g.requests, g.seconds, open)
	return g
}

// measure counts every request under its route's pattern, never under its path.
func (g *gauges) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		out := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(out, r)
		route := chi.RouteContext(r.Context()).RoutePattern()
		if route == "" || route == "/*" {
			route = "other"
		}
		status := out.Status()
		if status == 0 {
			status = http.StatusOK
		}
		g.requests.WithLabelValues(method(r.Method), route, strconv.Itoa(status)).Inc()
		if route != streamPath {
			g.seconds.WithLabelValues(method(r.Method), route).Observe(time.Since(began).Seconds())
		}
	})
}

// method keeps the label a closed set.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
		return m
	}
	return "other"
}
