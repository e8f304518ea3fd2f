package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// Leaves keeps the hashes of blocks of whole pieces that passed, one file a torrent, so that from
// then on a block can be asked for and checked alone. A v1 torrent does not tell these hashes, a
// v2 torrent only their roots, so that they spare a proof. They take 0.2 % of the content. Losing
// them costs traffic and nothing else: whole pieces are asked for again.
type Leaves struct{ root *os.Root }

// OpenLeaves keeps hashes in a folder. Auditors that report under different keys need different
// folders: what an auditor knows must follow from its own reports.
func OpenLeaves(dir string) (*Leaves, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open hashes of blocks: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open hashes of blocks: %w", err)
	}
	return &Leaves{root}, nil
}

// Close frees the folder.
func (l *Leaves) Close() error { return l.root.Close() }

// A shelf has the hashes of one torrent's pieces.
type shelf struct {
	root *os.Root // nil: nothing is kept
	name string
	per  int // blocks of a piece

	mu  sync.Mutex    // guards the fields below and the file
	at  map[int]entry // by piece
	end int64         // of what is whole in the file
}

// An entry says where a piece's hashes are, and from which epoch's report it follows that they are
// known.
type entry struct{ epoch, offset int64 }

const (
	entryHead = 12 // epoch, piece
	entrySum  = 4  // CRC-32 of the rest
)

func (s *shelf) size() int { return entryHead + s.per*sha256.Size + entrySum }

// shelf reads what is known of a torrent. A file that ends in the middle of an entry, as after a
// kill, is good up to there.
func (l *Leaves) shelf(t *metainfo.Torrent) (*shelf, error) {
	s := &shelf{at: map[int]entry{}, per: int(blocksIn(t.PieceLength))}
	if l == nil {
		return s, nil
	}
	s.root, s.name = l.root, t.Infohash.String()+".leaves"
	f, err := s.root.Open(s.name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read hashes of blocks: %w", err)
	}
	defer f.Close() // read only
	for raw := make([]byte, s.size()); ; s.end += int64(len(raw)) {
		_, err := io.ReadFull(f, raw)
		piece, epoch, ok := parseEntry(raw)
		if err == io.EOF || err == io.ErrUnexpectedEOF || err == nil && (!ok || piece >= t.Pieces) {
			return s, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read hashes of blocks: %w", err)
		}
		s.at[piece] = entry{epoch, s.end}
	}
}

func parseEntry(raw []byte) (piece int, epoch int64, ok bool) {
	body, sum := raw[:len(raw)-entrySum], raw[len(raw)-entrySum:]
	epoch = int64(binary.BigEndian.Uint64(raw)) // #nosec G115 -- bits of it
	piece = int(binary.BigEndian.Uint32(raw[8:]))
	return piece, epoch, crc32.ChecksumIEEE(body) == binary.BigEndian.Uint32(sum)
}

// knows says whether a piece's hashes are known from a report before an epoch.
func (s *shelf) knows(piece int, epoch int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.at[piece]
	return ok && e.epoch < epoch
}

// fill puts the known hashes to the blocks that are asked for. A piece whose hashes cannot be read
// is forgotten. Blocks that the peer can prove can do without.
func (s *shelf) fill(t *metainfo.Torrent, asks []Challenge, share Ration) error {
	for i, c := range asks {
		if c.Block == marketplace.WholePiece {
			continue
		}
		if share.alone(t, c.Piece) && !s.knows(c.Piece, math.MaxInt64) {
			continue // the peer will be asked for a proof
		}
		leaf, err := s.leaf(c.Piece, c.Block)
		if err != nil {
			return fmt.Errorf("hashes of piece %d: %w", c.Piece, err)
		}
		asks[i].Leaf = leaf
	}
	return nil
}

func (s *shelf) leaf(piece, block int) (h marketplace.Hash, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if err != nil {
			delete(s.at, piece)
		}
	}()
	e, ok := s.at[piece]
	if !ok {
		return h, errDamaged
	}
	f, err := s.root.Open(s.name)
	if err != nil {
		return h, err
	}
	defer f.Close() // read only
	raw := make([]byte, s.size())
	if _, err := f.ReadAt(raw, e.offset); err != nil {
		return h, err
	}
	if is, _, ok := parseEntry(raw); !ok || is != piece {
		return h, errDamaged
	}
	return marketplace.Hash(raw[entryHead+block*sha256.Size:]), nil
}

var errDamaged = errors.New("damaged on disk")

// learn keeps a piece's hashes, when the report that tells of them was handed in.
func (s *shelf) learn(epoch int64, piece int, leaves []marketplace.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.at[piece]; known || s.root == nil || len(leaves) > s.per {
		return nil
	}
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, s.size()), uint64(epoch)) // #nosec G115 -- bits of it
	raw = binary.BigEndian.AppendUint32(raw, uint32(piece))                        // #nosec G115 -- at most 2^21
	for i := range s.per {
		var leaf marketplace.Hash
		if i < len(leaves) {
			leaf = leaves[i]
		}
		raw = append(raw, leaf[:]...)
	}
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	f, err := s.root.OpenFile(s.name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep hashes of blocks: %w", err)
	}
	_, err = f.WriteAt(raw, s.end)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep hashes of blocks: %w", err)
	}
	s.at[piece] = entry{epoch, s.end}
	s.end += int64(len(raw))
	return nil
}
