package devchain

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// The kinds of records in the log.
const (
	recordGenesis byte = 'G' // time in ms, then accounts: 21 bytes address, 8 bytes sun
	recordTx      byte = 'T' // an accepted transaction
	recordBlock   byte = 'B' // time in ms, number of pending transactions that went in
	recordReorg   byte = 'R' // depth, 1 if the transactions became pending again
)

// recordMax bounds a record, so that a torn length cannot ask for all memory.
const recordMax = 16 << 20

type record struct {
	kind byte
	data []byte
}

// A journal is an append-only file of records, each with a length and a checksum.
type journal struct{ file *os.File }

// openJournal reads all records and cuts off a torn tail: what stands there was never
// acknowledged.
func openJournal(path string) (*journal, []record, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // #nosec G304 -- named by options
	if err != nil {
		return nil, nil, fmt.Errorf("open chain log: %w", err)
	}
	var records []record
	var whole int64
	for in := bufio.NewReader(f); ; {
		r, n, err := readRecord(in)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
				!errors.Is(err, errTorn) {
				return nil, nil, fmt.Errorf("read chain log: %w", err)
			}
			break
		}
		records, whole = append(records, r), whole+n
	}
	if err := f.Truncate(whole); err != nil {
		return nil, nil, fmt.Errorf("cut torn tail of chain log: %w", err)
	}
	if _, err := f.Seek(whole, io.SeekStart); err != nil {
		return nil, nil, fmt.Errorf("read chain log: %w", err)
	}
	return &journal{f}, records, nil
}

var errTorn = errors.New("torn record")

func readRecord(in io.Reader) (r record, n int64, err error) {
	var head [9]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return r, 0, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > recordMax {
		return r, 0, errTorn
	}
	r = record{head[0], make([]byte, size)}
	if _, err := io.ReadFull(in, r.data); err != nil {
		return r, 0, err
	}
	if crc32.ChecksumIEEE(append([]byte{r.kind}, r.data...)) != binary.BigEndian.Uint32(head[5:]) {
		return r, 0, errTorn
	}
	return r, int64(len(head)) + int64(size), nil
}

// write appends a record and, when told, waits for the disk.
func (j *journal) write(r record, sync bool) error {
	out := make([]byte, 0, 9+len(r.data))
	out = binary.BigEndian.AppendUint32(append(out, r.kind), uint32(len(r.data))) // #nosec G115 -- bounded by txSizeMax
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(append([]byte{r.kind}, r.data...)))
	if _, err := j.file.Write(append(out, r.data...)); err != nil {
		return fmt.Errorf("write chain log: %w", err)
	}
	if sync {
		if err := j.file.Sync(); err != nil {
			return fmt.Errorf("sync chain log: %w", err)
		}
	}
	return nil
}

func (j *journal) close() error { return errors.Join(j.file.Sync(), j.file.Close()) }
