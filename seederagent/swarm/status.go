package swarm

import (
	"cmp"
	"context"
	"slices"

	"github.com/everseed/everseed/marketplace"
)

// A Status is how a torrent stands.
type Status struct {
	Complete   bool  // every piece is here and verified
	Checking   bool  // pieces are being hashed
	Bytes      int64 // verified
	Size       int64
	Peers      int
	Uploaded   int64 // since the engine took it up
	Downloaded int64
	Fault      error // why it stands still, if it does
}

// Torrents returns what the engine holds, in order of infohash.
func (e *Engine) Torrents() []marketplace.Infohash {
	return e.list(func(*held) bool { return true })
}

// Complete returns the torrents that are whole and verified.
func (e *Engine) Complete() []marketplace.Infohash {
	return e.list(func(h *held) bool {
		_, whole := h.store.verified()
		return whole
	})
}

func (e *Engine) list(want func(*held) bool) []marketplace.Infohash {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []marketplace.Infohash
	for h, t := range e.torrents {
		if want(t) {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b marketplace.Infohash) int {
		return cmp.Compare(a.String(), b.String())
	})
	return all
}

// Status returns how a torrent stands, and whether it is held at all.
func (e *Engine) Status(h marketplace.Infohash) (Status, bool) {
	e.mu.Lock()
	held := e.torrents[h]
	if held == nil {
		e.mu.Unlock()
		return Status{}, false
	}
	t, s := held.t, Status{Size: held.store.meta.Size, Uploaded: held.sent, Fault: held.fault}
	e.mu.Unlock()
	stats := t.Stats()
	s.Peers = stats.ActivePeers
	s.Uploaded += stats.BytesWrittenData.Int64()
	s.Downloaded = stats.BytesReadUsefulData.Int64()
	s.Bytes, s.Complete = held.store.verified()
	s.Checking = held.store.unknown() > 0
	return s, true
}

// Wait returns when a torrent is whole and verified.
func (e *Engine) Wait(ctx context.Context, h marketplace.Infohash) error {
	e.mu.Lock()
	t := e.torrents[h]
	e.mu.Unlock()
	if t == nil {
		return marketplace.NotFound.Errorf("torrent %s is not held", h)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.gone:
		return marketplace.Conflict.Errorf("torrent %s was dropped", h)
	case <-t.store.complete:
		return nil
	}
}
