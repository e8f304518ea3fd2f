package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// keepsSecrets looks for the keys of the processes in everything that they logged. It follows every
// story, kills and outages included.
func (s *story) keepsSecrets() error {
	logs, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if err != nil {
		return err
	}
	if len(logs) == 0 {
		return fmt.Errorf("there is no log in %s to look at", s.dir)
	}
	secrets := s.secrets()
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		text = bytes.ToLower(text)
		for name, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				return fmt.Errorf("%s holds %s", filepath.Base(log), name)
			}
		}
	}
	return nil
}

// secrets returns the keys that the processes were given, and the people's, by what they are.
func (s *story) secrets() map[string]string {
	found := map[string]string{"the poster's key": s.poster.key.Hex(),
		"the faucet's key": s.faucet.Hex()}
	all := append([]*process{s.market}, s.auditors...)
	for _, a := range s.agents {
		all = append(all, a.process)
	}
	for _, p := range all {
		for _, setting := range p.env {
			name, value, _ := strings.Cut(setting, "=")
			if (strings.HasSuffix(name, "_KEY") || strings.HasSuffix(name, "_SECRET")) && value != "" {
				found[name+" of "+p.name] = strings.ToLower(value)
			}
		}
	}
	return found
}
