package metainfo

import (
	"crypto/sha1" // #nosec G505 -- BitTorrent v1 names pieces by SHA-1
	"net/url"
	"slices"

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
	Hybrid      bool // also a v2 torrent
	Trackers    []string
	Info        []byte // the info dictionary as it stands; its SHA-1 is Infohash

	hashes []byte
}

// A File is one file of a torrent.
type File struct {
	Path   []string // begins with the torrent's name; safe to join and open below a folder
	Length int64
	Offset int64 // in the torrent
	Pad    bool  // BEP 47: zeros that align the next file; never stored
}

// PieceHash returns the SHA-1 of piece i.
func (t *Torrent) PieceHash(i int) [20]byte { return [20]byte(t.hashes[i*20:]) }

// PieceSize returns the bytes of piece i; only the last may be shorter than PieceLength.
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

// Parse reads a .torrent, v1 or hybrid. Every error is marketplace.Invalid and says what is wrong.
func Parse(raw []byte, limits Limits) (Torrent, error) {
	if err := scan(raw, limits); err != nil {
		return Torrent{}, err
	}
	root := value(raw).fields("announce", "announce-list", "info")
	info := root[2]
	if !info.isDict() {
		return Torrent{}, refuse("has no info dictionary; is this a .torrent file?")
	}
	p := parser{limits: limits}
	p.t.Info = info
	p.t.Infohash = sha1.Sum(info) // #nosec G401 -- as above
	p.t.Trackers = trackers(root[0], root[1], limits.Trackers)
	for _, step := range []func(value) error{p.head, p.files, p.sums, p.second} {
		if err := step(info); err != nil {
			return Torrent{}, err
		}
	}
	return p.t, nil
}

type parser struct {
	limits Limits
	t      Torrent
}

// head reads the name, the piece length and the hashes.
func (p *parser) head(info value) error {
	f := info.fields("meta version", "name", "name.utf-8", "piece length", "pieces", "private")
	version, _ := f[0].integer()
	pieces, isV1 := f[4].text()
	switch {
	case version > 2:
		return refuse("is of version %d; known are 1 and 2", version)
	case !isV1 && version == 2:
		return refuse("is v2 only, which is not supported yet; use a hybrid or v1 torrent")
	case !isV1:
		return refuse("has no piece hashes")
	case len(pieces) == 0 || len(pieces)%20 != 0:
		return refuse("has %d bytes of piece hashes, which is no multiple of 20", len(pieces))
	case len(pieces)/20 > p.limits.Pieces:
		return refuse("has %d pieces; at most %d", len(pieces)/20, p.limits.Pieces)
	}
	p.t.hashes, p.t.Pieces, p.t.Hybrid = pieces, len(pieces)/20, version == 2
	p.t.PieceLength, _ = f[3].integer()
	if p.t.PieceLength < p.limits.PieceLengthMin || p.t.PieceLength > p.limits.PieceLengthMax {
		return refuse("has pieces of %d bytes; %d to %d will do", p.t.PieceLength,
			p.limits.PieceLengthMin, p.limits.PieceLengthMax)
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

// sums checks that the pieces cover the files exactly.
func (p *parser) sums(value) error {
	if p.t.Size == 0 {
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
