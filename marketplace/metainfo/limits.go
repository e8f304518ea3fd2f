package metainfo

// Limits bound what Parse accepts. The zero Limits accept nothing.
type Limits struct {
	Bytes  int // of the whole .torrent
	Depth  int // of nested lists and dictionaries
	Tokens int // strings, integers, lists and dictionaries together

	Pieces         int
	PieceLengthMin int64
	PieceLengthMax int64
	SizeMax        int64 // of the content

	Files      int
	DirDepth   int // parts of one path
	EqualNames int // paths that differ only by letter case
	NameBytes  int // of one part of a path
	Trackers   int // the first so many are kept, the rest is ignored
}

// DefaultLimits are those of agents and of the market (proof.md, Limits at the door).
func DefaultLimits() Limits {
	return Limits{
		Bytes: 10_000_000, Depth: 64, Tokens: 2_500_000,
		Pieces: 1 << 18, PieceLengthMin: 16 << 10, PieceLengthMax: 32 << 20,
		SizeMax: 1 << 43,
		Files:   100_000, DirDepth: 100, EqualNames: 500, NameBytes: 255, Trackers: 20,
	}
}

// HardLimits allow eight times the pieces: for tools that a person runs on a torrent of their own.
func HardLimits() Limits {
	l := DefaultLimits()
	l.Bytes, l.Pieces = 64_000_000, 1<<21
	return l
}
