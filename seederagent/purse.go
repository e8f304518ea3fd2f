package seederagent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// A Purse keeps the newest signed cheque of each mandate on disk. What lies in it can be redeemed
// by anyone who has the file, without the market.
type Purse struct {
	dir    string
	domain escrow.Domain
}

// OpenPurse makes the folder when it is missing.
func OpenPurse(dir string, domain escrow.Domain) (*Purse, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make purse: %w", err)
	}
	return &Purse{dir: dir, domain: domain}, nil
}

// Keep checks a cheque's signatures against the mandate's signers and stores it, synced, unless
// the purse has one that says at least as much. It reports whether it was new.
func (p *Purse) Keep(sc marketplace.SignedCheque, m marketplace.Mandate) (bool, error) {
	if err := p.check(sc, m); err != nil {
		return false, err
	}
	old, err := p.newest(sc.Cheque)
	if err != nil {
		return false, err
	}
	if old.Cheque.Cumulative.Cmp(sc.Cheque.Cumulative) >= 0 {
		return false, nil
	}
	text, err := json.MarshalIndent(sc, "", "  ")
	if err != nil {
		return false, fmt.Errorf("encode cheque: %w", err)
	}
	if err := writeSynced(p.file(sc.Cheque), text); err != nil {
		return false, fmt.Errorf("keep cheque %d: %w", sc.ID, err)
	}
	return true, nil
}

// check says what is wrong with a cheque's signatures.
func (p *Purse) check(sc marketplace.SignedCheque, m marketplace.Mandate) error {
	if sc.Cheque.Mandate != m.ID || sc.Cheque.From != m.Poster {
		return marketplace.Invalid.Errorf("cheque %d is not drawn on mandate %s", sc.ID, m.ID)
	}
	var last marketplace.Address
	for i, sig := range sc.Signatures {
		signer, err := escrow.RecoverCheque(p.domain, sc.Cheque, sig)
		if err != nil {
			return fmt.Errorf("cheque %d, signature %d: %w", sc.ID, i, err)
		}
		if !slices.Contains(m.Signers, signer) {
			return marketplace.Invalid.Errorf("cheque %d is signed by %s, who is not a signer of"+
				" mandate %s", sc.ID, signer, m.ID)
		}
		if i > 0 && slices.Compare(last[:], signer[:]) >= 0 {
			return marketplace.Invalid.Errorf("cheque %d repeats a signer", sc.ID)
		}
		last = signer
	}
	if len(sc.Signatures) < m.Threshold {
		return marketplace.Invalid.Errorf("cheque %d has %d of %d signatures", sc.ID,
			len(sc.Signatures), m.Threshold)
	}
	return nil
}

// Cheques returns what is in the purse.
func (p *Purse) Cheques() ([]marketplace.SignedCheque, error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, fmt.Errorf("read purse: %w", err)
	}
	var all []marketplace.SignedCheque
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue // a torn write of another run
		}
		sc, err := readCheque(filepath.Join(p.dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, sc)
	}
	return all, nil
}

func (p *Purse) newest(c marketplace.Cheque) (marketplace.SignedCheque, error) {
	sc, err := readCheque(p.file(c))
	if errors.Is(err, os.ErrNotExist) {
		return marketplace.SignedCheque{}, nil
	}
	return sc, err
}

func (p *Purse) file(c marketplace.Cheque) string {
	return filepath.Join(p.dir, fmt.Sprintf("%s-%s-%s.json", c.From, c.Mandate, c.To))
}

func readCheque(path string) (sc marketplace.SignedCheque, err error) {
	text, err := os.ReadFile(path) // #nosec G304 -- a name of our own making
	if err != nil {
		return sc, fmt.Errorf("read cheque: %w", err)
	}
	if err := json.Unmarshal(text, &sc); err != nil {
		return sc, fmt.Errorf("read cheque %s: %w", filepath.Base(path), err)
	}
	return sc, nil
}

// writeSynced replaces a file so that after a crash it is either the old or the new one.
func writeSynced(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
