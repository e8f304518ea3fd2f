package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// A Roster is what an auditor was told of an epoch while it lasted. Whether that was true shows when the
// epoch's secret is told.
type Roster struct {
	Commit marketplace.Hash   `json:"commit"` // what was promised of the secret
	Parts  []marketplace.Part `json:"parts"`
}

// Check says what of a roster is false, by an epoch that is over: Invalid if anything is. NotFound says that
// the secret is not told yet.
func (ro Roster) Check(r marketplace.Rules, e marketplace.AuditEpoch, who marketplace.Address) error {
	switch {
	case e.Secret.IsZero():
		return marketplace.NotFound.Errorf("the secret of epoch %d is not told yet", e.Epoch)
	case Commit(e.Secret) != ro.Commit:
		return marketplace.Invalid.Errorf("the secret of epoch %d is not the promised one", e.Epoch)
	}
	told := map[int64]marketplace.Part{}
	for _, p := range ro.Parts {
		told[p.Lease] = p
	}
	for _, due := range PartsOf(r, e, r.Draw(e), who) {
		p, any := told[due.Lease]
		switch delete(told, due.Lease); {
		case !any:
			return marketplace.Invalid.Errorf("epoch %d sent us to lease %d, and we were not told", e.Epoch,
				due.Lease)
		case !p.Is(due):
			return marketplace.Invalid.Errorf("what we were told to ask of lease %d in epoch %d, or when, does"+
				" not follow from its secret", due.Lease, e.Epoch)
		}
	}
	for lease := range told {
		return marketplace.Invalid.Errorf("we were told to audit lease %d in epoch %d, which did not send us"+
			" there", lease, e.Epoch)
	}
	return nil
}

// is says whether two rosters tell the same.
func (ro Roster) is(other Roster) bool {
	return ro.Commit == other.Commit && slices.EqualFunc(ro.Parts, other.Parts, marketplace.Part.Is)
}

// take notes what we are told of an epoch. Who is started again in it must be told the same. The caller holds
// mu.
func (a *Auditor) take(open marketplace.AuditEpoch) error {
	ro := Roster{open.Commit, open.Parts}
	if was, told := a.out.rosters[open.Epoch]; told {
		if !was.is(ro) {
			return marketplace.Invalid.Errorf("we are told something else than before we were started again")
		}
		return nil
	}
	if !open.Seats(a.Address) {
		return nil
	}
	if err := a.Envelopes.keep(open.Epoch, ro); err != nil { // it is lost only if we are killed
		a.Log.Error("what we were told not on disk", "err", err)
	}
	a.out.rosters[open.Epoch] = ro
	if over := a.Rules.EpochStart(open.Epoch + 1); a.out.at.IsZero() || over.Before(a.out.at) {
		a.out.at = over
	}
	return nil
}

// vouch holds what we were told of an epoch that is over against its secret. We do not lend our name to one of
// which anything was false: our reports of it stay with us.
func (a *Auditor) vouch(ctx context.Context, epoch int64, all []*envelope) error {
	a.mu.Lock()
	ro, unchecked := a.out.rosters[epoch]
	a.mu.Unlock()
	if unchecked {
		e, err := a.Market.AuditEpoch(ctx, epoch)
		if err != nil {
			return fmt.Errorf("read audit epoch %d: %w", epoch, err)
		}
		untrue := ro.Check(a.Rules, e, a.Address)
		if errors.Is(untrue, marketplace.NotFound) {
			return untrue
		}
		a.checked(ctx, epoch, untrue)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range all {
		v.done = v.done || a.out.untrue[epoch]
	}
	return nil
}

// checked notes what came of a check. A roster that was false stays on disk: it keeps us from signing cheques
// of its epoch, and shows what we were told.
func (a *Auditor) checked(ctx context.Context, epoch int64, untrue error) {
	if untrue != nil {
		a.Log.ErrorContext(ctx, "false part of an epoch", "epoch", epoch, "err", untrue, "kept",
			rosterName(epoch), "do", "our reports of it are withheld, and its cheques not signed while the roster"+
				" is kept; ask other auditors what they were told, and the operator why")
	} else if err := a.Envelopes.forget(epoch); err != nil {
		a.Log.ErrorContext(ctx, "what we were told not tidied", "epoch", epoch, "err", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.out.rosters, epoch)
	if untrue != nil {
		a.out.untrue[epoch] = true
	}
}

const rosterSuffix = ".roster"

func rosterName(epoch int64) string { return strconv.FormatInt(epoch, 10) + rosterSuffix }

// Roster returns what was told of an epoch, if that is kept: until it was found true, and for good where it
// was not.
func (e *Envelopes) Roster(epoch int64) (ro Roster, kept bool, err error) {
	if e == nil {
		return ro, false, nil
	}
	text, err := e.root.ReadFile(rosterName(epoch))
	if errors.Is(err, fs.ErrNotExist) {
		return ro, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &ro)
	}
	if err != nil {
		return ro, false, fmt.Errorf("read what we were told of epoch %d: %w", epoch, err)
	}
	return ro, true, nil
}

// rosters reads all that are kept. One that cannot be read does not keep others from being read.
func (e *Envelopes) rosters() (map[int64]Roster, error) {
	found := map[int64]Roster{}
	if e == nil {
		return found, nil
	}
	names, err := fs.Glob(e.root.FS(), "*"+rosterSuffix)
	for _, name := range names {
		epoch, no := strconv.ParseInt(strings.TrimSuffix(name, rosterSuffix), 10, 64)
		if no != nil {
			continue // not ours
		}
		ro, kept, failed := e.Roster(epoch)
		if err = errors.Join(err, failed); kept {
			found[epoch] = ro
		}
	}
	return found, err
}

// keep writes down what we are told of an epoch, whole or not at all.
func (e *Envelopes) keep(epoch int64, ro Roster) error {
	if e == nil {
		return nil
	}
	text, err := json.Marshal(ro)
	if err != nil {
		return fmt.Errorf("keep what we were told of epoch %d: %w", epoch, err)
	}
	next := rosterName(epoch) + ".next"
	f, err := e.root.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep what we were told of epoch %d: %w", epoch, err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = e.root.Rename(next, rosterName(epoch))
	}
	if err != nil {
		return fmt.Errorf("keep what we were told of epoch %d: %w", epoch, err)
	}
	return nil
}

// forget drops what was told of an epoch.
func (e *Envelopes) forget(epoch int64) error {
	if e == nil {
		return nil
	}
	if err := e.root.Remove(rosterName(epoch)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop what we were told of epoch %d: %w", epoch, err)
	}
	return nil
}
