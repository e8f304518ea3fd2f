package marketplace

import (
	"errors"
	"slices"
	"time"
)

// An Instrument is what is traded.
type Instrument string

// Keepalive buys N replicas × S bytes × D days. Other instruments are not traded yet.
const Keepalive Instrument = "keepalive"

// Regions an agent may be in and a bounty may ask for. An empty list of a bounty means anywhere.
var Regions = []string{"africa", "asia", "europe", "north-america", "oceania", "south-america"}

// BountyTerms are what a poster asks for: the body of POST /v1/bounties.
type BountyTerms struct {
	Instrument Instrument `json:"instrument" enum:"keepalive" doc:"What is bought"`
	Infohash   Infohash   `json:"infohash" doc:"Torrent, registered before with POST /v1/torrents"`
	Replicas   int        `json:"replicas" doc:"Agents that shall hold the whole torrent"`
	PriceMax   Amount     `json:"price_max" doc:"Most BTT per GiB-day and replica"`
	KeepFor    Span       `json:"keep_for" doc:"Term from the first proven replica, like 30d"`
	Mandate    Hash       `json:"mandate" doc:"Mandate in the vault that pays"`
	Regions    []string   `json:"regions,omitempty" doc:"Regions that will do; empty: any"`
	RateMin    int64      `json:"rate_min,omitempty" doc:"Least upload rate, bytes/s"`
	GoodFor    Span       `json:"good_for,omitempty" doc:"Unfilled replicas expire after; default 7d"`
	Fund       Amount     `json:"fund,omitzero" doc:"BTT you pledge yourself; others add the rest; default: all"`
}

// Check returns every breach of the rules, joined.
func (t BountyTerms) Check(r Rules) error {
	var errs []error
	refuse := func(bad bool, name, format string, args ...any) {
		if bad {
			errs = append(errs, field(name, format, args...))
		}
	}
	refuse(t.Instrument != Keepalive, "instrument", "is %q; this market trades keepalive", t.Instrument)
	refuse(t.Infohash.IsZero(), "infohash", "is missing")
	refuse(t.Replicas < 1 || t.Replicas > r.ReplicasMax, "replicas",
		"is %d; it must be 1 to %d", t.Replicas, r.ReplicasMax)
	refuse(t.PriceMax.IsZero(), "price_max", "is zero; nobody works for nothing")
	refuse(!t.PriceMax.OnTick(), "price_max", "is %s; prices step by %s BTT", t.PriceMax, Tick)
	refuse(t.PriceMax.Cmp(PriceCeiling) > 0, "price_max", "is %s BTT; at most %s", t.PriceMax,
		PriceCeiling)
	refuse(t.KeepFor < r.KeepMin || t.KeepFor > r.KeepMax, "keep_for",
		"is %s; it must be %s to %s", t.KeepFor, r.KeepMin, r.KeepMax)
	refuse(t.Mandate.IsZero(), "mandate", "is missing; open one in the vault first")
	refuse(t.RateMin < 0, "rate_min", "is negative")
	refuse(t.GoodFor < 0 || t.GoodFor > r.KeepMax, "good_for", "is %s; at most %s", t.GoodFor, r.KeepMax)
	refuse(len(t.Regions) > len(Regions), "regions", "names more regions than there are")
	for _, region := range t.Regions {
		refuse(!slices.Contains(Regions, region), "regions", "has %q; known are %q", region, Regions)
	}
	return errors.Join(errs...)
}

// PriceCeiling bounds prices, so that no product leaves the width of an Amount.
var PriceCeiling = BTT(1_000_000_000)

// A Bucket is the term class of a market.
type Bucket int

// Bucket returns the term class in days: the smallest of 1, 7, 30, 90 that holds the term.
func (t BountyTerms) Bucket() Bucket {
	for _, days := range []Bucket{1, 7, 30} {
		if time.Duration(t.KeepFor) <= time.Duration(days)*Day {
			return days
		}
	}
	return 90
}

// A Bounty is a posted order.
type Bounty struct {
	ID       int64        `json:"id"`
	Poster   Address      `json:"poster"`
	Terms    BountyTerms  `json:"terms"`
	Name     string       `json:"name" doc:"Torrent's name"`
	Size     int64        `json:"size" doc:"Torrent's bytes"`
	Billed   int64        `json:"billed" doc:"Bytes billed a replica"`
	State    BountyState  `json:"state"`
	Reason   string       `json:"reason,omitempty" doc:"Why it is in this state, or why it did not trade"`
	Leased   int          `json:"leased" doc:"Replicas under a live lease that is not forecast to be lost"`
	Proven   int          `json:"proven" doc:"Replicas whose last audit passed"`
	Funders  []Pledge     `json:"funders" doc:"Who pays for it, in the order of pledging"`
	Needed   Amount       `json:"needed,omitzero" doc:"BTT that it lacks to open; others may pledge it"`
	Reserved Amount       `json:"reserved" doc:"BTT still set aside for it"`
	Spent    Amount       `json:"spent" doc:"BTT accrued to agents, holdback and fee included"`
	Replaced Replacements `json:"replaced" doc:"How fast lost replicas were replaced"`
	PostedAt time.Time    `json:"posted_at"`
	GoodTill time.Time    `json:"good_till" doc:"Unfilled replicas expire then"`
	EndsAt   time.Time    `json:"ends_at,omitzero" doc:"End of the term, once a replica was proven"`
}

// Pays says whether somebody pays for the bounty, or would.
func (b Bounty) Pays(who Address) bool {
	return who == b.Poster ||
		slices.ContainsFunc(b.Funders, func(p Pledge) bool { return p.Poster == who && p.State.Live() })
}

// Missing returns how many replicas wait for a lease.
func (b Bounty) Missing() int { return max(0, b.Terms.Replicas-b.Leased) }
