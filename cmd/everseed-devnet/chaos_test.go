package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent"
)

// A chaos is how much of it there is.
type chaos struct {
	writers int // posters who give orders all the time
	strokes int // kills, one after the other
}

// chaosWithin bounds a run: the full one takes about five minutes on two quiet cores.
const chaosWithin = 15 * time.Minute

// TestMoneySurvivesChaos lets posters deposit, post, cancel, thaw and withdraw while market,
// Postgres and chain are killed with -9 in turn and the chain misbehaves, and then follows every
// order and every base unit. `make chaos` runs it in full.
func TestMoneySurvivesChaos(t *testing.T) {
	t.Parallel()
	size := chaos{writers: 4, strokes: 3}
	if os.Getenv("EVERSEED_CHAOS") == "full" {
		size = chaos{writers: 16, strokes: 24}
	}
	seed := uint64(time.Now().UnixNano()) // #nosec G115 -- any number will do
	if text := os.Getenv("EVERSEED_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("EVERSEED_SEED=%d: %d writers, %d kills", seed, size.writers, size.strokes)
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), chaosWithin)
	defer cancel()
	s := &storyOfChaos{story: &story{ctx: ctx}, T: t, chance: rand.New(rand.NewPCG(seed, 1)),
		wanting: make(chan marketplace.Bounty, 100)}
	defer func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	}()
	if s.devnet, err = startDevnet(ctx, t.TempDir(), bin, func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	if err := s.prepare(size); err != nil {
		t.Fatal(err)
	}
	if err := s.rage(size.strokes); err != nil {
		t.Fatalf("%v\n%s\n%s", err, s.market.tail(), s.faults())
	}
	if err := s.calm(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, s.market.tail(), s.faults())
	}
	if err := s.follow(); err != nil {
		t.Error(err)
	}
}

// A storyOfChaos is a devnet whose posters are many.
type storyOfChaos struct {
	*story
	*testing.T
	chance  *rand.Rand // of the gremlin; every writer has its own
	left    []int      // troubles that had no turn yet
	hash    marketplace.Infohash
	writers []*writer
	acked   atomic.Int64 // orders and transactions that were acknowledged
	shared  atomic.Int64 // pledges to somebody else's bounty among them
	wanting chan marketplace.Bounty
}

// prepare gives every writer a wallet with a deposit, and hires agents.
func (s *storyOfChaos) prepare(size chaos) (err error) {
	for i := range 3 {
		price := marketplace.BTT(1000 * uint64(i+1)) // #nosec G115 -- below 3
		if _, err := s.addAgent(fmt.Sprint("agent-", i+1), price, nil); err != nil {
			return err
		}
	}
	file := filepath.Join(s.dir, "chaos.torrent")
	if s.hash, err = s.seed(metainfo.V1, file, seederagent.Size(1<<20)); err != nil {
		return err
	}
	info, err := s.client.Rules(s.ctx)
	if err != nil {
		return err
	}
	errs := make([]error, size.writers)
	var all sync.WaitGroup
	for i := range size.writers {
		w := &writer{s: s, info: info, name: fmt.Sprint("writer-", i+1),
			chance: rand.New(rand.NewPCG(s.chance.Uint64(), 2)), orders: map[string]*commission{}}
		s.writers = append(s.writers, w)
		all.Go(func() { errs[i] = w.prepare() })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := s.writers[0].run(s.ctx, nil, "torrent", "add", file); err != nil {
		return err
	}
	return s.awaitOffers(s.ctx)
}

// rage kills something, again and again, while the writers work. Between two kills the writers
// get something done, so that there is something to lose.
func (s *storyOfChaos) rage(strokes int) error {
	work, stop := context.WithCancel(s.ctx)
	defer stop()
	errs := make([]error, len(s.writers)+1)
	var all sync.WaitGroup
	for i, w := range s.writers {
		all.Go(func() { errs[i] = w.work(work) })
	}
	all.Go(func() { errs[len(s.writers)] = s.watch(work) })
	victims := []string{"market", "postgres", "chain"}
	for i := range strokes {
		if err := s.progress(len(s.writers)); err != nil {
			return err
		}
		fault, err := s.misbehave()
		if err != nil {
			return err
		}
		victim := []string{victims[i%len(victims)]}
		s.Logf("stroke %d: %s; kill -9 %s after %d acknowledged", i+1, fault, victim[0],
			s.acked.Load())
		if err := s.kill9(nil, victim); err != nil {
			return err
		}
		if err := s.restart(nil, victim); err != nil {
			return err
		}
	}
	err := s.progress(len(s.writers))
	stop()
	all.Wait()
	return errors.Join(append(errs, err)...)
}

// faults are what the market's log says of requests that it could not answer.
func (s *storyOfChaos) faults() string {
	text, err := os.ReadFile(s.market.log)
	if err != nil {
		return err.Error()
	}
	found := "faults in market.log:"
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"ERROR"`) && strings.Contains(line, "request") {
			found += "\n  " + line
		}
	}
	return found
}

// progress waits until n more things were acknowledged.
func (s *storyOfChaos) progress(n int) error {
	until := s.acked.Load() + int64(n)
	return s.market.until(s.ctx, "the writers get on", func() bool { return s.acked.Load() >= until })
}

// watch reads the ledger all the time: at no moment may it not balance.
func (s *storyOfChaos) watch(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		sol, err := s.client.Solvency(ctx)
		if err != nil {
			continue // it is down just now
		}
		if sol.LedgerDebit != sol.LedgerCred {
			return fmt.Errorf("debits are %s, credits %s", sol.LedgerDebit, sol.LedgerCred)
		}
		if sol.Frozen {
			return fmt.Errorf("redemptions were frozen: %s", sol.Difference)
		}
	}
}
