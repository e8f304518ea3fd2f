package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/marketplace"
)

// An acquaintance is a market as it presented itself when it was last asked. It lies beside the
// wallet, so that a poster finds the vault when the market is gone.
type acquaintance struct {
	At   time.Time              `json:"at"`
	Info marketplace.MarketInfo `json:"info"`
}

func (s *session) acquaintances() string {
	return filepath.Join(filepath.Dir(s.key), "markets.json")
}

// vaultOf asks the market where its vault is. When it does not answer, what it said last counts:
// thaw, withdrawal and revocation are between a poster and the contract.
func (s *session) vaultOf(cmd *cobra.Command) (info marketplace.MarketInfo, live bool, err error) {
	info, err = s.visitor().Rules(cmd.Context())
	if err == nil {
		if err := s.remember(info); err != nil {
			cmd.PrintErrf("The market's vault could not be noted for the day it is gone: %v\n", err)
		}
		return info, true, nil
	}
	var word *marketplace.Error
	if errors.As(err, &word) && word.Kind != marketplace.Unavailable {
		return info, false, fmt.Errorf("read the rules of %s: %w", s.market, err)
	}
	known, ok := s.known()[s.market]
	if !ok {
		return info, false, fmt.Errorf("read the rules of %s, which was never asked from here before: %w",
			s.market, err)
	}
	cmd.PrintErrf("%s does not answer; going to the vault it had on %s\n", s.market, when(known.At))
	return known.Info, false, nil
}

// known reads the markets that were met. What cannot be read was not met.
func (s *session) known() map[string]acquaintance {
	all := map[string]acquaintance{}
	text, err := os.ReadFile(s.acquaintances())
	if err != nil || json.Unmarshal(text, &all) != nil {
		return map[string]acquaintance{}
	}
	return all
}

// remember notes a market, unless it said the same before.
func (s *session) remember(info marketplace.MarketInfo) error {
	all := s.known()
	if old, ok := all[s.market]; ok && old.Info.Vault == info.Vault && old.Info.Token == info.Token {
		return nil
	}
	all[s.market] = acquaintance{At: time.Now().UTC().Truncate(time.Second), Info: info}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	path := s.acquaintances()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
