package audit

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

func torrentOf(size, pieceLength int64, files ...metainfo.File) *metainfo.Torrent {
	return &metainfo.Torrent{PieceLength: pieceLength, Size: size, V1: true, Files: files,
		Pieces: int((size + pieceLength - 1) / pieceLength)}
}

// eight is what is asked for where nothing is scarce, of a peer that proves nothing.
var eight = Ration{Blocks: 8 * lots, Pieces: lots / 12}

func all(int) bool  { return true }
func none(int) bool { return false }

func TestSeedsLeasesAndAuditorsGetChallengesOfTheirOwn(t *testing.T) {
	t.Parallel()
	who, meta := auditors(2), torrentOf(1<<33, 1<<20)
	draw := func(seed byte, lease int64, who marketplace.Address) []Challenge {
		return Challenges(eight, visitSeed(marketplace.Hash{seed}, lease, who), meta, all)
	}
	base := draw(1, 1, who[0])
	for name, other := range map[string][]Challenge{
		"seed": draw(2, 1, who[0]), "lease": draw(1, 2, who[0]), "auditor": draw(1, 1, who[1]),
	} {
		if slices.Equal(base, other) {
			t.Errorf("another %s draws the same", name)
		}
	}
	if !slices.Equal(base, draw(1, 1, who[0])) {
		t.Error("a second try draws something else")
	}
}

func TestChallengesAreDistinctInRangeAndNotTooMuch(t *testing.T) {
	t.Parallel()
	who := auditors(1)[0]
	for _, tc := range []struct {
		size, pieceLength int64
		known             func(int) bool
		least, most       int
	}{
		{1, 16384, all, 1, 1},
		{5 * 16384, 16384, all, 4, 5},
		{100 << 20, 1 << 20, all, 7, 9},
		{100 << 20, 1 << 20, none, 5, 9},
		{100 << 20, 4 << 20, none, 2, 4},
		{10 << 30, 32 << 20, none, 1, 1},
		{10 << 30, 32 << 20, all, 8, 9}, // a whole piece leaves room for blocks beside it
		{1_000_000, 100_000, all, 8, 9}, // none of the eight is of the piece that is asked for whole
	} {
		meta := torrentOf(tc.size, tc.pieceLength)
		for lease := range int64(100) {
			got := Challenges(eight, visitSeed(marketplace.Hash{3}, lease, who), meta, tc.known)
			seen, bytes, wholes := map[[2]int]bool{}, int64(0), 0
			for _, c := range got {
				begin := int64(c.Piece)*tc.pieceLength + int64(max(0, c.Block))*16384
				if seen[[2]int{c.Piece, c.Block}] || c.Piece < 0 || begin >= tc.size ||
					int64(c.Block)*16384 >= tc.pieceLength {
					t.Fatalf("%+v: drew %v", tc, got)
				}
				seen[[2]int{c.Piece, c.Block}] = true
				if c.Block == marketplace.WholePiece {
					wholes++
					bytes += meta.PieceSize(c.Piece)
				}
			}
			if len(got) < tc.least || len(got) > tc.most || wholes > 1 && bytes > marketplace.AskedMax {
				t.Fatalf("%+v: drew %d bytes of whole pieces in %v", tc, bytes, got)
			}
		}
	}
}

func TestBlocksOfAV2TorrentAreAskedForAloneFromTheFirstDay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(path, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for format, block := range map[metainfo.Format]bool{
		metainfo.V1: false, metainfo.V2: true, metainfo.Hybrid: true,
	} {
		raw, err := format.Build(t.Context(), path, 64<<10, nil)
		if err != nil {
			t.Fatal(err)
		}
		meta, err := metainfo.Parse(raw, metainfo.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		asks := Challenges(Ration{Blocks: 8 * lots}, marketplace.Hash{5}, &meta, none)
		if len(asks) == 0 {
			t.Errorf("%s: asks for nothing", format)
		}
		for _, c := range asks {
			if c.Block == marketplace.WholePiece == block {
				t.Errorf("%s: asks for block %d of piece %d", format, c.Block, c.Piece)
			}
		}
	}
}

func TestPaddingIsNeverAskedFor(t *testing.T) {
	t.Parallel()
	meta := torrentOf(40<<20, 1<<20, metainfo.File{Length: 20_000},
		metainfo.File{Offset: 20_000, Length: 40<<20 - 20_000 - 1, Pad: true},
		metainfo.File{Offset: 40<<20 - 1, Length: 1})
	for lease := range int64(200) {
		got := Challenges(eight, visitSeed(marketplace.Hash{4}, lease, auditors(1)[0]), meta, all)
		for _, c := range got {
			if c.Block != marketplace.WholePiece && c.Piece != 39 && (c.Piece != 0 || c.Block > 1) {
				t.Fatalf("asks for padding: %v", got)
			}
		}
	}
}

// TestMissingDataIsFoundAsOftenAsReckoned holds the draws of simulated days against
// 1 − (1−f)^n, for blocks that are missing here and there.
func TestMissingDataIsFoundAsOftenAsReckoned(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		days  int64
		known func(int) bool
	}{"blocks": {10_000, all}, "pieces": {2_000, none}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shares, found, asked := []int{100, 500, 1000}, [3]float64{}, 0
			for day := range tc.days {
				n, lowest := oneDay(day, tc.known)
				asked += n
				for i, share := range shares {
					if lowest < share {
						found[i]++
					}
				}
			}
			days, n := float64(tc.days), float64(asked)/float64(tc.days)
			for i, share := range shares {
				want, got := 1-math.Pow(1-float64(share)/10_000, n), found[i]/days
				sigma := math.Sqrt(want * (1 - want) / days)
				t.Logf("%d %% missing is found in %.4f of %.0f days, reckoned %.5f by %.1f a day", share/100,
					got, days, want, n)
				if math.Abs(got-want) > 4*sigma+0.001 || share == 1000 && got < 0.999 {
					t.Errorf("%d %% missing is found in %.4f of all days", share/100, got)
				}
			}
		})
	}
}

// oneDay asks for what a day's audits of a lease ask for, and returns the lowest number of what was
// asked for, of 10,000: who misses f of the content misses the numbers below 10,000·f.
func oneDay(day int64, known func(int) bool) (asked, lowest int) {
	meta, lowest := torrentOf(10_000<<20, 1<<20), 10_000
	for epoch := range int64(4) {
		seed := marketplace.AuditEpoch{Epoch: day*4 + epoch, Secret: marketplace.Hash{1}}.Seed()
		for _, who := range auditors(3) {
			for _, c := range Challenges(Ration{Blocks: 8 * lots}, visitSeed(seed, 1, who), meta, known) {
				asked++
				i := c.Piece
				if c.Block != marketplace.WholePiece {
					i = (c.Piece*64 + c.Block) % 10_000
				}
				lowest = min(lowest, i)
			}
		}
	}
	return asked, lowest
}

func TestAWholePieceIsAskedForAboutOnceADay(t *testing.T) {
	t.Parallel()
	meta, wholes := torrentOf(10<<30, 1<<20), 0
	share := RationOf(marketplace.DefaultRules(), meta, marketplace.Lease{Root: marketplace.Hash{1}}, true)
	const days = 1000
	for epoch := range int64(4 * days) {
		seed := marketplace.AuditEpoch{Epoch: epoch}.Seed()
		for _, who := range auditors(3) {
			for _, c := range Challenges(share, visitSeed(seed, 1, who), meta, none) {
				if c.Block == marketplace.WholePiece {
					wholes++
				}
			}
		}
	}
	if wholes < 0.88*days || wholes > 1.12*days {
		t.Errorf("%d whole pieces in %d days", wholes, days)
	}
}

func TestAHearingAsksForThePiecesInQuestionAsAWhole(t *testing.T) {
	t.Parallel()
	meta := &metainfo.Torrent{V1: true, Pieces: 64, PieceLength: 1 << 18, Size: 64 << 18}
	asks := []Challenge{{Piece: 5, Block: 2}, {Piece: 9, Block: 0}, {Piece: 7, Block: marketplace.WholePiece}}
	l := marketplace.Lease{ID: 1}
	if got := Again(Ration{}, l, meta, asks); !slices.Equal(got, asks) {
		t.Errorf("without an accusation %v are asked", got)
	}
	l.Accused = &marketplace.Accusation{Pieces: []int{9, 7, 64, -1, 9}}
	want := []Challenge{{Piece: 9, Block: marketplace.WholePiece}, {Piece: 7, Block: marketplace.WholePiece},
		{Piece: 5, Block: 2}}
	if got := Again(Ration{}, l, meta, asks); !slices.Equal(got, want) {
		t.Errorf("asked are %v, want %v", got, want)
	}
	l.Accused.Refuted = 3
	if got := Again(Ration{}, l, meta, asks); !slices.Equal(got, asks) {
		t.Errorf("after the hearing %v are asked", got)
	}
}

func TestInAQuietWindowAllReplicasAreAskedForTheSamePiecesAndBlocksComeFirst(t *testing.T) {
	t.Parallel()
	meta, firsts := torrentOf(4<<30, 1<<20), map[int]bool{}
	share := ration(marketplace.DefaultRules(), meta.Size, meta.PieceLength, ByRoot)
	for n := range byte(20) {
		seed, all, leases := marketplace.Hash{n}, map[int]bool{}, [5]map[int]int{}
		for lease := range leases {
			asks := Challenges(share, visitSeed(seed, int64(lease), auditors(3)[lease%3]), meta, none)
			got, asked := Burst(share, seed, meta, asks), map[int]int{}
			blocks := slices.DeleteFunc(slices.Clone(got), isWhole)
			if !slices.Equal(got[:len(blocks)], blocks) {
				t.Fatalf("blocks and pieces are mixed: %v", got)
			}
			for _, c := range got {
				if asked[c.Piece]++; !slices.Contains(asks, c) {
					all[c.Piece] = true
				}
			}
			leases[lease] = asked
		}
		if len(all) != 4 {
			t.Errorf("bursts of 4 MiB are of the pieces %v of 1 MiB", all)
		}
		for piece := range all {
			firsts[piece] = true
			for lease, asked := range leases {
				if asked[piece] == 0 {
					t.Errorf("lease %d is not asked for piece %d", lease, piece)
				}
			}
		}
	}
	if len(firsts) < 4*15 {
		t.Errorf("20 seeds draw only %d pieces", len(firsts))
	}
	small := torrentOf(100<<20, 1<<20)
	share = ration(marketplace.DefaultRules(), small.Size, small.PieceLength, ByRoot)
	asks := Challenges(share, marketplace.Hash{1}, small, none)
	if got := Burst(share, marketplace.Hash{1}, small, asks); len(got) != len(asks) {
		t.Errorf("a torrent of 100 MiB has a burst of whole MiBs: %v", got)
	}
}
