package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/everseed/everseed/marketplace"
)

// Where a passphrase comes from when nobody is there to type it.
const (
	passphraseVariable = "EVERSEED_PASSPHRASE"      // #nosec G101 -- the name of a variable
	passphraseFile     = "EVERSEED_PASSPHRASE_FILE" // #nosec G101 -- the name of a variable
)

// passphraseMin is the least length of a new passphrase. The file may be stolen and guessed at.
const passphraseMin = 10

// passphrase returns the passphrase of an encrypted key file: from the environment, from a file
// that it names, or from the person at the keyboard.
func passphrase(getenv func(string) string, what string) (string, error) {
	if text := getenv(passphraseVariable); text != "" {
		return text, nil
	}
	if path := getenv(passphraseFile); path != "" {
		text, err := os.ReadFile(path) // #nosec G304 G703 -- the owner names the file
		if err != nil {
			return "", marketplace.Invalid.Errorf("%s: %v", passphraseFile, err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", marketplace.Unauthorized.Errorf("%s is encrypted, and nobody is here to type its"+
			" passphrase: set %s, or %s to a file that has it", what, passphraseVariable, passphraseFile)
	}
	return typed("Passphrase of " + what + ": ")
}

// NewPassphrase returns the passphrase for a new key file, from where passphrase takes it. A
// person types it twice.
func NewPassphrase(getenv func(string) string) (string, error) {
	text, err := passphrase(getenv, "the new key file")
	if err != nil {
		return "", err
	}
	if utf8.RuneCountInString(text) < passphraseMin {
		return "", marketplace.Invalid.Errorf("a passphrase has at least %d characters; with"+
			" --no-passphrase the file is not encrypted", passphraseMin)
	}
	if getenv(passphraseVariable) == "" && getenv(passphraseFile) == "" {
		again, err := typed("The same again: ")
		if err != nil {
			return "", err
		}
		if again != text {
			return "", marketplace.Invalid.Errorf("the two passphrases differ; nothing was written")
		}
	}
	return text, nil
}

// ReadSecret reads a secret from the keyboard without showing it, or all of stdin when that is not
// a keyboard. It is never an argument: those can be seen by other users of the machine and stay in
// the shell's history.
func ReadSecret(stdin io.Reader, prompt string) (string, error) {
	if f, ok := stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return typed(prompt)
	}
	text, err := io.ReadAll(io.LimitReader(bufio.NewReader(stdin), keystoreMax+1))
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if len(text) > keystoreMax {
		return "", marketplace.Invalid.Errorf("that is too long for a key")
	}
	return strings.TrimSpace(string(text)), nil
}

func typed(prompt string) (string, error) {
	fmt.Fprint(os.Stderr, prompt)
	text, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if errors.Is(err, io.EOF) {
		return "", marketplace.Invalid.Errorf("nothing was typed")
	}
	if err != nil {
		return "", fmt.Errorf("read from the keyboard: %w", err)
	}
	return string(text), nil
}
