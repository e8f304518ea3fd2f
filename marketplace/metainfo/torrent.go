package metainfo

import (
	"crypto/sha1" // #nosec G505 -- BitTorrent v1 names pieces by SHA-1
	"crypto/sha256"
	"net/url"
	"slices"
	"sort"

	"github.com/everseed/everseed/marketplace"
)

// A Torrent is what a .torrent says, checked. It refers to the bytes it was parsed from.
type Torrent struct {
	Infohash    marketplace.Infohash
	Name        string
	PieceLength int64
	Pieces      int
	Size        int64 // bytes of all files, padding included
	Files       []File
	Private     bool // BEP 27: peers come from its trackers only
	V1          bool // pieces have SHA-1s
	V2          bool // files have Merkle trees; with V1 it is a hybrid
	Trackers    []string
	// Info is the info dictionary as it stands. Its SHA-1 is Infohash; of a torrent that is v2 only,
	// the first 20 bytes of its SHA-256 are.
	Info []byte

	hashes []byte
	trees  []sumTree // of files with content, in order; none if only v1 hashes are known
}

// A File is one file of a torrent.
type File struct {
	Path   []string // begins with the torrent's name; safe to join and open below a folder
	Length int64
	Offset int64 // in the torrent
	Pad    bool  // BEP 47: zeros that align the next file; never stored
}

// PieceHash returns the SHA-1 of piece i of a torrent with V1.
func (t *Torrent) PieceHash(i int) [20]byte { return [20]byte(t.hashes[i*20:]) }

// PieceSize returns the bytes of piece i, padding included; only the last may be shorter than
// PieceLength.
func (t *Torrent) PieceSize(i int) int64 {
	return min(t.PieceLength, t.Size-int64(i)*t.PieceLength)
}

// Stored returns the bytes that a replica takes on disk: Size without padding.
func (t *Torrent) Stored() int64 {
	size := t.Size
	for _, f := range t.Files {
		if f.Pad {
			size -= f.Length
		}
	}
	return size
}

// Padding says whether the torrent's byte at an offset is padding, and until where the same holds,
// looking no further than limit.
func (t *Torrent) Padding(at, limit int64) (pad bool, until int64) {
	i := sort.Search(len(t.Files), func(i int) bool {
		return t.Files[i].Offset+t.Files[i].Length > at
	})
	if i == len(t.Files) {
		return false, limit
	}
	pad, until = t.Files[i].Pad, at
	for ; i < len(t.Files) && until < limit; i++ {
		if f := t.Files[i]; f.Pad == pad || f.Length == 0 {
			until = f.Offset + f.Length
			continue
		}
		break
	}
	return pad, min(until, limit)
}

// Parse reads a .torrent: v1, v2 or hybrid. Every error is marketplace.Invalid and says what is wrong.
func Parse(raw []byte, limits Limits) (Torrent, error) {
	if err := scan(raw, limits); err != nil {
		return Torrent{}, err
	}
	root := value(raw).fields("announce", "announce-list", "info", "piece layers")
	info := root[2]
	if !info.isDict() {
		return Torrent{}, refuse("has no info dictionary; is this a .torrent file?")
	}
	p := parser{limits: limits, layers: root[3]}
	p.t.Info = info
	p.t.Trackers = trackers(root[0], root[1], limits.Trackers)
	for _, step := range []func(value) error{p.head, p.files, p.second, p.sums} {
		if err := step(info); err != nil {
			return Torrent{}, err
		}
	}
	return p.t, nil
}

type parser struct {
	limits Limits
	layers value // v2 piece hashes; they stand outside the info dictionary
	t      Torrent
}

// head reads the version, the name, the piece length and the hashes.
func (p *parser) head(info value) error {
	f := info.fields("meta version", "name", "name.utf-8", "piece length", "pieces", "private")
	version, _ := f[0].integer()
	if version > 2 {
		return refuse("is of version %d; known are 1 and 2", version)
	}
	p.t.V2 = version == 2
	if err := p.sha1s(f[4]); err != nil {
		return err
	}
	if p.t.Infohash = sha1.Sum(info); !p.t.V1 { // #nosec G401 -- as above
		whole := sha256.Sum256(info)
		copy(p.t.Infohash[:], whole[:])
	}
	p.t.PieceLength, _ = f[3].integer()
	if p.t.PieceLength < p.limits.PieceLengthMin || p.t.PieceLength > p.limits.PieceLengthMax {
		return refuse("has pieces of %d bytes; %d to %d will do", p.t.PieceLength,
			p.limits.PieceLengthMin, p.limits.PieceLengthMax)
	}
	if p.t.V2 && p.t.PieceLength&(p.t.PieceLength-1) != 0 {
		return refuse("is v2 with pieces of %d bytes, which is no power of two", p.t.PieceLength)
	}
	private, _ := f[5].integer()
	p.t.Private = private == 1
	name, ok := f[2].text()
	if !ok || len(name) == 0 {
		name, ok = f[1].text()
	}
	if !ok {
		return refuse("has no name")
	}
	var err error
	p.t.Name, err = p.part(name)
	return err
}

// sha1s reads the v1 piece hashes, which a v2 torrent need not have.
func (p *parser) sha1s(v value) error {
	pieces, isV1 := v.text()
	switch {
	case !isV1 && p.t.V2:
		return nil
	case !isV1:
		return refuse("has no piece hashes")
	case len(pieces) == 0 || len(pieces)%20 != 0:
		return refuse("has %d bytes of piece hashes, which is no multiple of 20", len(pieces))
	case len(pieces)/20 > p.limits.Pieces:
		return refuse("has %d pieces; at most %d", len(pieces)/20, p.limits.Pieces)
	}
	p.t.hashes, p.t.Pieces, p.t.V1 = pieces, len(pieces)/20, true
	return nil
}

// sums checks that the pieces cover the files exactly, and that there is something in them.
func (p *parser) sums(value) error {
	if p.t.Stored() == 0 {
		return refuse("has no content")
	}
	if want := (p.t.Size-1)/p.t.PieceLength + 1; int64(p.t.Pieces) != want {
		return refuse("has %d pieces, but %d bytes in pieces of %d make %d", p.t.Pieces, p.t.Size,
			p.t.PieceLength, want)
	}
	return nil
}

// trackers returns the addresses in order, each once, with schemes that an agent speaks. A
// torrent with more is as good a torrent: the rest is left out.
func trackers(announce, tiers value, most int) []string {
	var all []string
	add := func(v value) {
		text, ok := v.text()
		if !ok || len(all) >= most || len(text) > 2048 {
			return
		}
		u, err := url.Parse(string(text))
		if err != nil || u.Host == "" || slices.Contains(all, string(text)) {
			return
		}
		if slices.Contains([]string{"http", "https", "udp", "wss"}, u.Scheme) {
			all = append(all, string(text))
		}
	}
	for tier := range tiers.items() {
		for tracker := range tier.items() {
			add(tracker)
		}
	}
	add(announce)
	return all
}
