package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/everseed/everseed/marketplace"
)

const (
	passphrase = "correct horse battery"
	mnemonic   = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon" +
		" abandon about"
	first  = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH" // of the mnemonic's accounts
	bareID = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
)

// everseed runs the tool with an environment and stdin and returns what it printed.
func everseed(env map[string]string, stdin string, args ...string) (out, errOut string, err error) {
	root := command(func(name string) string { return env[name] })
	var o, e strings.Builder
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&o)
	root.SetErr(&e)
	root.SilenceUsage, root.SilenceErrors = true, true
	err = root.Execute()
	return o.String(), e.String(), err
}

func TestAWalletIsEncryptedUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	locked, bare := filepath.Join(dir, "locked"), filepath.Join(dir, "bare")
	env := map[string]string{"EVERSEED_PASSPHRASE": passphrase}

	_, _, err := everseed(nil, "", "wallet", "new", "--key", locked)
	if !errors.Is(err, marketplace.Unauthorized) {
		t.Errorf("without a passphrase: %v", err)
	}
	_, _, err = everseed(map[string]string{"EVERSEED_PASSPHRASE": "short"}, "", "wallet", "new",
		"--key", locked)
	if !errors.Is(err, marketplace.Invalid) {
		t.Errorf("with a short one: %v", err)
	}
	made, _, err := everseed(env, "", "wallet", "new", "--key", locked, "--json")
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := everseed(env, "", "wallet", "new", "--key", locked, "--json")
	if err != nil || again != made {
		t.Errorf("made again: %q, was %q (%v)", again, made, err)
	}
	if _, _, err := everseed(nil, "", "wallet", "new", "--key", bare, "--no-passphrase"); err != nil {
		t.Fatal(err)
	}
	for path, begins := range map[string]string{locked: "{", bare: ""} {
		text, err := os.ReadFile(path)
		if err != nil || (begins == "{") != strings.HasPrefix(string(text), "{") {
			t.Errorf("%s holds %.10q… (%v)", path, text, err)
		}
	}
}

func TestAKeyOfAnotherWalletIsTakenAndGivenBack(t *testing.T) {
	t.Parallel()
	env := map[string]string{"EVERSEED_PASSPHRASE": passphrase}
	for what, stdin := range map[string]string{"hex": bareID, "0x": "0x" + bareID + "\n",
		"mnemonic": mnemonic + "\n"} {
		path := filepath.Join(t.TempDir(), "wallet.key")
		out, _, err := everseed(env, stdin, "wallet", "import", "--key", path)
		if err != nil || what == "mnemonic" && !strings.Contains(out, first) {
			t.Fatalf("%s: %s (%v)", what, out, err)
		}
		sealed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		again := filepath.Join(t.TempDir(), "again.key")
		if _, _, err := everseed(env, string(sealed), "wallet", "import", "--key", again); err != nil {
			t.Fatalf("%s, the keystore: %v", what, err)
		}
		out, warning, err := everseed(env, "", "wallet", "export", "--key", again)
		if err != nil || !strings.Contains(warning, "warning") ||
			what != "mnemonic" && out != bareID+"\n" {
			t.Errorf("%s: exported with %q (%v)", what, warning, err)
		}
		if _, _, err := everseed(env, stdin, "wallet", "import", "--key", path); !errors.Is(err,
			marketplace.Conflict) {
			t.Errorf("%s: a key file is overwritten: %v", what, err)
		}
	}
	one, _, err := everseed(env, mnemonic, "wallet", "import", "--index", "1", "--key",
		filepath.Join(t.TempDir(), "wallet.key"))
	if err != nil || strings.Contains(one, first) {
		t.Errorf("account 1: %s (%v)", one, err)
	}
}

// Nothing but `wallet export` prints a secret, whatever is done with it.
func TestTheToolPrintsNoSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "wallet.key")
	right := map[string]string{"EVERSEED_PASSPHRASE": passphrase}
	wrong := map[string]string{"EVERSEED_PASSPHRASE": passphrase + bareID}
	var all strings.Builder
	for _, run := range []struct {
		env   map[string]string
		stdin string
		args  []string
	}{
		{right, bareID, []string{"wallet", "import", "--key", path}},
		{right, bareID, []string{"wallet", "import", "--key", path}},
		{right, bareID + "00", []string{"wallet", "import", "--key", path + "2"}},
		{right, mnemonic + " " + bareID, []string{"wallet", "import", "--key", path + "3"}},
		{right, "", []string{"wallet", "new", "--key", path}},
		{wrong, "", []string{"wallet", "new", "--key", path}},
		{wrong, "", []string{"wallet", "export", "--key", path}},
		{right, "", []string{"wallet", "balance", "--key", path, "--market", "http://127.0.0.1:1"}},
		{map[string]string{"EVERSEED_KEY": bareID + "00"}, "", []string{"wallet", "balance"}},
		{map[string]string{"EVERSEED_KEY": bareID}, "", []string{"wallet", "thaw", "1", "--market",
			"http://127.0.0.1:1"}},
		{right, "", []string{"wallet", "import", bareID}},
		{right, "", []string{"--help"}},
	} {
		out, errOut, err := everseed(run.env, run.stdin, run.args...)
		if run.args[len(run.args)-1] != bareID { // what was typed as an argument is repeated
			all.WriteString(out + errOut)
			if err != nil {
				all.WriteString(err.Error() + "\n")
			}
		} else if err == nil {
			t.Error("a key is taken as an argument")
		}
	}
	for _, hidden := range []string{bareID, passphrase, mnemonic} {
		if strings.Contains(all.String(), hidden) {
			t.Errorf("%.12q… is in:\n%s", hidden, all.String())
		}
	}
}
