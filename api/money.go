package api

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// money reads, when it is asked, what the book says of redemptions: a scrape costs two small
// queries, and every process of the API tells the same.
type money struct{ book *orderbook.Book }

var (
	frozenDesc = prometheus.NewDesc("market_redemptions_frozen",
		"1 when vault and ledger differ and redemptions are stopped.", nil, nil)
	waitingDesc = prometheus.NewDesc("market_cheques_waiting",
		"Cheques that do not move on, by reason.", []string{"reason"}, nil)
)

// Describe and Collect are those of prometheus.Collector.
func (m money) Describe(out chan<- *prometheus.Desc) {
	out <- frozenDesc
	out <- waitingDesc
}

// Collect tells nothing of what it cannot read: a figure that is missing is an alarm too.
func (m money) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if frozen, err := m.book.Frozen(ctx); err == nil {
		value := 0.0
		if frozen != "" {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(frozenDesc, prometheus.GaugeValue, value)
	}
	waiting, err := m.book.Waiting(ctx)
	if err != nil {
		return
	}
	for _, reason := range marketplace.WaitReasons() {
		out <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue,
			float64(waiting[reason]), string(reason))
	}
}
