package swarm

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// stored returns the store of an engine's torrent that nobody else writes to.
func stored(t *testing.T, dir string, raw []byte) *store {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	s := newStore(parse(t, raw), root, "data", newHandles(2))
	s.record = &recorder{root: root, name: "verified.json"}
	t.Cleanup(func() { s.handles.drop(s) })
	return s
}

func TestARecordIsGoneBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, raw := content(t, 16<<10, 40_000, 10_000)
	s := stored(t, dir, raw)
	record := filepath.Join(dir, "verified.json")
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(record); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("recorded what was never hashed")
	}
	s.empty()
	b := bytes.Repeat([]byte{7}, 16<<10)
	for i := range 3 {
		if n, err := (piece{s, i}).WriteAt(b, 0); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
		if err := (piece{s, i}).MarkComplete(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	again := stored(t, dir, raw)
	err := again.load()
	if err != nil || again.count != 3 || again.unknown() != 0 || again.bytes != 3*16<<10 {
		t.Fatalf("restored %d pieces of %d bytes, %v", again.count, again.bytes, err)
	}
	if _, err := (piece{again, 3}).WriteAt([]byte("x"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(record); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("a record outlived a write")
	}
	third := stored(t, dir, raw)
	if err := third.load(); err != nil || third.unknown() != third.meta.Pieces {
		t.Fatalf("without a record %d pieces are unknown, %v", third.unknown(), err)
	}
}

func TestAFailedHashTakesTheRecordAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, raw := content(t, 16<<10, 20_000)
	s := stored(t, dir, raw)
	s.empty()
	for i := range s.meta.Pieces {
		if err := s.mark(i, true); err != nil {
			t.Fatal(err)
		}
	}
	if _, whole := s.verified(); !whole || !s.record.there {
		t.Fatal("a whole torrent has no record")
	}
	if err := s.mark(0, false); err != nil {
		t.Fatal(err)
	}
	if _, whole := s.verified(); whole || s.record.there {
		t.Fatal("a record outlived the piece it speaks of")
	}
}

func TestReadsCrossFilesAndEndWhereContentEnds(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 10_000, 0, 5, 20_000, 3)
	root, err := os.OpenRoot(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := newStore(parse(t, raw), root, "", newHandles(2))
	defer s.handles.drop(s)
	var want []byte
	for _, f := range s.meta.Files {
		b, err := os.ReadFile(filepath.Join(append([]string{parent}, f.Path...)...))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, b...)
	}
	got := make([]byte, len(want))
	if n, err := s.readAt(got, 0); n != len(want) || err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d of %d bytes, %v", n, len(want), err)
	}
	n, err := s.readAt(got[:100], 9_950)
	if n != 100 || err != nil || !bytes.Equal(got[:100], want[9950:10050]) {
		t.Fatalf("across files: %d, %v", n, err)
	}
	last := s.meta.Files[len(s.meta.Files)-1]
	if err := os.Remove(filepath.Join(append([]string{parent}, last.Path...)...)); err != nil {
		t.Fatal(err)
	}
	s.handles.drop(s)
	if n, err := s.readAt(got, 0); n != int(last.Offset) || err != io.EOF {
		t.Fatalf("with the last file gone: %d, %v", n, err)
	}
	if open := len(s.handles.open); open > 2 {
		t.Fatalf("%d files are open at a time", open)
	}
}

func TestATorrentLeftInTheFolderIsTakenUpByAdd(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 16<<10, 100_000)
	h := parse(t, raw).Infohash
	dir := t.TempDir()
	data := filepath.Join(dir, "torrents", h.String(), "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(data, os.DirFS(parent)); err != nil {
		t.Fatal(err)
	}
	e := open1(t, config(dir))
	if err := e.Add(h, raw, nil); err != nil {
		t.Fatal(err)
	}
	wait(t, e, h)
}
