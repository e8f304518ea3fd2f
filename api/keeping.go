package api

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// keeping reads, when it is asked, how well torrents are kept alive.
type keeping struct{ book *orderbook.Book }

var (
	replacedDesc = prometheus.NewDesc("market_replacement_seconds",
		"From the last passed epoch of a lost replica to the first one of its replacement.",
		[]string{"of"}, nil)
	replacedTotalDesc = prometheus.NewDesc("market_replicas_replaced",
		"Replacements that market_replacement_seconds is of, the last 1000 at most.", nil, nil)
)

// Describe and Collect are those of prometheus.Collector.
func (k keeping) Describe(out chan<- *prometheus.Desc) {
	out <- replacedDesc
	out <- replacedTotalDesc
}

// Collect tells nothing of what it cannot read: a figure that is missing is an alarm too.
func (k keeping) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := k.book.Replaced(ctx)
	if err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(replacedTotalDesc, float64(r.Count))
	for of, span := range map[string]marketplace.Span{
		"last": r.Last, "median": r.Median, "p90": r.P90,
	} {
		gauge(replacedDesc, span.Duration().Seconds(), of)
	}
}
