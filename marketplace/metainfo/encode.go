package metainfo

import (
	"bytes"
	"maps"
	"slices"
	"strconv"

	"github.com/everseed/everseed/marketplace"
)

// An encoder writes bencoding; keys come in order from the caller.
type encoder struct{ out []byte }

func (e *encoder) raw(s string)  { e.out = append(e.out, s...) }
func (e *encoder) text(s string) { e.raw(strconv.Itoa(len(s)) + ":" + s) }
func (e *encoder) int(n int64)   { e.raw("i" + strconv.FormatInt(n, 10) + "e") }

// encode writes the .torrent of what was hashed.
func (b *builder) encode(name string, single bool, trackers []string) []byte {
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
	e.info(b, name, single)
	if b.format != V1 {
		e.layers(b.files)
	}
	e.raw("e")
	return e.out
}

func (e *encoder) info(b *builder, name string, single bool) {
	e.raw("d")
	if b.format != V1 {
		e.text("file tree")
		root := branch{below: map[string]*branch{}}
		for _, f := range b.files {
			path := f.Path
			if single {
				path = []string{name}
			}
			if !f.Pad {
				root.grow(path, f)
			}
		}
		e.tree(&root)
	}
	switch {
	case b.format == V2:
	case single:
		e.text("length")
		e.int(b.files[0].Length)
	default:
		e.files(b.files)
	}
	if b.format != V1 {
		e.text("meta version")
		e.int(2)
	}
	e.text("name")
	e.text(name)
	e.text("piece length")
	e.int(b.pieceLength)
	if b.format != V2 {
		e.text("pieces")
		e.text(string(b.sha1s))
	}
	e.raw("e")
}

func (e *encoder) files(found []builtFile) {
	e.text("files")
	e.raw("l")
	for _, f := range found {
		e.raw("d")
		if f.Pad {
			e.text("attr")
			e.text("p")
		}
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

// A branch is a folder of a v2 tree, or a file.
type branch struct {
	below map[string]*branch
	file  builtFile
}

func (b *branch) grow(path []string, f builtFile) {
	next := b.below[path[0]]
	if next == nil {
		next = &branch{below: map[string]*branch{}}
		b.below[path[0]] = next
	}
	if len(path) == 1 {
		next.file = f
		return
	}
	next.grow(path[1:], f)
}

func (e *encoder) tree(b *branch) {
	e.raw("d")
	for _, name := range slices.Sorted(maps.Keys(b.below)) {
		e.text(name)
		next := b.below[name]
		if len(next.below) > 0 {
			e.tree(next)
			continue
		}
		e.raw("d0:d")
		e.text("length")
		e.int(next.file.Length)
		if next.file.Length > 0 {
			e.text("pieces root")
			e.text(string(next.file.root[:]))
		}
		e.raw("ee")
	}
	e.raw("e")
}

// layers writes the piece hashes of files of more than one piece, by the files' roots.
func (e *encoder) layers(found []builtFile) {
	var large []builtFile
	for _, f := range found {
		if len(f.layer) > 0 {
			large = append(large, f)
		}
	}
	byRoot := func(a, b builtFile) int { return bytes.Compare(a.root[:], b.root[:]) }
	slices.SortFunc(large, byRoot)
	large = slices.CompactFunc(large, func(a, b builtFile) bool { return byRoot(a, b) == 0 })
	e.text("piece layers")
	e.raw("d")
	for _, f := range large {
		e.text(string(f.root[:]))
		e.text(string(join(f.layer)))
	}
	e.raw("e")
}

func join(hashes []marketplace.Hash) (all []byte) {
	for _, h := range hashes {
		all = append(all, h[:]...)
	}
	return all
}
