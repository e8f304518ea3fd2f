package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// knownMax bounds the bytes of metainfo kept in memory.
const knownMax = 64 << 20

// A library has the torrents that an auditor was asked for last.
type library struct {
	mu     sync.Mutex // guards the fields below
	known  map[marketplace.Infohash]*volume
	recent []marketplace.Infohash // keys of known, oldest first
	bytes  int                    // of metainfo in known
}

// A volume is a torrent and what is known of its blocks.
type volume struct {
	torrent *metainfo.Torrent
	shelf   *shelf
}

func (v *volume) bytes() int { return len(v.torrent.Info) + 32*v.torrent.Pieces }

func (l *library) get(h marketplace.Infohash) *volume {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[h]
}

// put keeps a torrent, unless another was faster, and returns what is kept.
func (l *library) put(v *volume) *volume {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := v.torrent.Infohash
	if l.known[h] != nil {
		return l.known[h]
	}
	if l.known == nil {
		l.known = map[marketplace.Infohash]*volume{}
	}
	l.known[h] = v
	l.recent = append(l.recent, h)
	for l.bytes += v.bytes(); l.bytes > knownMax && len(l.recent) > 1; {
		l.bytes -= l.known[l.recent[0]].bytes()
		delete(l.known, l.recent[0])
		l.recent = slices.Delete(l.recent, 0, 1)
	}
	return v
}

// volume returns a torrent, from the market if need be.
func (a *Auditor) volume(ctx context.Context, h marketplace.Infohash) (*volume, error) {
	if v := a.library.get(h); v != nil {
		return v, nil
	}
	raw, err := a.Market.Metainfo(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("get metainfo of %s: %w", h, err)
	}
	t, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	if err != nil {
		return nil, err
	}
	if t.Infohash != h {
		return nil, marketplace.Invalid.Errorf("metainfo is of %s, not of %s", t.Infohash, h)
	}
	s, err := a.Leaves.shelf(&t)
	if err != nil {
		return nil, err
	}
	return a.library.put(&volume{&t, s}), nil
}
