package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// operator returns the key that the market was started with.
func (s *story) operator() (escrow.Key, error) {
	for _, line := range s.market.env {
		if text, ok := strings.CutPrefix(line, "EVERSEED_MARKET_KEY="); ok {
			return escrow.ParseKey(text)
		}
	}
	return escrow.Key{}, errors.New("the market has no key")
}

// breakMarket takes all TRX but a few from the market's key, before it has sent anything.
func (s *story) breakMarket(*testscript.TestScript, []string) error {
	key, err := s.operator()
	if err != nil {
		return err
	}
	have, err := s.vault.TRX(s.ctx, key.Address())
	if err != nil {
		return err
	}
	tx, err := s.vault.BuildTransferTRX(s.ctx, key, s.faucet.Address(), have-2*escrow.Sun)
	return s.confirm(s.ctx, tx, err)
}

// enrichMarket gives it TRX again.
func (s *story) enrichMarket(*testscript.TestScript, []string) error {
	key, err := s.operator()
	if err != nil {
		return err
	}
	return s.giveTRX(s.ctx, key.Address())
}

// makeCarrier FILE writes a key that has TRX and nothing else.
func (s *story) makeCarrier(ts *testscript.TestScript, args []string) error {
	key, err := escrow.NewKey()
	if err != nil {
		return err
	}
	if err := s.giveTRX(s.ctx, key.Address()); err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(key.Hex()), 0o600)
}

// awaitKept NAME REASON waits until an agent's purse holds the newest cheque to it, and the market
// says why that waits. Then $NAME_CHEQUE is its file.
func (s *story) awaitKept(ts *testscript.TestScript, args []string) error {
	for _, a := range s.agents {
		if a.name != args[0] {
			continue
		}
		return s.market.until(s.ctx, "the purse has a cheque that waits: "+args[1], func() bool {
			all, err := s.client.Cheques(s.ctx, client.ChequeFilter{Payee: a.key.Address(),
				State: marketplace.ChequeSigned})
			if err != nil || len(all) == 0 || all[0].Wait == nil ||
				string(all[0].Wait.Reason) != args[1] {
				return false
			}
			file, kept := inPurse(a.config.Purse(), fmt.Sprintf("\"id\": %d,", all[0].ID))
			ts.Setenv(strings.ToUpper(a.name)+"_CHEQUE", file)
			return kept
		})
	}
	return fmt.Errorf("nobody is called %q", args[0])
}

// inPurse returns the file of a purse that has a part in it.
func inPurse(dir, part string) (string, bool) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.json")) // the pattern is right
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), part) {
			return f, true
		}
	}
	return "", false
}

// cutShort PURSE KEY starts a redemption and kills it once its transaction is written down.
func (s *story) cutShort(ts *testscript.TestScript, args []string) error {
	p := s.process("redeem", "everseed-agent", "redeem", "--purse", args[0], "--key",
		ts.MkAbs(args[1]), "--yes")
	if err := p.start(); err != nil {
		return err
	}
	err := p.until(s.ctx, "it is written down", func() bool {
		notes, err := filepath.Glob(filepath.Join(args[0], "*.tx"))
		return err == nil && len(notes) > 0
	})
	return errors.Join(err, p.kill())
}
