package swarm

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Download is one torrent to fetch into a folder.
type Download struct {
	Config                    // Dir is where the content goes, under the torrent's own name
	Metainfo []byte           // the .torrent
	Peers    []netip.AddrPort // beside those that trackers and the DHT know
	Progress func(Status)     // called a few times a second, if set
}

// progressEvery is how often Progress is called.
const progressEvery = 250 * time.Millisecond

// Fetch downloads a torrent as any BitTorrent client does, and returns when every piece is
// verified. Content that is there already is hashed and kept.
func Fetch(ctx context.Context, d Download) error {
	meta, err := metainfo.Parse(d.Metainfo, metainfo.HardLimits())
	if err != nil {
		return err
	}
	if d.Listen == "" {
		d.Listen = ":0"
	}
	e, err := open(d.Config, d.Dir)
	if err != nil {
		return err
	}
	defer e.Close() // nothing is left to write down
	s := newStore(meta, e.root, "", e.files)
	s.room = func() error { return e.room(0) }
	e.mu.Lock()
	err = e.room(meta.Stored())
	if err == nil {
		err = e.hold(s, nil, d.Peers)
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	return e.follow(ctx, d, meta)
}

func (e *Engine) follow(ctx context.Context, d Download, meta metainfo.Torrent) error {
	whole := make(chan error, 1)
	go func() { whole <- e.Wait(ctx, meta.Infohash) }()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-whole:
			_ = e.report(d, meta) // for the last progress; a fault no longer matters
			if err != nil {
				return fmt.Errorf("fetch %s: %w", meta.Infohash, err)
			}
			return nil
		case <-tick.C:
			if fault := e.report(d, meta); fault != nil {
				return fmt.Errorf("fetch %s: %w", meta.Infohash, fault)
			}
		}
	}
}

// report tells how far the download is, and returns why it stands still.
func (e *Engine) report(d Download, meta metainfo.Torrent) error {
	s, _ := e.Status(meta.Infohash)
	if d.Progress != nil {
		d.Progress(s)
	}
	return s.Fault
}
