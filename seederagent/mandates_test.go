package seederagent

import (
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

func TestALeaseIsTakenOnlyWhenEveryFunderCanPayItsPart(t *testing.T) {
	t.Parallel()
	ends := time.Unix(1_000_000, 0)
	funders := func(pledges ...uint64) (all marketplace.Funders) {
		for i, p := range pledges {
			all = append(all, marketplace.Funder{Poster: marketplace.Address{byte(i + 1)},
				Pledged: marketplace.BTT(p)})
		}
		return all
	}
	l := marketplace.Lease{Price: marketplace.BTT(300), Billed: 1 << 30,
		KeepFor: marketplace.Span(marketplace.Day)}
	for name, c := range map[string]struct {
		funders marketplace.Funders
		ok      bool
	}{"nobody": {nil, false}, "too little": {funders(200, 99), false}, "enough": {funders(200, 100), true},
		"more":           {funders(400, 200), true},
		"the same twice": {append(funders(200), funders(100)...), false}} {
		l.Funders = c.funders
		parts, err := worstParts(l)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if c.ok && (parts[0] != marketplace.BTT(200) || parts[1] != marketplace.BTT(100)) {
			t.Errorf("%s: parts are %s", name, parts)
		}
	}
	good := marketplace.Mandate{Threshold: 2, Expiry: ends, Cap: marketplace.BTT(300),
		Committed: marketplace.BTT(100)}
	for name, spoil := range map[string]func(*marketplace.Mandate){
		"good":          func(*marketplace.Mandate) {},
		"not there":     func(m *marketplace.Mandate) { m.Threshold = 0 },
		"ends too soon": func(m *marketplace.Mandate) { m.Expiry = ends.Add(-time.Second) },
		"used up":       func(m *marketplace.Mandate) { m.Committed = marketplace.BTT(101) },
	} {
		m := good
		spoil(&m)
		err := cover(m, marketplace.Funder{}, marketplace.BTT(200), ends)
		if (err == nil) != (name == "good") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
