package devchain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The kinds of records in the log.
const (
	recordFirst byte = 'C' // version, chain id, time in ms, then accounts: 21 bytes, 8 bytes sun
	recordTx    byte = 'T' // an accepted transaction
	recordBlock byte = 'B' // time in ms, how many pending transactions it took, id
	recordReorg byte = 'R' // depth, 1 if the transactions became pending again
	recordOld   byte = 'G' // how logs began before they had a version; known to be refused
)

// recordMax bounds a record, so that a torn length cannot ask for all memory.
const recordMax = 16 << 20

// recordHead is kind, length and checksum.
const recordHead = 9

type record struct {
	kind byte
	data []byte
}

// A journal is an append-only file of records, each with a length and a checksum. Many may wait
// for one sync: what was written while the disk was busy is synced together.
type journal struct {
	file *os.File

	mu      sync.Mutex // guards the fields below
	idle    *sync.Cond // signalled when a sync ends
	size    int64      // bytes written
	synced  int64      // of these, what is on the disk for certain
	syncing bool
	err     error // what ended the journal
}

// openJournal hands every record to replay. It cuts off a torn tail, which was never acknowledged;
// a log that is damaged in the middle it leaves alone.
func openJournal(path string, replay func(record) error) (_ *journal, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // #nosec G304 -- named by options
	if err != nil {
		return nil, fmt.Errorf("open chain log: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := lock(f); err != nil {
		return nil, fmt.Errorf("chain log %s is in use by another chain: %w", path, err)
	}
	whole, err := readRecords(f, replay)
	if err != nil {
		return nil, err
	}
	if err := cutTail(f, whole); err != nil {
		return nil, err
	}
	j := &journal{file: f, size: whole, synced: whole}
	j.idle = sync.NewCond(&j.mu)
	return j, syncFolder(filepath.Dir(path))
}

// lock makes the file ours alone, until it is closed or we die. A chain that was just killed may
// hold it a moment longer.
func lock(f *os.File) (err error) {
	for range 20 {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// readRecords returns where the first record stands that is not whole.
func readRecords(f *os.File, replay func(record) error) (whole int64, err error) {
	in := newReader(f)
	for {
		r, size, ok, err := in.next()
		if err != nil {
			return 0, fmt.Errorf("read chain log: %w", err)
		}
		if !ok {
			return whole, nil
		}
		if err := replay(r); err != nil {
			return 0, fmt.Errorf("replay chain log at byte %d: %w", whole, err)
		}
		whole += size
	}
}

// cutTail removes what follows the last whole record, unless a whole record comes after that:
// then this is no torn tail, and cutting would lose what was acknowledged.
func cutTail(f *os.File, whole int64) error {
	if _, err := f.Seek(whole, io.SeekStart); err != nil {
		return fmt.Errorf("read chain log: %w", err)
	}
	tail, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read chain log: %w", err)
	}
	for at := range tail {
		if _, _, ok := decode(tail[at:]); ok {
			return fmt.Errorf("chain log is damaged at byte %d; what follows is whole, so nothing"+
				" was cut: choose another folder or restore the log", whole)
		}
	}
	if err := f.Truncate(whole); err != nil {
		return fmt.Errorf("cut torn tail of chain log: %w", err)
	}
	return nil
}

// syncFolder makes the name of a new log survive a power cut.
func syncFolder(path string) error {
	dir, err := os.Open(path) // #nosec G304 -- named by options
	if err != nil {
		return fmt.Errorf("open chain folder: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync chain folder: %w", err)
	}
	return nil
}

func (r record) sum() uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte{r.kind}), crc32.IEEETable, r.data)
}

func (r record) encode() []byte {
	out := make([]byte, 0, recordHead+len(r.data))
	out = append(out, r.kind)
	out = binary.BigEndian.AppendUint32(out, uint32(len(r.data))) // #nosec G115 -- bounded
	out = binary.BigEndian.AppendUint32(out, r.sum())
	return append(out, r.data...)
}

// decode reads the record that text begins with, and says how long it is.
func decode(text []byte) (r record, size int, ok bool) {
	if len(text) < recordHead || !slices.Contains([]byte("CTBRG"), text[0]) {
		return r, 0, false
	}
	n := binary.BigEndian.Uint32(text[1:])
	if n > recordMax || int(n) > len(text)-recordHead {
		return r, 0, false
	}
	size = recordHead + int(n)
	r = record{text[0], text[recordHead:size]}
	return r, size, r.sum() == binary.BigEndian.Uint32(text[5:])
}

// A reader reads records one by one, so that a long log need not fit into memory.
type reader struct {
	file io.Reader
	text []byte
	end  bool
}

func newReader(f io.Reader) *reader { return &reader{file: f} }

// next returns the next whole record; ok is false at the end and before what is torn.
func (in *reader) next() (r record, size int64, ok bool, err error) {
	for {
		r, n, ok := decode(in.text)
		if ok {
			r.data = bytes.Clone(r.data)
			in.text = in.text[n:]
			return r, int64(n), true, nil
		}
		if in.end || len(in.text) >= recordHead+recordMax {
			return r, 0, false, nil
		}
		more := make([]byte, len(in.text), 2*len(in.text)+64<<10)
		copy(more, in.text)
		got, err := io.ReadFull(in.file, more[len(more):cap(more)])
		if in.end = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); !in.end && err != nil {
			return r, 0, false, err
		}
		in.text = more[:len(more)+got]
	}
}

// write appends a record and returns where it ends, for sync. What a failed write left is written
// over by the next.
func (j *journal) write(r record) (end int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return 0, j.err
	}
	text := r.encode()
	if _, err := j.file.WriteAt(text, j.size); err != nil {
		return 0, fmt.Errorf("write chain log: %w", err)
	}
	j.size += int64(len(text))
	return j.size, nil
}

// sync waits until the log is on the disk up to end. After a failed sync nobody knows what is
// there, so it ends the journal.
func (j *journal) sync(end int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.synced < end && j.err == nil {
		if j.syncing {
			j.idle.Wait()
			continue
		}
		j.syncing = true
		size := j.size
		j.mu.Unlock()
		err := j.file.Sync()
		j.mu.Lock()
		j.syncing = false
		if err != nil {
			j.err = fmt.Errorf("sync chain log: %w", err)
		} else {
			j.synced = size
		}
		j.idle.Broadcast()
	}
	return j.err
}

func (j *journal) close() error {
	j.mu.Lock()
	end := j.size
	j.mu.Unlock()
	err := j.sync(end)
	return errors.Join(err, j.file.Close())
}
