package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// Envelopes keeps signed reports that are not revealed yet, one file an epoch: what an auditor has
// committed to it must be able to open after a kill. A report is on disk before anybody hears of it,
// so a kill costs the tries of leases that have no report yet, which are made again while the epoch
// lasts. Losing the folder costs the epochs in it: commitments that nobody opens. Beside them it keeps a
// [Roster] of each epoch.
type Envelopes struct{ root *os.Root }

// OpenEnvelopes keeps reports in a folder. Auditors need different folders.
func OpenEnvelopes(dir string) (*Envelopes, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open reports in hand: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open reports in hand: %w", err)
	}
	return &Envelopes{root}, nil
}

// Close frees the folder.
func (e *Envelopes) Close() error { return e.root.Close() }

// An envelope is a report on its way to the market.
type envelope struct {
	Infohash marketplace.Infohash `json:"infohash"`
	Report   marketplace.Report   `json:"report"`

	learnt    map[int][]marketplace.Hash // by its last try; lost with the process
	committed bool                       // the market has its commitment, or takes none any more
	done      bool                       // the market has it, or does not want it
}

const sealedSuffix = ".sealed"

func sealedName(epoch int64) string { return strconv.FormatInt(epoch, 10) + sealedSuffix }

// put writes an envelope down for good. It begins a line of its own: what a kill left behind may end
// in the middle of one.
func (e *Envelopes) put(v *envelope) error {
	if e == nil {
		return nil
	}
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	f, err := e.root.OpenFile(sealedName(v.Report.Epoch), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	_, err = f.Write(append(append([]byte{'\n'}, line...), '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	return nil
}

// all reads what is kept, by epoch. Of several reports on a lease the first counts: it may be the one
// that was committed to.
func (e *Envelopes) all() (map[int64][]*envelope, error) {
	found := map[int64][]*envelope{}
	if e == nil {
		return found, nil
	}
	names, err := fs.Glob(e.root.FS(), "*"+sealedSuffix)
	if err != nil {
		return found, fmt.Errorf("read reports in hand: %w", err)
	}
	for _, name := range names {
		epoch, err := strconv.ParseInt(strings.TrimSuffix(name, sealedSuffix), 10, 64)
		if err != nil {
			continue // not ours
		}
		text, err := e.root.ReadFile(name)
		if err != nil {
			return found, fmt.Errorf("read reports in hand: %w", err)
		}
		found[epoch] = envelopesIn(text, epoch)
	}
	return found, nil
}

func envelopesIn(text []byte, epoch int64) (all []*envelope) {
	seen := map[int64]bool{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		v := &envelope{}
		if json.Unmarshal(lines.Bytes(), v) != nil || v.Report.Epoch != epoch || seen[v.Report.Lease] {
			continue // torn, or a line between two
		}
		seen[v.Report.Lease] = true
		all = append(all, v)
	}
	return all
}

// drop forgets an epoch.
func (e *Envelopes) drop(epoch int64) error {
	if e == nil {
		return nil
	}
	if err := e.root.Remove(sealedName(epoch)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop reports: %w", err)
	}
	return nil
}
