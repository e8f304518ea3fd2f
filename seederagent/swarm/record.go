package swarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
)

// A recorder keeps a torrent's record: which pieces are verified. The record exists only while it
// is true. It is written when the content has reached the disk, and removed before the next
// write, so that after a power cut or a kill there is either a record to believe or none, and then
// every piece is hashed.
type recorder struct {
	root  *os.Root
	name  string
	there bool
	at    time.Time // last full hash of everything
}

// A row is a record on disk. Files are listed in the torrent's order.
type row struct {
	Pieces     []byte    `json:"pieces"` // bitfield
	Files      []stamp   `json:"files"`
	VerifiedAt time.Time `json:"verified_at"`
}

// A stamp tells whether a file is still the one that was verified.
type stamp struct {
	Size    int64 `json:"size"`
	Changed int64 `json:"changed"` // nanoseconds since 1970
}

// remove deletes the record if there is one.
func (r *recorder) remove() error {
	if r == nil || !r.there {
		return nil
	}
	if err := r.root.Remove(r.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove record of verified pieces: %w", err)
	}
	r.there = false
	return nil
}

// save writes the record, unless the one on disk is still true or pieces are still to be hashed.
// It syncs without holding the lock, because the library asks for pieces all the time.
func (s *store) save() error {
	s.mu.Lock()
	files, begun := slices.Collect(maps.Keys(s.written)), s.writes
	skip := s.record == nil || s.record.there || s.writing > 0 || slices.Contains(s.known, false)
	s.mu.Unlock()
	if skip {
		return nil
	}
	for _, file := range files {
		h, err := s.open(file, true)
		if err != nil {
			return fmt.Errorf("sync content: %w", err)
		}
		err = h.f.Sync()
		s.handles.release(h)
		if err != nil {
			return fmt.Errorf("sync content: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes != begun || s.record == nil || s.record.there {
		return nil // written to or dropped meanwhile: the next save says what is true then
	}
	clear(s.written)
	return s.record.write(row{Pieces: pack(s.have), Files: s.stamps(), VerifiedAt: s.record.at})
}

// stamps returns every file's size and time; a missing file has none.
func (s *store) stamps() []stamp {
	all := make([]stamp, len(s.meta.Files))
	for i, f := range s.meta.Files {
		if f.Pad {
			continue
		}
		if info, err := s.root.Stat(s.path(i)); err == nil {
			all[i] = stamp{Size: info.Size(), Changed: info.ModTime().UnixNano()}
		}
	}
	return all
}

func (r *recorder) write(what row) error {
	raw, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if err := writeDurably(r.root, r.name, raw); err != nil {
		return fmt.Errorf("write record of verified pieces: %w", err)
	}
	r.there = true
	return nil
}

// load believes the record if the files are still the ones it speaks of.
func (s *store) load() error {
	raw, err := s.root.ReadFile(s.record.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read record of verified pieces: %w", err)
	}
	s.record.there = true
	var was row
	if json.Unmarshal(raw, &was) != nil || len(was.Pieces) != (s.meta.Pieces+7)/8 {
		return s.record.remove()
	}
	now := s.stamps()
	if len(was.Files) != len(now) {
		return s.record.remove()
	}
	for i := range now {
		if was.Files[i] != now[i] {
			return s.record.remove()
		}
	}
	s.record.at = was.VerifiedAt
	s.restore(unpack(was.Pieces, s.meta.Pieces))
	return nil
}

// forget makes sure that closing the store writes no record.
func (s *store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = nil
}

// verifiedAt notes that everything was hashed at a time.
func (s *store) verifiedAt(now time.Time) error {
	s.mu.Lock()
	if s.record != nil {
		s.record.at = now
	}
	err := s.record.remove()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.save()
}

// lastVerified returns when everything was last hashed, and whether all of it is here.
func (s *store) lastVerified() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return time.Time{}, false
	}
	return s.record.at, s.count == s.meta.Pieces
}

func pack(pieces []bool) []byte {
	bits := make([]byte, (len(pieces)+7)/8)
	for i, ok := range pieces {
		if ok {
			bits[i/8] |= 0x80 >> (i % 8)
		}
	}
	return bits
}

func unpack(bits []byte, n int) []bool {
	pieces := make([]bool, n)
	for i := range pieces {
		pieces[i] = bits[i/8]&(0x80>>(i%8)) != 0
	}
	return pieces
}

// writeDurably replaces a small file so that a crash leaves the old one or the new one.
func writeDurably(root *os.Root, name string, raw []byte) error {
	f, err := root.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Rename(name+".new", name)
}
