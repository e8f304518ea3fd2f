package metainfo

import (
	"crypto/sha256"
	"slices"
	"strconv"

	"github.com/everseed/everseed/marketplace"
)

// A leafFile is a file as a v2 tree names it.
type leafFile struct {
	path   []string // without the torrent's name, unless the file is the torrent
	length int64
	root   []byte // of its Merkle tree; none if it is empty
}

// pieces returns how many pieces the file has: in v2 every file begins a new one.
func (f leafFile) pieces(pieceLength int64) int {
	return int((f.length + pieceLength - 1) / pieceLength)
}

// tree reads the v2 list of files. Its depth is bounded by scan's.
func (p *parser) tree(info value) (all []leafFile, err error) {
	tree := info.fields("file tree")[0]
	if !tree.isDict() {
		return nil, refuse("is of version 2 without a file tree")
	}
	err = p.walk(tree, nil, func(f leafFile) error {
		if len(all) >= p.limits.Files {
			return refuse("has more than %d files", p.limits.Files)
		}
		all = append(all, f)
		return nil
	})
	return all, err
}

// walk visits the files of a v2 tree in order.
func (p *parser) walk(tree value, path []string, visit func(leafFile) error) error {
	keys := 0
	isFile := false
	for key, below := range tree.entries() {
		keys++
		if len(key) == 0 {
			isFile = true
			f := below.fields("length", "pieces root")
			length, ok := f[0].integer()
			if !ok || length < 0 || length > p.limits.SizeMax || len(path) == 0 {
				return refuse("has a v2 file without a sensible length or a name")
			}
			root, _ := f[1].text()
			if err := visit(leafFile{path, length, root}); err != nil {
				return err
			}
			continue
		}
		name, err := p.part(key)
		if err != nil {
			return err
		}
		if !below.isDict() || len(path) > p.limits.DirDepth {
			return refuse("has a v2 tree that is none at %q", name)
		}
		if err := p.walk(below, append(slices.Clone(path), name), visit); err != nil {
			return err
		}
	}
	if isFile && keys > 1 {
		return refuse("has a file %q and files below it", path)
	}
	return nil
}

// second reads the v2 half of a torrent: all there is of the files of a v2 torrent, and what must
// agree with the v1 half of a hybrid.
func (p *parser) second(info value) error {
	if !p.t.V2 {
		return nil
	}
	leaves, err := p.tree(info)
	if err != nil {
		return err
	}
	if p.t.V1 {
		err = p.agree(leaves, info.fields("files")[0] != nil)
	} else {
		err = p.layOut(leaves)
	}
	if err != nil {
		return err
	}
	return p.sumTrees(leaves)
}

// layOut places the files of a v2 torrent in one row, as v1 knows it: between two files is padding
// up to a piece's boundary, which is never stored nor asked for.
func (p *parser) layOut(leaves []leafFile) error {
	single := len(leaves) == 1 && slices.Equal(leaves[0].path, []string{p.t.Name})
	for _, f := range leaves {
		if gap := -p.t.Size % p.t.PieceLength; gap != 0 && f.length > 0 {
			gap += p.t.PieceLength
			name := []string{p.t.Name, ".pad", strconv.FormatInt(gap, 10)}
			if err := p.add(File{Path: name, Length: gap, Pad: true}); err != nil {
				return err
			}
		}
		path := f.path
		if !single {
			path = append([]string{p.t.Name}, path...)
		}
		if err := p.add(File{Path: path, Length: f.length}); err != nil {
			return err
		}
	}
	pieces := (p.t.Size + p.t.PieceLength - 1) / p.t.PieceLength
	if pieces > int64(p.limits.Pieces) {
		return refuse("has %d pieces; at most %d", pieces, p.limits.Pieces)
	}
	p.t.Pieces = int(pieces)
	return clashes(p.t.Files, p.limits.EqualNames)
}

// agree checks that both halves of a hybrid name the same files in the same places, or two clients
// would hold different content under one name.
func (p *parser) agree(leaves []leafFile, folder bool) error {
	rest, pieces := p.t.Files, 0
	for _, f := range leaves {
		path := f.path
		if folder {
			path = append([]string{p.t.Name}, path...)
		}
		for len(rest) > 0 && rest[0].Pad {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0].Length != f.length || !slices.Equal(rest[0].Path, path) {
			return refuse("is a hybrid whose halves disagree about %q", path)
		}
		if f.length > 0 && rest[0].Offset%p.t.PieceLength != 0 {
			return refuse("is a hybrid with %q off a piece's boundary", path)
		}
		rest = rest[1:]
		pieces += f.pieces(p.t.PieceLength)
	}
	if pieces != p.t.Pieces {
		return refuse("is a hybrid of %d pieces in one half and %d in the other", p.t.Pieces, pieces)
	}
	for _, f := range rest {
		if !f.Pad {
			return refuse("is a hybrid whose halves disagree about %q", f.Path)
		}
	}
	return nil
}

// sumTrees keeps the Merkle root of every piece. They must hang together with the files' roots. A
// hybrid that lacks them, or whose roots do not fit, is checked by its v1 hashes alone.
func (p *parser) sumTrees(leaves []leafFile) error {
	layers := map[string][]byte{}
	for root, layer := range p.layers.entries() {
		if hashes, ok := layer.text(); ok {
			layers[string(root)] = hashes
		}
	}
	piece := 0
	for _, f := range leaves {
		if f.length == 0 && len(f.root) == 0 {
			continue
		}
		s := sumTree{piece: piece, pieces: f.pieces(p.t.PieceLength), root: f.root, hashes: f.root}
		piece += s.pieces
		fits := len(f.root) == sha256.Size && f.length > 0
		if s.pieces > 1 {
			s.hashes = layers[string(f.root)]
			fits = fits && len(s.hashes) == s.pieces*sha256.Size && p.fits(s)
		}
		switch {
		case fits:
			p.t.trees = append(p.t.trees, s)
		case p.t.V1:
			p.t.trees = nil
			return nil
		default:
			return refuse("has no piece hashes that fit the file %q", f.path)
		}
	}
	return nil
}

// fits says whether a file's piece hashes make its root.
func (p *parser) fits(s sumTree) bool {
	nodes := make([]marketplace.Hash, s.pieces)
	for i := range nodes {
		nodes[i] = marketplace.Hash(s.hashes[i*sha256.Size:])
	}
	root := merkle(nodes, width(s.pieces), emptyPiece(p.t.PieceLength))
	return string(root[:]) == string(s.root)
}

// emptyPiece is the root of a piece behind a file's end.
func emptyPiece(pieceLength int64) marketplace.Hash {
	return merkle(nil, width(int((pieceLength+BlockSize-1)/BlockSize)), marketplace.Hash{})
}

// PieceLayers returns the piece hashes of files of more than one piece by the files' roots, as
// BEP 52 has them. They are outside the info dictionary.
func (t *Torrent) PieceLayers() map[string]string {
	layers := map[string]string{}
	for _, s := range t.trees {
		if s.pieces > 1 {
			layers[string(s.root)] = string(s.hashes)
		}
	}
	return layers
}
