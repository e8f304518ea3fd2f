package swarm

import (
	"context"
	"crypto/sha1" // #nosec G505 -- BitTorrent v1 names pieces by SHA-1
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"slices"
	"sync"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// An agent commits to the root of a v1 torrent's content and proves blocks by it (metainfo.Torrent.Sum). What
// it needs for that are the roots of the pieces. They follow from the content, so they are found out when a
// piece has passed its hash and is still in memory; what is missing when all is here is read once more, by
// the desk and when it has nothing else to do. Then they lie beside the record, with the root behind them:
// a file in which the two do not fit is as good as none.

const rootsName = "roots"

// sums are the roots of a torrent's pieces, as far as they are known.
type sums struct {
	mu     sync.Mutex       // guards the fields below
	pieces []byte           // 32 bytes each, zeros where unknown; none when they lie on disk
	root   marketplace.Hash // of all
	over   bool             // done is closed
	done   chan struct{}    // closed when the root is known, or cannot be
}

func newSums(meta *metainfo.Torrent) *sums {
	s := &sums{done: make(chan struct{})}
	if meta.TellsRoots() {
		s.end()
	}
	return s
}

// end wakes who waits for the root. The caller holds mu, or is the only one.
func (s *sums) end() {
	if !s.over {
		s.over = true
		close(s.done)
	}
}

// note keeps the root of a piece.
func (s *sums) note(piece, of int, root marketplace.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.root.IsZero() {
		return
	}
	if s.pieces == nil {
		s.pieces = make([]byte, of*sha256.Size)
	}
	copy(s.pieces[piece*sha256.Size:], root[:])
}

// gap returns the first piece from one on whose root is not known.
func (s *sums) gap(from, of int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := from; i < of && s.pieces != nil; i++ {
		if marketplace.Hash(s.pieces[i*sha256.Size:]).IsZero() {
			return i
		}
	}
	if s.pieces == nil {
		return from
	}
	return of
}

// leaves hashes the blocks of a piece, padding left out. What it reads goes to also, too.
func (s *store) leaves(piece int, also io.Writer) (all []marketplace.Hash, err error) {
	begin, size := int64(piece)*s.meta.PieceLength, s.meta.PieceSize(piece)
	block := make([]byte, metainfo.BlockSize)
	for at := int64(0); at < size; at += metainfo.BlockSize {
		part := block[:min(size-at, metainfo.BlockSize)]
		if _, err := s.readAt(part, begin+at); err != nil {
			return nil, fmt.Errorf("read piece %d: %w", piece, err)
		}
		_, _ = also.Write(part) // a hash or nothing: never fails
		all = append(all, s.meta.Leaf(begin+at, part))
	}
	for len(all) > 0 && all[len(all)-1].IsZero() {
		all = all[:len(all)-1]
	}
	return all, nil
}

// sum finds out the root of a piece of a v1 torrent, which has just passed its hash, or is checked to.
func (s *store) sum(piece int, check bool) error {
	if s.meta.TellsRoots() {
		return nil
	}
	is := sha1.New() // #nosec G401 -- as above
	also := io.Discard
	if check {
		also = is
	}
	leaves, err := s.leaves(piece, also)
	if err != nil {
		return err
	}
	if check && [20]byte(is.Sum(nil)) != s.meta.PieceHash(piece) {
		return marketplace.Invalid.Errorf("piece %d is not what it was", piece)
	}
	s.sums.note(piece, s.meta.Pieces, s.meta.Root(piece, leaves))
	return nil
}

// A summing is a torrent whose content is here, and whose root is not known.
type summing struct {
	*store
	begun bool
	next  int // pieces before it are known
}

// step does a part of the work that is left, and says whether it was the last.
func (w *summing) step() (over bool, err error) {
	switch {
	case w.meta.TellsRoots() || !w.merkleRoot().IsZero():
		return true, nil
	case !w.begun:
		w.begun = true
		return w.loadRoots(), nil
	}
	if w.next = w.sums.gap(w.next, w.meta.Pieces); w.next < w.meta.Pieces {
		return false, w.sum(w.next, true)
	}
	return true, w.keepRoots()
}

// merkleRoot returns the root, or zero.
func (s *store) merkleRoot() marketplace.Hash {
	s.sums.mu.Lock()
	defer s.sums.mu.Unlock()
	return s.sums.root
}

// rootsFile returns where roots are kept; adopted content has no such place.
func (s *store) rootsFile() (name string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return "", false
	}
	return path.Join(path.Dir(s.record.name), rootsName), true
}

// readRoots returns what to answer hash requests with, from disk or from memory.
func (s *store) readRoots() (root marketplace.Hash, summed *metainfo.Torrent, ok bool) {
	if name, kept := s.rootsFile(); kept {
		raw, err := s.root.ReadFile(name)
		if n := s.meta.Pieces * sha256.Size; err == nil && len(raw) == n+sha256.Size {
			root, summed, ok = s.meta.Sum(raw[:n])
			return root, summed, ok && root == marketplace.Hash(raw[n:])
		}
		return root, nil, false
	}
	s.sums.mu.Lock()
	defer s.sums.mu.Unlock()
	return s.meta.Sum(s.sums.pieces)
}

// loadRoots believes what a former run kept.
func (s *store) loadRoots() (ok bool) {
	if _, kept := s.rootsFile(); !kept {
		return false
	}
	root, _, ok := s.readRoots()
	if ok {
		s.settle(root, nil)
	}
	return ok
}

// keepRoots writes down the roots of all pieces, and forgets them if that is possible.
func (s *store) keepRoots() error {
	s.sums.mu.Lock()
	pieces := slices.Clone(s.sums.pieces)
	s.sums.mu.Unlock()
	root, _, _ := s.meta.Sum(pieces)
	if name, kept := s.rootsFile(); kept {
		if err := writeDurably(s.root, name, append(pieces, root[:]...)); err != nil {
			return fmt.Errorf("keep roots of pieces: %w", err)
		}
		pieces = nil
	}
	s.settle(root, pieces)
	return nil
}

// settle says that the root is known.
func (s *store) settle(root marketplace.Hash, pieces []byte) {
	s.sums.mu.Lock()
	defer s.sums.mu.Unlock()
	s.sums.root, s.sums.pieces = root, pieces
	s.sums.end()
}

// giveUp says that it is not known for now.
func (s *store) giveUp() { s.settle(marketplace.Hash{}, nil) }

// Root returns the root of a v1 torrent that is here and verified, when that is known; of a torrent that
// tells its roots, and where it cannot be found out, zero.
func (e *Engine) Root(ctx context.Context, h marketplace.Infohash) (marketplace.Hash, error) {
	e.mu.Lock()
	t := e.torrents[h]
	e.mu.Unlock()
	if t == nil {
		return marketplace.Hash{}, marketplace.NotFound.Errorf("torrent %s is not held", h)
	}
	select {
	case <-ctx.Done():
		return marketplace.Hash{}, ctx.Err()
	case <-t.gone:
		return marketplace.Hash{}, marketplace.Conflict.Errorf("torrent %s was dropped", h)
	case <-t.store.sums.done:
		return t.store.merkleRoot(), nil
	}
}
