package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sort"
	"sync"
	"time"

	lib "github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A store keeps one torrent's content below one folder of an os.Root. Files are found by their
// place in our own parsing of the torrent, never by what the library made of their names; padding
// reads as zeros and is not stored.
type store struct {
	meta     metainfo.Torrent
	root     *os.Root
	folder   string // below root, with "/"
	readOnly bool   // content of somebody else: never created, written or deleted
	handles  *handles
	room     func() error // refuses when the disk is nearly full
	record   *recorder    // nil: nothing is remembered
	whole    func()       // told when all is here
	sums     *sums

	mu        sync.Mutex   // guards the fields below
	known     []bool       // pieces whose state is known, else they are hashed
	have      []bool       // pieces that passed their hash
	count     int          // of have
	bytes     int64        // in them
	written   map[int]bool // files with bytes that may not have reached the disk
	writing   int          // writes under way
	writes    int          // ever begun
	sinceRoom int64        // bytes written since the disk's room was looked at
	complete  chan struct{}
}

// roomEvery is how many bytes may be written between two looks at the disk's room.
const roomEvery = 16 << 20

func newStore(meta metainfo.Torrent, root *os.Root, folder string, h *handles) *store {
	return &store{
		meta: meta, root: root, folder: folder, handles: h,
		room:  func() error { return nil },
		whole: func() {}, sums: newSums(&meta),
		known: make([]bool, meta.Pieces), have: make([]bool, meta.Pieces),
		written: map[int]bool{}, complete: make(chan struct{}),
	}
}

// empty says that nothing was ever stored, so that there is nothing to hash.
func (s *store) empty() {
	for i := range s.known {
		s.known[i] = true
	}
}

// OpenTorrent is the library's way in, before it lays out the torrent's pieces. A hybrid is made a
// v1 torrent for it: as v2 its pieces end where files do, and a stock v1 client that asks for the
// padding behind (aria2, Transmission) would be disconnected. A torrent that is v2 only stays one.
func (s *store) OpenTorrent(_ context.Context, info *lib.Info, _ lib.Hash) (
	storage.TorrentImpl, error,
) {
	if s.meta.V1 {
		info.MetaVersion, info.FileTree = 0, lib.FileTree{}
	} else {
		prune(&info.FileTree)
	}
	if !s.readOnly {
		for i, f := range s.meta.Files {
			if f.Length == 0 && !f.Pad {
				if err := s.create(i); err != nil {
					return storage.TorrentImpl{}, err
				}
			}
		}
	}
	return storage.TorrentImpl{
		Piece: func(p lib.Piece) storage.PieceImpl { return piece{s, p.Index()} },
		Close: s.close,
	}, nil
}

// prune takes empty files out of a v2 tree: v1.62.0 panics on them, and there is nothing in them to
// fetch or to serve.
func prune(tree *lib.FileTree) {
	for name, below := range tree.Dir {
		prune(&below)
		if len(below.Dir) == 0 && below.File.Length == 0 {
			delete(tree.Dir, name)
		}
	}
}

func (s *store) create(i int) error {
	h, err := s.open(i, true)
	if err != nil {
		return err
	}
	s.handles.release(h)
	return nil
}

// close forgets open files, having written down what is verified.
func (s *store) close() error {
	err := s.save()
	s.handles.drop(s)
	return err
}

func (s *store) path(file int) string {
	return path.Join(append([]string{s.folder}, s.meta.Files[file].Path...)...)
}

func (s *store) open(file int, write bool) (*handle, error) {
	return s.handles.acquire(handleKey{s, file, write}, func() (*os.File, error) {
		name := s.path(file)
		if !write {
			return s.root.Open(name)
		}
		if err := s.root.MkdirAll(path.Dir(name), 0o700); err != nil {
			return nil, err
		}
		return s.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	})
}

// spans visits the files that hold n bytes of the torrent from off on: file, offset in it, and
// the range of the n bytes.
func (s *store) spans(off int64, n int, visit func(file int, at int64, from, to int) error) error {
	files := s.meta.Files
	i := sort.Search(len(files), func(i int) bool { return files[i].Offset+files[i].Length > off })
	for from := 0; from < n && i < len(files); i++ {
		at := off + int64(from) - files[i].Offset
		to := from + int(min(int64(n-from), files[i].Length-at))
		if to == from {
			continue
		}
		if err := visit(i, at, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// readAt fills b with content. Content that is not there ends it with io.EOF, which makes the
// library mark the piece as missing.
func (s *store) readAt(b []byte, off int64) (n int, err error) {
	err = s.spans(off, len(b), func(file int, at int64, from, to int) error {
		if s.meta.Files[file].Pad {
			clear(b[from:to])
			n = to
			return nil
		}
		h, err := s.open(file, false)
		if errors.Is(err, fs.ErrNotExist) {
			return io.EOF
		}
		if err != nil {
			return fmt.Errorf("open content: %w", err)
		}
		defer s.handles.release(h)
		m, err := h.f.ReadAt(b[from:to], at)
		if n += m; m == to-from {
			return nil
		}
		return err
	})
	return n, err
}

func (s *store) writeAt(b []byte, off int64) (n int, err error) {
	if s.readOnly {
		return 0, marketplace.Forbidden.Errorf("content of %s was adopted read-only", s.meta.Infohash)
	}
	if err := s.beginWrite(len(b)); err != nil {
		return 0, err
	}
	defer s.endWrite()
	err = s.spans(off, len(b), func(file int, at int64, from, to int) error {
		if s.meta.Files[file].Pad {
			n = to
			return nil
		}
		h, err := s.open(file, true)
		if err != nil {
			return fmt.Errorf("create content: %w", err)
		}
		defer s.handles.release(h)
		m, err := h.f.WriteAt(b[from:to], at)
		n += m
		s.mu.Lock()
		s.written[file] = true
		s.mu.Unlock()
		return err
	})
	return n, err
}

// beginWrite makes sure of room on the disk and that no record outlives what it says.
func (s *store) beginWrite(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sinceRoom += int64(n); s.sinceRoom > roomEvery {
		if err := s.room(); err != nil {
			return err
		}
		s.sinceRoom = 0
	}
	if err := s.record.remove(); err != nil {
		return err
	}
	s.writing++
	s.writes++
	return nil
}

func (s *store) endWrite() {
	s.mu.Lock()
	s.writing--
	s.mu.Unlock()
}

// mark notes what hashing found.
func (s *store) mark(i int, ok bool) error {
	if ok && !s.has(i) {
		_ = s.sum(i, false) // what is missing is found out later
	}
	s.mu.Lock()
	s.known[i] = true
	if s.have[i] == ok {
		s.mu.Unlock()
		return nil
	}
	s.have[i] = ok
	sign := 1
	if !ok {
		sign = -1
	}
	s.count += sign
	s.bytes += int64(sign) * s.meta.PieceSize(i)
	whole := s.count == s.meta.Pieces
	if whole {
		s.announce()
		if s.record != nil {
			s.record.at = time.Now() // the library does not say when it hashed
		}
	}
	err := s.record.remove()
	s.mu.Unlock()
	if whole {
		s.whole()
		return s.save()
	}
	return err
}

// announce wakes whoever waits for the whole content. The caller holds mu.
func (s *store) announce() {
	select {
	case <-s.complete:
	default:
		close(s.complete)
	}
}

// verified returns how many bytes passed their hash and whether that is all.
func (s *store) verified() (bytes int64, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, s.count == s.meta.Pieces
}

// has says whether a piece passed its hash.
func (s *store) has(piece int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have[piece]
}

// unknown returns how many pieces wait to be hashed.
func (s *store) unknown() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.known {
		if !known {
			n++
		}
	}
	return n
}

// restore believes a record.
func (s *store) restore(pieces []bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have = slices.Clone(pieces)
	for i, ok := range pieces {
		s.known[i] = true
		if ok {
			s.count++
			s.bytes += s.meta.PieceSize(i)
		}
	}
	if s.count == s.meta.Pieces {
		s.announce()
	}
}

// A piece is the library's view of one piece of a store.
type piece struct {
	s *store
	i int
}

func (p piece) offset() int64 { return int64(p.i) * p.s.meta.PieceLength }

func (p piece) ReadAt(b []byte, off int64) (int, error) { return p.s.readAt(b, p.offset()+off) }

func (p piece) WriteAt(b []byte, off int64) (int, error) { return p.s.writeAt(b, p.offset()+off) }

func (p piece) MarkComplete() error { return p.s.mark(p.i, true) }

func (p piece) MarkNotComplete() error { return p.s.mark(p.i, false) }

func (p piece) Completion() storage.Completion {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return storage.Completion{Ok: p.s.known[p.i], Complete: p.s.have[p.i]}
}
