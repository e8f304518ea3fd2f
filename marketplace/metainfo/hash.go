package metainfo

import (
	"context"
	"crypto/sha1" // #nosec G505 -- BitTorrent v1 names pieces by SHA-1
	"crypto/sha256"
	"hash"
	"path/filepath"
	"strconv"

	"github.com/everseed/everseed/marketplace"
)

// A builder hashes files one after the other, for v1, for v2 or for both.
type builder struct {
	format      Format
	pieceLength int64

	sha1s []byte // of whole pieces
	piece hash.Hash
	room  int64 // of the piece under way

	files []builtFile
	block []byte             // of the file under way, at most BlockSize
	leaf  []marketplace.Hash // of the piece under way
	roots []marketplace.Hash // of the file's pieces
}

// A builtFile is a file, or padding, with what v2 says of it.
type builtFile struct {
	File
	root  marketplace.Hash
	layer []marketplace.Hash // of a file of more than one piece
}

func newBuilder(f Format, pieceLength int64) *builder {
	return &builder{format: f, pieceLength: pieceLength, room: pieceLength,
		piece: sha1.New()} // #nosec G401 -- as above
}

func (b *builder) read(ctx context.Context, root string, found []File, single bool) error {
	for _, f := range found {
		if f.Length > 0 {
			b.align()
		}
		path := root
		if !single {
			path = filepath.Join(root, filepath.Join(f.Path...))
		}
		err := readFile(path, f.Length, func(part []byte) error {
			b.addV1(part)
			b.addV2(part)
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		b.endFile(f)
	}
	if b.room < b.pieceLength {
		b.sha1s = b.piece.Sum(b.sha1s)
	}
	return nil
}

// align pads a hybrid up to a piece's boundary, where v2 wants every file to begin (BEP 47).
func (b *builder) align() {
	if b.format != Hybrid || b.room == b.pieceLength {
		return
	}
	gap := b.room
	path := []string{".pad", strconv.FormatInt(gap, 10)}
	b.files = append(b.files, builtFile{File: File{Path: path, Length: gap, Pad: true}})
	for zeros := make([]byte, BlockSize); gap > 0; gap -= min(gap, BlockSize) {
		b.addV1(zeros[:min(gap, BlockSize)])
	}
}

func (b *builder) addV1(part []byte) {
	for b.format != V2 && len(part) > 0 {
		n := min(int64(len(part)), b.room)
		b.piece.Write(part[:n])
		part = part[n:]
		if b.room -= n; b.room == 0 {
			b.sha1s = b.piece.Sum(b.sha1s)
			b.piece.Reset()
			b.room = b.pieceLength
		}
	}
}

func (b *builder) addV2(part []byte) {
	for b.format != V1 && len(part) > 0 {
		n := min(len(part), BlockSize-len(b.block))
		b.block = append(b.block, part[:n]...)
		part = part[n:]
		if len(b.block) == BlockSize {
			b.endBlock()
		}
	}
}

func (b *builder) endBlock() {
	b.leaf = append(b.leaf, sha256.Sum256(b.block))
	b.block = b.block[:0]
	if wide := int(b.pieceLength / BlockSize); len(b.leaf) == wide {
		b.roots = append(b.roots, merkle(b.leaf, wide, marketplace.Hash{}))
		b.leaf = b.leaf[:0]
	}
}

func (b *builder) endFile(f File) {
	if len(b.block) > 0 {
		b.endBlock()
	}
	built := builtFile{File: f}
	switch wide := int(b.pieceLength / BlockSize); {
	case len(b.roots) == 0:
		built.root = merkle(b.leaf, width(len(b.leaf)), marketplace.Hash{})
	default:
		if len(b.leaf) > 0 {
			b.roots = append(b.roots, merkle(b.leaf, wide, marketplace.Hash{}))
		}
		built.root = merkle(b.roots, width(len(b.roots)), emptyPiece(b.pieceLength))
		if len(b.roots) > 1 {
			built.layer = b.roots
		}
	}
	b.files = append(b.files, built)
	b.leaf, b.roots = nil, nil
}
