package metainfo

import (
	"context"
	"crypto/sha1" // #nosec G505 -- BitTorrent v1 names pieces by SHA-1
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// Build makes a v1 .torrent of a file or of a folder's regular files, in the order of their
// paths. A pieceLength of 0 chooses one. The same content always makes the same infohash.
func Build(ctx context.Context, path string, pieceLength int64, trackers []string) ([]byte, error) {
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
	hashes, err := hashPieces(ctx, path, found, single, pieceLength)
	if err != nil {
		return nil, fmt.Errorf("build torrent: %w", err)
	}
	raw := encode(filepath.Base(path), found, single, pieceLength, hashes, trackers)
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

func hashPieces(ctx context.Context, root string, found []File, single bool, pieceLength int64) (
	hashes []byte, err error,
) {
	piece, room := sha1.New(), pieceLength // #nosec G401 -- as above
	for _, f := range found {
		path := root
		if !single {
			path = filepath.Join(root, filepath.Join(f.Path...))
		}
		err := readFile(path, f.Length, func(part []byte) error {
			for len(part) > 0 {
				n := min(int64(len(part)), room)
				piece.Write(part[:n])
				part = part[n:]
				if room -= n; room == 0 {
					hashes = piece.Sum(hashes)
					piece.Reset()
					room = pieceLength
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	if room < pieceLength {
		hashes = piece.Sum(hashes)
	}
	return hashes, nil
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

// An encoder writes bencoding; keys come in order from the caller.
type encoder struct{ out []byte }

func (e *encoder) raw(s string)  { e.out = append(e.out, s...) }
func (e *encoder) text(s string) { e.raw(strconv.Itoa(len(s)) + ":" + s) }
func (e *encoder) int(n int64)   { e.raw("i" + strconv.FormatInt(n, 10) + "e") }

func encode(name string, found []File, single bool, pieceLength int64, hashes []byte,
	trackers []string,
) []byte {
	var e encoder
	e.raw("d")
	if len(trackers) > 0 {
		e.text("announce")
		e.text(trackers[0])
		e.text("announce-list")
		e.raw("l")
		for _, tracker := range trackers {
			e.raw("l")
			e.text(tracker)
			e.raw("e")
		}
		e.raw("e")
	}
	e.text("info")
	e.raw("d")
	if single {
		e.text("length")
		e.int(found[0].Length)
	} else {
		e.files(found)
	}
	e.text("name")
	e.text(name)
	e.text("piece length")
	e.int(pieceLength)
	e.text("pieces")
	e.text(string(hashes))
	e.raw("ee")
	return e.out
}

func (e *encoder) files(found []File) {
	e.text("files")
	e.raw("l")
	for _, f := range found {
		e.raw("d")
		e.text("length")
		e.int(f.Length)
		e.text("path")
		e.raw("l")
		for _, part := range f.Path {
			e.text(part)
		}
		e.raw("ee")
	}
	e.raw("e")
}
