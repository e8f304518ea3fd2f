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
	"strings"
	"sync"
	"syscall"
	"time"
)

// The kinds of records in the log.
const (
	recordFirst byte = 'E' // version, chain id, time in ms, then accounts: 21 bytes, 8 bytes sun
	recordTx    byte = 'T' // an accepted transaction
	recordBlock byte = 'B' // time in ms, how many pending transactions it took, id, which were too slow
	recordReorg byte = 'R' // depth, 1 if the transactions became pending again
)

// oldFirst are the kinds that logs of other layouts began with.
const oldFirst = "CG"

// recordMax bounds a record, so that a torn length cannot ask for all memory.
const recordMax = 16 << 20

// recordHead is kind and length, the checksum of both, and the checksum of the data. The first says
// whether a length can be believed, and so whether what follows is inside of a record.
const (
	headSum    = 5
	recordHead = headSum + 8
)

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
	torn    bool       // a failed write may have left something behind size
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
	if err := checkLayout(f); err != nil {
		return nil, err
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

// checkLayout refuses logs of other layouts, which would look like one torn tail.
func checkLayout(f *os.File) error {
	var kind [1]byte
	if _, err := f.ReadAt(kind[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read chain log: %w", err)
	}
	if strings.ContainsRune(oldFirst, rune(kind[0])) {
		return errors.New("the chain log was written by another version; choose another folder")
	}
	return nil
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
	from := 1
	if _, size, ok := decodeHead(tail); ok {
		from = size // what is inside of a record was chosen by who sent it
	}
	for at := from; at < len(tail); at++ {
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

func (r record) encode() []byte {
	out := make([]byte, 0, recordHead+len(r.data))
	out = append(out, r.kind)
	out = binary.BigEndian.AppendUint32(out, uint32(len(r.data))) // #nosec G115 -- bounded
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(r.data))
	return append(out, r.data...)
}

// decode reads the record that text begins with, and says how long it is.
func decode(text []byte) (r record, size int, ok bool) {
	kind, size, ok := decodeHead(text)
	if !ok || size > len(text) {
		return r, 0, false
	}
	r = record{kind, text[recordHead:size]}
	sum := binary.BigEndian.Uint32(text[headSum+4:])
	return r, size, crc32.ChecksumIEEE(r.data) == sum
}

// decodeHead reads of what kind and how long the record is that text begins with, whether or not
// all of it is there.
func decodeHead(text []byte) (kind byte, size int, ok bool) {
	if len(text) < recordHead ||
		crc32.ChecksumIEEE(text[:headSum]) != binary.BigEndian.Uint32(text[headSum:]) {
		return 0, 0, false
	}
	n := binary.BigEndian.Uint32(text[1:])
	return text[0], recordHead + int(n), n <= recordMax
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

// write appends a record and returns where it ends, for sync. What a failed write left is cut off
// before the next.
func (j *journal) write(r record) (end int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return 0, j.err
	}
	if j.torn {
		if err := j.file.Truncate(j.size); err != nil {
			return 0, fmt.Errorf("cut what a failed write left in chain log: %w", err)
		}
		j.torn = false
	}
	text := r.encode()
	if _, err := j.file.WriteAt(text, j.size); err != nil {
		j.torn = true
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
