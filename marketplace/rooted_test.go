package marketplace

import (
	"maps"
	"testing"
)

func TestBlocksAreAskedForAloneOfWhoIsSeasonedAndWhoseRootNobodyDisputes(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	one, two := Infohash{1}, Infohash{2}
	e := AuditEpoch{Leases: []Lease{
		{ID: 1, Infohash: one, Root: Hash{1}, Passed: r.Seasoned},
		{ID: 2, Infohash: one, Root: Hash{1}, Passed: r.Seasoned - 1},
		{ID: 3, Infohash: one, Passed: 100}, // an agent that committed to nothing
		{ID: 4, Infohash: two, Root: Hash{1}, Passed: 100},
	}}
	if got := r.Rooted(e); !maps.Equal(got, map[int64]bool{1: true, 4: true}) {
		t.Errorf("rooted are %v", got)
	}
	e.Leases = append(e.Leases, Lease{ID: 5, Infohash: one, Root: Hash{2}})
	if got := r.Rooted(e); !maps.Equal(got, map[int64]bool{4: true}) {
		t.Errorf("with a root in dispute %v are rooted", got)
	}
	if r.Seasoned+1 != int(Day/r.Epoch.Duration()) {
		t.Error("the first day is not what it takes")
	}
}
