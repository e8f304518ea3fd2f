package terminal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// Key returns the private key from an environment variable, for containers, or else from a file: 64
// hex digits or an encrypted keystore, whose passphrase is taken from EVERSEED_PASSPHRASE, from the
// file that EVERSEED_PASSPHRASE_FILE names, or from the keyboard. maker is the command that makes
// a key, for who has none.
func Key(getenv func(string) string, variable, path, maker string) (escrow.Key, error) {
	if text := getenv(variable); text != "" {
		k, err := escrow.ParseKey(strings.TrimSpace(text))
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
	if errors.Is(err, os.ErrPermission) {
		return escrow.Key{}, marketplace.Forbidden.Errorf("%s may not be read by this user: its owner"+
			" can `chown` it", path)
	}
	if err != nil {
		return escrow.Key{}, fmt.Errorf("read key: %w", err)
	}
	if isSealed(string(text)) {
		return open(getenv, path, string(text))
	}
	warnIfShared(path)
	k, err := escrow.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return k, marketplace.Invalid.Errorf("%s holds neither a private key of 64 hex digits nor an"+
			" encrypted keystore", path)
	}
	return k, nil
}

// open decrypts a keystore file.
func open(getenv func(string) string, path, text string) (escrow.Key, error) {
	secret, err := passphrase(getenv, path)
	if err != nil {
		return escrow.Key{}, err
	}
	k, err := unseal(text, secret)
	if err != nil {
		return k, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// ReadKey reads a key as other wallets export it: 64 hex digits, a mnemonic, of which index names
// the account, or a keystore with its passphrase.
func ReadKey(getenv func(string) string, text string, index uint32) (escrow.Key, error) {
	switch {
	case isSealed(text):
		return open(getenv, "the keystore", text)
	case isMnemonic(text):
		return keyOfMnemonic(text, index)
	}
	k, err := escrow.ParseKey(strings.TrimPrefix(strings.TrimSpace(text), "0x"))
	if err != nil {
		return k, marketplace.Invalid.Errorf("this is no key: give 64 hex digits, the words of a" +
			" mnemonic, or a keystore in JSON")
	}
	return k, nil
}

// warnIfShared tells the owner of a bare key that others of the machine can read it. It is no
// refusal: containers are given their secrets that way.
func warnIfShared(path string) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return
	}
	Log(os.Stderr).Info("key file can be read by others", "file", path,
		"mode", info.Mode().Perm().String(), "mend", "chmod 600 "+path)
}

// MakeKey writes a new private key to a file that only its owner can read, and returns it. A key
// that is there already is kept and returned. It is not encrypted: it is for daemons, which start
// again after a power cut when nobody is there. A passphrase beside the key would guard nothing,
// and what such a key can lose is bounded by naming a payee whose key is elsewhere.
func MakeKey(path string) (escrow.Key, error) {
	none := func(string) string { return "" }
	k, err := Key(none, "", path, "")
	if !errors.Is(err, marketplace.NotFound) {
		return k, err
	}
	if k, err = escrow.NewKey(); err != nil {
		return k, fmt.Errorf("make key: %w", err)
	}
	return k, KeepKey(path, k, "")
}

// KeepKey writes a key to a new file that only its owner can read, encrypted when there is a
// passphrase.
func KeepKey(path string, k escrow.Key, passphrase string) error {
	text := []byte(k.Hex())
	if passphrase != "" {
		var err error
		if text, err = seal(k, passphrase); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make key folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304
	if errors.Is(err, os.ErrExist) {
		return marketplace.Conflict.Errorf("%s is there already; name another file with --key", path)
	}
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
