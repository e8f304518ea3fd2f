package purse

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

// A Place is where cheques are redeemed, as a market told it. It is checked against the chain
// before it is used.
type Place struct {
	ChainID uint64              `json:"chain_id"`
	Vault   marketplace.Address `json:"vault"`
	Token   marketplace.Address `json:"token"`
	TRON    string              `json:"tron,omitempty" doc:"A node that knew it, host:port"`
}

// A Held is a signed cheque with what redeeming it takes.
type Held struct {
	marketplace.SignedCheque
	Mandate marketplace.Mandate `json:"mandate"`
	Place   Place               `json:"place"`

	// Note is the file in which its transaction is written down before it is sent.
	Note string `json:"-"`
}

// A Purse keeps the newest signed cheque of each mandate and payee in a folder. What lies in it can
// be redeemed by anyone who has the files, without the market.
type Purse struct {
	dir   string
	place Place
}

// Open makes the folder when it is missing. The cheques that it will keep are those of one vault;
// it may hold others from before.
func Open(dir string, at Place) (*Purse, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make purse: %w", err)
	}
	return &Purse{dir: dir, place: at}, nil
}

// Keep checks a cheque's signatures against the mandate's signers and stores it, synced, unless
// the purse has one that says at least as much. It reports whether it was new.
func (p *Purse) Keep(sc marketplace.SignedCheque, m marketplace.Mandate) (bool, error) {
	if err := p.check(sc, m); err != nil {
		return false, err
	}
	path := p.file(sc.Cheque)
	old, err := Read(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if old.Cheque.Cumulative.Cmp(sc.Cheque.Cumulative) >= 0 {
		return false, nil
	}
	sc.Wait, sc.Tx = nil, "" // true when it was read, and not for long
	text, err := json.MarshalIndent(Held{SignedCheque: sc, Mandate: m, Place: p.place}, "", "  ")
	if err != nil {
		return false, fmt.Errorf("encode cheque: %w", err)
	}
	if err := WriteSynced(path, text, os.Rename); err != nil {
		return false, fmt.Errorf("keep cheque %d: %w", sc.ID, err)
	}
	return true, nil
}

// Collect keeps those of some cheques that are signed and say more than the ones it has, and returns
// them. Who may sign on a mandate is asked of mandate.
func (p *Purse) Collect(all []marketplace.SignedCheque,
	mandate func(marketplace.Cheque) (marketplace.Mandate, error)) (
	kept []marketplace.SignedCheque, err error) {
	for _, sc := range all {
		if sc.State == marketplace.ChequeOwed || sc.State == marketplace.ChequeReplaced {
			continue
		}
		m, err := mandate(sc.Cheque)
		if err != nil {
			return kept, err
		}
		isNew, err := p.Keep(sc, m)
		if err != nil {
			return kept, err
		}
		if isNew {
			kept = append(kept, sc)
		}
	}
	return kept, nil
}

// check says what is wrong with a cheque's signatures.
func (p *Purse) check(sc marketplace.SignedCheque, m marketplace.Mandate) error {
	if sc.Cheque.Mandate != m.ID || sc.Cheque.From != m.Poster {
		return marketplace.Invalid.Errorf("cheque %d is not drawn on mandate %s", sc.ID, m.ID)
	}
	domain := escrow.Domain{ChainID: p.place.ChainID, Vault: p.place.Vault}
	var last marketplace.Address
	for i, sig := range sc.Signatures {
		signer, err := escrow.RecoverCheque(domain, sc.Cheque, sig)
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
func (p *Purse) Cheques() ([]Held, error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, fmt.Errorf("read purse: %w", err)
	}
	all := []Held{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue // a torn write of another run, or a transaction
		}
		h, err := Read(filepath.Join(p.dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// file names a cheque by all that tells it from another: a poster may use the same mandate's id at
// two vaults.
func (p *Purse) file(c marketplace.Cheque) string {
	return filepath.Join(p.dir, fmt.Sprintf("%s-%s-%s-%s.json", p.place.Vault, c.From, c.Mandate,
		c.To))
}

// chequeMax bounds the file of a cheque.
const chequeMax = 1 << 20

// Read reads a cheque's file: one of a purse, or a signed cheque as the market's API gives it,
// which does not say where its vault is.
func Read(path string) (h Held, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return h, fmt.Errorf("read cheque: %w", err)
	}
	if info.Size() > chequeMax {
		return h, marketplace.Invalid.Errorf("%s is too large for a cheque", path)
	}
	text, err := os.ReadFile(path) // #nosec G304 -- the owner names the file, or we did
	if err != nil {
		return h, fmt.Errorf("read cheque: %w", err)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, marketplace.Invalid.Errorf("%s is no cheque: %v", path, err)
	}
	if h.Cheque.To.IsZero() || len(h.Signatures) == 0 {
		return h, marketplace.Invalid.Errorf("%s is no signed cheque: it names no payee, or has no"+
			" signatures", path)
	}
	h.Note = strings.TrimSuffix(path, ".json") + ".tx"
	return h, nil
}

// WriteSynced puts a file, which only its owner may read, in its place so that after a crash it is either the old or the new one.
// os.Rename replaces, os.Link refuses what is there.
func WriteSynced(path string, text []byte, place func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = place(f.Name(), path)
	}
	if gone := os.Remove(f.Name()); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return err
	}
	return syncFolder(path)
}

// syncFolder makes a change of names in a file's folder last.
func syncFolder(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
