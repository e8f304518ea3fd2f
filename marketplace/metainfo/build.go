package metainfo

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// A Format says which hashes a .torrent carries.
type Format string

// The formats. A hybrid is read by every client; v2 alone only by new ones.
const (
	V1     Format = "v1"
	V2     Format = "v2"
	Hybrid Format = "hybrid"
)

// Build makes a v1 .torrent of a file or of a folder's regular files, in the order of their
// paths. A pieceLength of 0 chooses one. The same content always makes the same infohash.
func Build(ctx context.Context, path string, pieceLength int64, trackers []string) ([]byte, error) {
	return V1.Build(ctx, path, pieceLength, trackers)
}

// Build makes a .torrent of this format, otherwise as the function Build does.
func (f Format) Build(ctx context.Context, path string, pieceLength int64, trackers []string) (
	[]byte, error,
) {
	if f != V1 && f != V2 && f != Hybrid {
		return nil, marketplace.Invalid.Errorf("format %q is none of v1, v2 and hybrid", f)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("build torrent: %w", err)
	}
	found, single, err := collect(path)
	if err != nil {
		return nil, fmt.Errorf("build torrent: %w", err)
	}
	size := int64(0)
	for _, f := range found {
		size += f.Length
	}
	if size == 0 {
		return nil, marketplace.Invalid.Errorf("%s has no content", path)
	}
	if pieceLength == 0 {
		pieceLength = choosePieceLength(size)
	}
	if pieceLength < BlockSize || f != V1 && pieceLength&(pieceLength-1) != 0 {
		return nil, marketplace.Invalid.Errorf("pieces of %d bytes are too small, or no power of two",
			pieceLength)
	}
	b := newBuilder(f, pieceLength)
	if err := b.read(ctx, path, found, single); err != nil {
		return nil, fmt.Errorf("build torrent: %w", err)
	}
	raw := b.encode(filepath.Base(path), single, trackers)
	if _, err := Parse(raw, HardLimits()); err != nil {
		return nil, err
	}
	return raw, nil
}

// choosePieceLength aims at about 1,500 pieces between 16 KiB and 16 MiB.
func choosePieceLength(size int64) int64 {
	length := int64(16 << 10)
	for length < 16<<20 && size/length > 1500 {
		length *= 2
	}
	return length
}

func collect(root string) (found []File, single bool, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		single = rel == "."
		found = append(found, File{Path: strings.Split(filepath.ToSlash(rel), "/"), Length: info.Size()})
		return nil
	})
	return found, single, err
}

// readFile gives a file's bytes to use, and refuses a file that changed its size meanwhile.
func readFile(path string, length int64, use func([]byte) error) error {
	f, err := os.Open(path) // #nosec G304 -- the caller's own file
	if err != nil {
		return err
	}
	defer f.Close() // read only
	buf := make([]byte, 1<<18)
	for {
		n, err := io.ReadFull(f, buf)
		if length -= int64(n); n > 0 {
			if err := use(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if length != 0 {
		return marketplace.Conflict.Errorf("%s changed while it was read", path)
	}
	return nil
}
