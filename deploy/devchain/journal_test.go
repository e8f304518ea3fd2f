package devchain

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAFailedSyncEndsTheJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	j, err := openJournal(path, func(record) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	end, err := j.write(record{recordReorg, make([]byte, 5)})
	if err != nil {
		t.Fatal(err)
	}
	// It can be written but not synced, like a disk that fails.
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = null.Close() })
	log := j.file
	t.Cleanup(func() { _ = log.Close() })
	j.file = null
	if err := j.sync(end); err == nil {
		t.Error("a sync of /dev/null succeeded")
	}
	if _, err := j.write(record{recordReorg, nil}); err == nil {
		t.Error("a journal that failed to sync was written again")
	}
}

// kinds returns what the journal at a path holds.
func kinds(t *testing.T, path string) (found string, err error) {
	t.Helper()
	j, err := openJournal(path, func(r record) error {
		found += string(r.kind)
		return nil
	})
	if err != nil {
		return "", err
	}
	return found, j.close()
}

// Whoever sends a transaction chooses bytes of the log. They are never taken for records.
func TestARecordWithinATransactionIsNone(t *testing.T) {
	t.Parallel()
	inner := (record{recordReorg, make([]byte, 5)}).encode()
	outer := (record{recordTx, append(inner, make([]byte, 90)...)}).encode()
	first := (record{recordFirst, make([]byte, 20)}).encode()
	for _, torn := range []int{len(outer) - 1, recordHead + len(inner), recordHead + 3, 3} {
		path := filepath.Join(t.TempDir(), "chain.log")
		if err := os.WriteFile(path, append(first[:len(first):len(first)], outer[:torn]...),
			0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := kinds(t, path); err != nil || found != string(recordFirst) {
			t.Errorf("torn after %d bytes: the log holds %q (%v)", torn, found, err)
		}
	}
}

// The end of what could not be written stands behind what is written over it.
func TestWhatAFailedWriteLeftIsNeverRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chain.log")
	j, err := openJournal(path, func(record) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.Open(path) // reads only
	if err != nil {
		t.Fatal(err)
	}
	whole := j.file
	j.file = full
	if _, err := j.write(record{recordTx, nil}); err == nil {
		t.Error("written to a file that is only read")
	}
	j.file = whole
	next := record{recordFirst, make([]byte, 20)}
	left := slices.Concat(make([]byte, len(next.encode())),
		(record{recordReorg, make([]byte, 5)}).encode())
	if _, err := whole.WriteAt(left, j.size); err != nil {
		t.Fatal(err)
	}
	_, err = j.write(next)
	if err := errors.Join(err, j.close(), full.Close()); err != nil {
		t.Fatal(err)
	}
	if found, err := kinds(t, path); err != nil || found != string(recordFirst) {
		t.Errorf("the log holds %q (%v)", found, err)
	}
}

// A flipped bit in a length makes the record seem to reach beyond the end, as a torn one does.
func TestADamagedLengthIsNotTakenForATornTail(t *testing.T) {
	t.Parallel()
	one := (record{recordFirst, make([]byte, 20)}).encode()
	for bit := range 32 {
		path := filepath.Join(t.TempDir(), "chain.log")
		text := append(one[:len(one):len(one)], one...)
		text[1+bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := kinds(t, path); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("with bit %d flipped the log holds %q (%v)", bit, found, err)
		}
	}
}
