package swarm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// Resume takes up every torrent that a former run left in the folder. What is not known to have
// reached the disk is hashed again, in the background. A torrent that cannot be taken up is logged
// and left alone.
func (e *Engine) Resume(ctx context.Context) error {
	folders, err := fs.ReadDir(e.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("resume torrents: %w", err)
	}
	for _, f := range folders {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if strings.HasSuffix(f.Name(), goneSuffix) {
			if err := e.root.RemoveAll(f.Name()); err != nil {
				return fmt.Errorf("resume torrents: %w", err)
			}
			continue
		}
		if err := e.resume(f.Name()); err != nil {
			e.log.ErrorContext(ctx, "torrent not resumed", "infohash", f.Name(), "err", err)
		}
	}
	return nil
}

func (e *Engine) resume(folder string) error {
	h, err := marketplace.ParseInfohash(folder)
	if err != nil {
		return err
	}
	raw, err := e.root.ReadFile(path.Join(folder, metainfoName))
	if errors.Is(err, fs.ErrNotExist) {
		return e.root.RemoveAll(folder) // killed while it was being added
	}
	if err != nil {
		return fmt.Errorf("read metainfo: %w", err)
	}
	meta, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	if err != nil {
		return err
	}
	if meta.Infohash != h {
		return marketplace.Invalid.Errorf("metainfo is of %s", meta.Infohash)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.torrents[h] != nil {
		return nil
	}
	s := e.newStore(meta)
	if err := s.load(); err != nil {
		return err
	}
	return e.hold(s, nil, nil)
}

// Verify hashes all of a torrent's content again. Pieces that fail are fetched anew.
func (e *Engine) Verify(ctx context.Context, h marketplace.Infohash, now time.Time) error {
	e.mu.Lock()
	held := e.torrents[h]
	if held == nil {
		e.mu.Unlock()
		return marketplace.NotFound.Errorf("torrent %s is not held", h)
	}
	t := held.t
	e.mu.Unlock()
	if err := t.VerifyDataContext(ctx); err != nil {
		return fmt.Errorf("verify torrent: %w", err)
	}
	return held.store.verifiedAt(now)
}

// Scrub verifies the torrent that was verified longest ago, if that is longer ago than every, and
// says whether there was one: the library serves what is on disk without looking.
func (e *Engine) Scrub(ctx context.Context, now time.Time, every time.Duration) (bool, error) {
	var stalest marketplace.Infohash
	oldest := now.Add(-every)
	e.mu.Lock()
	for h, t := range e.torrents {
		at, whole := t.store.lastVerified()
		if whole && !at.IsZero() && at.Before(oldest) {
			oldest, stalest = at, h
		}
	}
	e.mu.Unlock()
	if stalest.IsZero() {
		return false, nil
	}
	return true, e.Verify(ctx, stalest, now)
}
