package marketplace

import (
	"maps"
	"testing"
)

func TestARootIsHeldAgainstWholePiecesAtAllLeasesThatCommittedToItUnlessItIsDisputed(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	one, two := Infohash{1}, Infohash{2}
	e := AuditEpoch{Leases: []Lease{
		{ID: 1, Infohash: one, Root: Hash{1}, Passed: 3},
		{ID: 2, Infohash: one, Root: Hash{1}, Passed: 2},
		{ID: 3, Infohash: one, Passed: 100}, // an agent that committed to nothing
		{ID: 4, Infohash: two, Root: Hash{1}, Passed: 100},
	}}
	if got := r.Rooted(e); !maps.Equal(got, map[int64]int{1: 5, 2: 5, 4: 100}) {
		t.Errorf("held for epochs: %v", got)
	}
	e.Leases = append(e.Leases, Lease{ID: 5, Infohash: one, Root: Hash{2}, Passed: 7})
	if got := r.Rooted(e); !maps.Equal(got, map[int64]int{4: 100}) {
		t.Errorf("with a root in dispute: %v", got)
	}
}
