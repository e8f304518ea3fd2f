package metainfo

import "slices"

// second checks the v2 half of a hybrid torrent: its tree must name the same files in the same
// places as the v1 list, or two clients would hold different content under one name.
func (p *parser) second(info value) error {
	if !p.t.Hybrid {
		return nil
	}
	tree := info.fields("file tree")[0]
	if !tree.isDict() {
		return refuse("is of version 2 without a file tree")
	}
	rest, pieces := p.t.Files, int64(0)
	var top []string
	if info.fields("files")[0] != nil {
		top = []string{p.t.Name}
	}
	err := p.walk(tree, top, func(path []string, length int64) error {
		for len(rest) > 0 && rest[0].Pad {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0].Length != length || !slices.Equal(rest[0].Path, path) {
			return refuse("is a hybrid whose halves disagree about %q", path)
		}
		if length > 0 && rest[0].Offset%p.t.PieceLength != 0 {
			return refuse("is a hybrid with %q off a piece's boundary", path)
		}
		rest = rest[1:]
		pieces += (length + p.t.PieceLength - 1) / p.t.PieceLength
		return nil
	})
	if err != nil {
		return err
	}
	if pieces != int64(p.t.Pieces) {
		return refuse("is a hybrid of %d pieces in one half and %d in the other", p.t.Pieces, pieces)
	}
	for _, f := range rest {
		if !f.Pad {
			return refuse("is a hybrid whose halves disagree about %q", f.Path)
		}
	}
	return nil
}

// walk visits the files of a v2 tree in order. Its depth is bounded by scan's.
func (p *parser) walk(tree value, path []string, visit func([]string, int64) error) error {
	for key, below := range tree.entries() {
		if len(key) == 0 {
			length, ok := below.fields("length")[0].integer()
			if !ok || len(path) == 0 {
				return refuse("has a v2 file without a length or a name")
			}
			if err := visit(path, length); err != nil {
				return err
			}
			continue
		}
		name, err := p.part(key)
		if err != nil {
			return err
		}
		if !below.isDict() {
			return refuse("has a v2 tree that is none at %q", name)
		}
		if err := p.walk(below, append(slices.Clone(path), name), visit); err != nil {
			return err
		}
	}
	return nil
}
