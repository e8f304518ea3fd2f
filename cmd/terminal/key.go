package terminal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// Key returns the private key from an environment variable or else from a file. maker is the
// command that makes one, for who has none.
func Key(getenv func(string) string, variable, path, maker string) (escrow.Key, error) {
	if text := getenv(variable); text != "" {
		k, err := escrow.ParseKey(text)
		if err != nil {
			return k, marketplace.Invalid.Errorf("%s is not a private key of 64 hex digits", variable)
		}
		return k, nil
	}
	text, err := os.ReadFile(path) // #nosec G304 -- the owner names the file
	if errors.Is(err, os.ErrNotExist) || path == "" {
		return escrow.Key{}, marketplace.NotFound.Errorf(
			"no key: set %s, or make one with `%s`", variable, maker)
	}
	if err != nil {
		return escrow.Key{}, fmt.Errorf("read key: %w", err)
	}
	k, err := escrow.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return k, marketplace.Invalid.Errorf("%s does not hold a private key of 64 hex digits", path)
	}
	return k, nil
}

// MakeKey writes a new private key to a file that only its owner can read. A key that is there
// already is kept and returned.
func MakeKey(path string) (escrow.Key, error) {
	none := func(string) string { return "" }
	k, err := Key(none, "", path, "")
	if !errors.Is(err, marketplace.NotFound) {
		return k, err
	}
	if k, err = escrow.NewKey(); err != nil {
		return k, fmt.Errorf("make key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return k, fmt.Errorf("make key folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304
	if err != nil {
		return k, fmt.Errorf("write key: %w", err)
	}
	_, err = fmt.Fprintln(f, k.Hex())
	return k, errors.Join(err, f.Sync(), f.Close())
}
