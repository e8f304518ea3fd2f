package audit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/everseed/everseed/marketplace"
)

func leafFor(t *testing.T, s *shelf, piece, block int) marketplace.Hash {
	t.Helper()
	h, err := s.leaf(piece, block)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func openShelf(t *testing.T, dir string) *shelf {
	t.Helper()
	l, err := OpenLeaves(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	meta := torrentOf(1<<20, 64<<10)
	meta.Infohash[0] = 0xab
	s, err := l.shelf(meta)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHashesOfBlocksAreThereAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openShelf(t, dir)
	if s.knows(3, 100) {
		t.Fatal("it knows a piece that nobody told of")
	}
	for i, leaves := range [][]marketplace.Hash{{{1}, {2}, {3}, {4}}, {{5}}} {
		if err := s.learn(10, 3+i, leaves); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.learn(5, 3, []marketplace.Hash{{9}}); err != nil { // known already
		t.Fatal(err)
	}
	for range 2 {
		if !s.knows(3, 11) || s.knows(3, 10) || s.knows(5, 11) {
			t.Error("pieces are known from the epoch after they were learnt on")
		}
		if leafFor(t, s, 3, 2) != (marketplace.Hash{3}) || leafFor(t, s, 4, 0) != (marketplace.Hash{5}) {
			t.Error("another hash came back")
		}
		s = openShelf(t, dir)
	}
}

func TestHashesOfBlocksSurviveAKillInTheMiddle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openShelf(t, dir)
	for piece := range 3 {
		if err := s.learn(1, piece, []marketplace.Hash{{byte(piece), 7}}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, s.name)
	if err := os.Truncate(path, s.end-5); err != nil {
		t.Fatal(err)
	}
	s = openShelf(t, dir)
	if !s.knows(1, 2) || s.knows(2, 2) {
		t.Fatalf("it knows %v", s.at)
	}
	if err := s.learn(1, 2, []marketplace.Hash{{2, 8}}); err != nil {
		t.Fatal(err)
	}
	if s = openShelf(t, dir); leafFor(t, s, 2, 0) != (marketplace.Hash{2, 8}) {
		t.Error("what came after the kill is lost")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[entryHead+3] ^= 1 // rot, while it is open
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if h, err := s.leaf(0, 0); err == nil {
		t.Errorf("rotten hash %s came back", h)
	}
	asks := []Challenge{{Piece: 1}, {Piece: 0}, {Piece: 1, Block: 1}}
	if err := s.fill(torrentOf(1<<20, 64<<10), asks, Ration{}); err == nil {
		t.Error("rotten hashes are used")
	}
	if s.knows(0, 9) {
		t.Error("a damaged piece is still known")
	}
}
