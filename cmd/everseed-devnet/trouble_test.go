package main

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// A trouble is what a chain can be told to do to its users. It ends by itself.
type trouble struct {
	name, method, path string
	order              map[string]any
}

// troubles are drawn from. A devnet's second has ten blocks.
var troubles = []trouble{
	{"a reorganisation that keeps transactions", http.MethodPost, "/reorg",
		map[string]any{"depth": 12}},
	{"a reorganisation that loses transactions", http.MethodPost, "/reorg",
		map[string]any{"depth": 12, "lose": true}},
	{"an outage", http.MethodPut, "/faults", map[string]any{"outage": true, "blocks": 15}},
	{"a head that is behind", http.MethodPut, "/faults", map[string]any{"behind": 12, "blocks": 15}},
	{"a busy server", http.MethodPut, "/faults", map[string]any{"busy_rate": 0.5, "blocks": 30}},
	{"lost broadcasts", http.MethodPut, "/faults", map[string]any{"drop_rate": 0.5, "blocks": 30}},
	{"lost answers", http.MethodPut, "/faults", map[string]any{"mute_rate": 0.5, "blocks": 30}},
	{"empty blocks", http.MethodPut, "/faults", map[string]any{"hold": 20}},
	{"slow answers", http.MethodPut, "/faults", map[string]any{"delay_ms": 300, "blocks": 15}},
}

// misbehave starts a trouble, all of them in turn, and says which.
func (s *storyOfChaos) misbehave() (name string, err error) {
	if len(s.left) == 0 {
		s.left = s.chance.Perm(len(troubles))
	}
	t := troubles[s.left[0]]
	s.left = s.left[1:]
	if err := instruct(s.ctx, t.method, s.control+t.path, t.order, nil); err != nil {
		return t.name, err
	}
	// Some troubles begin before the kill, some only with it.
	time.Sleep(upTo(s.chance, 500*time.Millisecond))
	return t.name, nil
}

// behave ends all trouble.
func (s *storyOfChaos) behave() error {
	return instruct(s.ctx, http.MethodPut, s.control+"/faults", map[string]any{}, nil)
}

// upTo draws a duration.
func upTo(chance *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(chance.Int64N(int64(most)))
}
