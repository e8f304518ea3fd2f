package swarm

import (
	"container/list"
	"os"
	"sync"
)

// handlesMax bounds open content files over all torrents.
const handlesMax = 64

// handles keeps files open between reads. A torrent of ten thousand files costs no more
// descriptors than one of ten.
type handles struct {
	mu    sync.Mutex // guards the fields below and those of every handle
	open  map[handleKey]*handle
	order *list.List // idle handles, the least recently used in front
	max   int
}

type handleKey struct {
	s     *store
	file  int
	write bool
}

// A handle is an open file. Whoever acquired it releases it.
type handle struct {
	f    *os.File
	key  handleKey
	uses int
	idle *list.Element
	gone bool // dropped while in use: the last release closes it
}

func newHandles(most int) *handles {
	return &handles{open: map[handleKey]*handle{}, order: list.New(), max: most}
}

func (hs *handles) acquire(key handleKey, open func() (*os.File, error)) (*handle, error) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h := hs.open[key]; h != nil {
		if h.idle != nil {
			hs.order.Remove(h.idle)
			h.idle = nil
		}
		h.uses++
		return h, nil
	}
	for len(hs.open) >= hs.max && hs.order.Len() > 0 {
		hs.close(hs.order.Front().Value.(*handle))
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	h := &handle{f: f, key: key, uses: 1}
	hs.open[key] = h
	return h, nil
}

func (hs *handles) release(h *handle) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h.uses--; h.uses > 0 {
		return
	}
	if h.gone {
		_ = h.f.Close() // its data was synced or is being deleted
		return
	}
	h.idle = hs.order.PushBack(h)
}

// drop closes every file of a store.
func (hs *handles) drop(s *store) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for key, h := range hs.open {
		if key.s == s {
			hs.close(h)
		}
	}
}

// close forgets a handle, and closes it unless it is in use. The caller holds mu.
func (hs *handles) close(h *handle) {
	delete(hs.open, h.key)
	if h.idle == nil {
		h.gone = true
		return
	}
	hs.order.Remove(h.idle)
	h.idle = nil
	_ = h.f.Close() // a failed write was reported by the write or the sync
}
