package audit

import (
	"context"
	"crypto/sha1" // #nosec G505 -- BitTorrent v1 names pieces by SHA-1
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Content is a copy of a torrent's content, by which every answer can be checked: also those whose
// hash a v1 torrent does not tell. A copy that is damaged checks nothing where it is.
type Content struct {
	torrent *metainfo.Torrent
	root    *os.Root
	path    func(f metainfo.File) string
	leaves  map[int][]marketplace.Hash // of pieces that were read and are right
}

// OpenContent reads a copy at a path: the file of a torrent of one, else its folder or the folder around
// that.
func OpenContent(t *metainfo.Torrent, path string) (*Content, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, marketplace.Invalid.Errorf("content: %v", err)
	}
	c := &Content{torrent: t, leaves: map[int][]marketplace.Hash{}}
	folder := path
	switch {
	case !info.IsDir() && len(t.Files) > 1:
		return nil, marketplace.Invalid.Errorf("content: %s is a file, and the torrent has %d", path,
			len(t.Files))
	case !info.IsDir():
		folder = filepath.Dir(path)
		c.path = func(metainfo.File) string { return filepath.Base(path) }
	default:
		_, err := os.Stat(filepath.Join(path, t.Name))
		around := err == nil || len(t.Files) == 1 && len(t.Files[0].Path) == 1
		c.path = func(f metainfo.File) string {
			if around {
				return filepath.Join(f.Path...)
			}
			return filepath.Join(f.Path[1:]...)
		}
	}
	if c.root, err = os.OpenRoot(folder); err != nil {
		return nil, fmt.Errorf("open content: %w", err)
	}
	return c, nil
}

// Close frees the folder.
func (c *Content) Close() error { return c.root.Close() }

// Hash returns what a right answer for a block, or for a whole piece, has as its hash.
func (c *Content) Hash(piece, block int) (h marketplace.Hash, err error) {
	leaves, read := c.leaves[piece]
	if !read {
		if leaves, err = c.read(piece); err != nil {
			return h, err
		}
		c.leaves[piece] = leaves
	}
	if block == marketplace.WholePiece {
		return c.torrent.Root(piece, trimmed(leaves)), nil
	}
	if block < 0 || block >= len(leaves) {
		return h, marketplace.Invalid.Errorf("piece %d has no block %d", piece, block)
	}
	return leaves[block], nil
}

// Root returns the root that agents which hold a v1 torrent commit to (marketplace.Lease.Root). It reads the
// whole copy.
func (c *Content) Root(ctx context.Context) (root marketplace.Hash, err error) {
	var pieces []byte
	for piece := range c.torrent.Pieces {
		if err := ctx.Err(); err != nil {
			return root, err
		}
		leaves, err := c.read(piece)
		if err != nil {
			return root, err
		}
		of := c.torrent.Root(piece, trimmed(leaves))
		pieces = append(pieces, of[:]...)
	}
	root, _, ok := c.torrent.Sum(pieces)
	if !ok {
		return root, marketplace.Invalid.Errorf("torrent %s tells its roots itself", c.torrent.Infohash)
	}
	return root, nil
}

// trimmed leaves out the hashes of padding at a piece's end.
func trimmed(leaves []marketplace.Hash) []marketplace.Hash {
	for len(leaves) > 0 && leaves[len(leaves)-1].IsZero() {
		leaves = leaves[:len(leaves)-1]
	}
	return leaves
}

// read returns the hashes of a piece's blocks, if the piece is what the .torrent says.
func (c *Content) read(piece int) ([]marketplace.Hash, error) {
	t := c.torrent
	whole := make([]byte, t.PieceSize(piece))
	begin := int64(piece) * t.PieceLength
	end := begin + int64(len(whole))
	for _, f := range t.Files {
		from, to := max(begin, f.Offset), min(end, f.Offset+f.Length)
		if f.Pad || from >= to {
			continue
		}
		if err := c.readAt(f, whole[from-begin:to-begin], from-f.Offset); err != nil {
			return nil, fmt.Errorf("read piece %d: %w", piece, err)
		}
	}
	leaves := make([]marketplace.Hash, blocksIn(int64(len(whole))))
	for i := range leaves {
		at := i * metainfo.BlockSize
		leaves[i] = t.Leaf(begin+int64(at), whole[at:min(len(whole), at+metainfo.BlockSize)])
	}
	root, isV2 := t.PieceRoot(piece)
	if t.V1 && sha1.Sum(whole) != t.PieceHash(piece) || // #nosec G401 -- as above
		isV2 && t.Root(piece, trimmed(leaves)) != root {
		return nil, marketplace.Invalid.Errorf("piece %d of your copy is not what the .torrent says", piece)
	}
	return leaves, nil
}

func (c *Content) readAt(f metainfo.File, into []byte, at int64) error {
	file, err := c.root.Open(c.path(f))
	if err != nil {
		return err
	}
	_, err = file.ReadAt(into, at)
	return errors.Join(err, file.Close())
}
