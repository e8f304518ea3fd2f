package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// A storm is orders under way while something is killed.
type storm struct {
	*wire
	terms []byte
	name  string
	acked atomic.Int32

	mu     sync.Mutex // guards orders
	orders map[string]int64
}

const (
	stormHands = 4  // orders under way at a time
	stormAcked = 12 // acknowledged orders after which the kill comes
	stormMost  = 10 // orders of one hand; a poster may have 100 open bounties
)

// storm WHAT FILE posts orders without a pause, kills WHAT with -9 among them, starts it again
// and sends every order once more: those that were acknowledged are there as they were, and those
// whose answer was lost are there once.
func (s *story) storm(ts *testscript.TestScript, args []string) error {
	w, err := s.openWire()
	if err != nil {
		return err
	}
	st := &storm{wire: w, name: args[0], terms: s.terms(ts, args[1]), orders: map[string]int64{}}
	ready := make(chan struct{})
	var hands sync.WaitGroup
	for hand := range stormHands {
		hands.Go(func() { st.post(hand, ready) })
	}
	select {
	case <-ready:
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	err = s.kill9(ts, args[:1])
	hands.Wait()
	if err = errors.Join(err, s.restart(ts, args[:1])); err != nil {
		return err
	}
	return st.settle(ts)
}

// post sends orders until one is not answered. ready is closed when enough were.
func (st *storm) post(hand int, ready chan struct{}) {
	for i := range stormMost {
		once := fmt.Sprintf("%s-%d-%d", st.name, hand, i)
		o, err := st.order(once, st.terms)
		st.mu.Lock()
		st.orders[once] = o.id // zero: the answer was lost
		st.mu.Unlock()
		if err != nil {
			return
		}
		if st.acked.Add(1) == stormAcked {
			close(ready)
		}
	}
}

// settle repeats every order.
func (st *storm) settle(ts *testscript.TestScript) error {
	var errs []error
	lost, seen := 0, map[int64]string{}
	for once, id := range st.orders {
		o, err := st.order(once, st.terms)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if id == 0 {
			lost++
		} else if o.id != id || !o.replayed {
			errs = append(errs, fmt.Errorf("order %s was acknowledged as bounty %d and is now %+v",
				once, id, o))
		}
		if other, ok := seen[o.id]; ok {
			errs = append(errs, fmt.Errorf("orders %s and %s are both bounty %d", once, other, o.id))
		}
		seen[o.id] = once
	}
	ts.Logf("%d orders acknowledged, %d answers lost", len(st.orders)-lost, lost)
	return errors.Join(errs...)
}
