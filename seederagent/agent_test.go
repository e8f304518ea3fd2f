package seederagent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

func TestSizesAndRatesHaveUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"200 GiB": 200 << 30, "1.5 TB": 1_500_000_000_000, "64MiB": 64 << 20, "7 B": 7,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
	}
	if got, err := ParseRate("20 Mbit/s"); err != nil || got != 2_500_000 {
		t.Errorf("20 Mbit/s is %d, %v", got, err)
	}
	for _, text := range []string{"", "200", "GiB", "-1 GiB", "1e30 TiB", "2 Mbit/s", "5 gib"} {
		if got, err := ParseSize(text); !errors.Is(err, marketplace.Invalid) {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestAConfigurationSurvivesItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "agent.toml")
	want := DefaultConfig()
	want.Payee, want.DenyInfohashes = marketplace.Address{1}, []marketplace.Infohash{{2}}
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadConfig(path)
	if err != nil || got.Payee != want.Payee || got.Storage != want.Storage ||
		got.PriceMin != want.PriceMin || got.DenyInfohashes[0] != want.DenyInfohashes[0] {
		t.Errorf("read %+v, %v", got, err)
	}
	if err := want.Write(path); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("overwrote a configuration: %v", err)
	}
}

func TestAnAgentOffersToCarryVisitsUnlessItsOwnerLendsNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "agent.toml")
	for text, want := range map[string]bool{"": true, "carry = '40 MiB'": true, "carry = '0 B'": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := ReadConfig(path)
		if err != nil || c.Offer(marketplace.Address{1}, nil).Carry != want {
			t.Errorf("%q: %s, %v", text, c.Carry, err)
		}
	}
}

func TestATypoCannotLiftALimit(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"storrage = '1 GiB'":    "storrage",
		"storage = 1":           "storage",
		"storage = 'lots'":      "lots",
		"market = 'no address'": "https://market.example",
		"listen = ':6881'":      "ip:port",
		"carry = '39 MiB'":      "40 MiB",
	} {
		path := filepath.Join(t.TempDir(), "agent.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadConfig(path); !errors.Is(err, marketplace.Invalid) ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; it should say %q", text, err, says)
		}
	}
}

func TestALeaseOutsideTheOwnersLimitsIsRefused(t *testing.T) {
	t.Parallel()
	rules, c := marketplace.DefaultRules(), DefaultConfig()
	c.DenyPosters = []marketplace.Address{{9}}
	c.DenyInfohashes = []marketplace.Infohash{{8}}
	good := marketplace.Lease{Price: c.PriceMin, Size: 1 << 30, Billed: 1 << 30,
		KeepFor: marketplace.Span(30 * marketplace.Day)}
	c.OnlyPosters = []marketplace.Address{{9}, {7}}
	good.Poster = c.OnlyPosters[1]
	const free = 1 << 40
	if err := c.Refuse(good, rules, 0, free); err != nil {
		t.Fatalf("a good lease: %v", err)
	}
	for name, change := range map[string]func(l *marketplace.Lease, used, free *int64){
		"price is below":              func(l *marketplace.Lease, _, _ *int64) { l.Price = marketplace.BTT(1) },
		"larger than my":              func(l *marketplace.Lease, _, _ *int64) { l.Size = 51 << 30 },
		"outside my":                  func(l *marketplace.Lease, _, _ *int64) { l.KeepFor = 1 },
		"my quota":                    func(_ *marketplace.Lease, used, _ *int64) { *used = 100 << 30 },
		"of the disk":                 func(_ *marketplace.Lease, _, free *int64) { *free = 10 << 30 },
		"the rules say":               func(l *marketplace.Lease, _, _ *int64) { l.Billed-- },
		"poster":                      func(l *marketplace.Lease, _, _ *int64) { l.Poster = marketplace.Address{9} },
		"among those that I work for": func(l *marketplace.Lease, _, _ *int64) { l.Poster = marketplace.Address{5} },
		"poster beside another": func(l *marketplace.Lease, _, _ *int64) {
			l.Funders = append(l.Funders, marketplace.Funder{Poster: marketplace.Address{9}})
		},
		"torrent": func(l *marketplace.Lease, _, _ *int64) { l.Infohash[0] = 8 },
	} {
		l, used, left := good, int64(0), int64(free)
		change(&l, &used, &left)
		if err := c.Refuse(l, rules, used, left); !errors.Is(err, marketplace.Invalid) ||
			!strings.Contains(strings.ReplaceAll(err.Error(), "BTT is", "is"), strings.Fields(name)[0]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAskingAnAgentThatDoesNotRunSaysHowToStartIt(t *testing.T) {
	t.Parallel()
	began := time.Now()
	_, err := AskStatus(t.Context(), t.TempDir())
	if !errors.Is(err, marketplace.Unavailable) || !strings.Contains(err.Error(), "everseed-agent run") {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
