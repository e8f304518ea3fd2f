package terminal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/tyler-smith/go-bip39"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// The test vectors of the Web3 Secret Storage Definition.
const (
	vectorPassphrase = "testpassword"
	vectorKey        = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
	vectorPBKDF2     = `{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":
"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":
"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":
{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":
"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":
"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}`
	vectorScrypt = `{"Crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":
"83dbcc02d8ccb40e466191a123791e0e"},"ciphertext":
"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt","kdfparams":
{"dklen":32,"n":262144,"r":1,"p":8,"salt":
"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},"mac":
"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}`
)

func TestKeystoresOfOtherWalletsAreRead(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{"pbkdf2": vectorPBKDF2, "scrypt": vectorScrypt} {
		k, err := unseal(text, vectorPassphrase)
		if err != nil || k.Hex() != vectorKey {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := unseal(text, "wrong"); !errors.Is(err, marketplace.Unauthorized) {
			t.Errorf("%s with a wrong passphrase: %v", what, err)
		}
	}
}

func TestAKeystoreThatCannotBeRightIsRefused(t *testing.T) {
	t.Parallel()
	for what, change := range map[string][2]string{
		"version":        {`"version":3`, `"version":1`},
		"cipher":         {"aes-128-ctr", "aes-128-cbc"},
		"short iv":       {"6087dab2f9fdbbfaddc31a909735c1e6", "6087"},
		"salt no text":   {`"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"`, "7"},
		"length":         {`"dklen":32`, `"dklen":16`},
		"rounds":         {`"c":262144`, `"c":26214400000`},
		"rounds no int":  {`"c":262144`, `"c":1.5`},
		"rounds no text": {`"c":262144`, `"c":"many"`},
		"prf":            {"hmac-sha256", "hmac-md5"},
		"kdf":            {`"kdf":"pbkdf2"`, `"kdf":"argon2"`},
		"kdf of another": {`"kdf":"pbkdf2"`, `"kdf":"scrypt"`},
		"no JSON":        {"}", "]"},
	} {
		text := strings.Replace(vectorPBKDF2, change[0], change[1], 1)
		if text == vectorPBKDF2 {
			t.Fatalf("%s changes nothing", what)
		}
		if _, err := unseal(text, vectorPassphrase); !errors.Is(err, marketplace.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := strings.Replace(vectorPBKDF2, `{"crypto"`,
		`{"address":"T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb","crypto"`, 1)
	if _, err := unseal(other, vectorPassphrase); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("another's address: %v", err)
	}
}

const abandon = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon" +
	" abandon about"

// Two libraries that share no code with the ones in use derive the same keys.
func TestAMnemonicGivesTheKeysThatOtherWalletsDerive(t *testing.T) {
	t.Parallel()
	k, err := keyOfMnemonic(abandon, 0)
	if err != nil || k.Address().String() != "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH" {
		t.Errorf("the mnemonic that every wallet is tested with gives %s (%v)", k.Address(), err)
	}
	for _, words := range []string{abandon,
		"legal winner thank year wave sausage worth useful legal winner thank yellow"} {
		for _, index := range []uint32{0, 1, 7, 1<<31 - 1} {
			k, err := keyOfMnemonic("  "+strings.ToUpper(words)+"\n", index)
			if err != nil {
				t.Fatal(err)
			}
			if want := derived(t, words, index); k.Hex() != want {
				t.Errorf("account %d of another key than others derive", index)
			}
		}
	}
}

func derived(t *testing.T, words string, index uint32) string {
	t.Helper()
	seed, err := bip39.NewSeedWithErrorChecking(words, "")
	if err != nil {
		t.Fatal(err)
	}
	k, err := hdkeychain.NewMaster(seed, &chaincfg.MainNetParams)
	for _, step := range []uint32{44 + 1<<31, 195 + 1<<31, 1 << 31, 0, index} {
		if err != nil {
			t.Fatal(err)
		}
		k, err = k.Derive(step)
	}
	if err != nil {
		t.Fatal(err)
	}
	private, err := k.ECPrivKey()
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(private.Serialize())
}

func TestABadMnemonicIsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for _, words := range []string{strings.Replace(abandon, "about", "abandon", 1),
		strings.Replace(abandon, "about", "aboutx", 1), "abandon about", abandon + " about"} {
		_, err := keyOfMnemonic(words, 0)
		if !errors.Is(err, marketplace.Invalid) || strings.Contains(err.Error(), "abandon") {
			t.Errorf("%v", err)
		}
	}
	if _, err := keyOfMnemonic(abandon, 1<<31); !errors.Is(err, marketplace.Invalid) {
		t.Errorf("an account that cannot be: %v", err)
	}
}

// env is an environment.
type env map[string]string

func (e env) get(name string) string { return e[name] }

func TestAnEncryptedKeyFileOpensWithItsPassphraseOnly(t *testing.T) {
	t.Parallel()
	const secret = "correct horse battery"
	k, err := escrow.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, words := filepath.Join(dir, "new", "wallet.key"), filepath.Join(dir, "passphrase")
	if err := errors.Join(KeepKey(path, k, secret),
		os.WriteFile(words, []byte(secret+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), k.Hex()) {
		t.Fatalf("the file holds the bare key (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	for what, c := range map[string]struct {
		env  env
		kind error
	}{
		"by the environment":     {env{passphraseVariable: secret}, nil},
		"by a file":              {env{passphraseFile: words}, nil},
		"wrong":                  {env{passphraseVariable: secret + "x"}, marketplace.Unauthorized},
		"nobody to type it":      {env{}, marketplace.Unauthorized},
		"by a file that is gone": {env{passphraseFile: dir + "/none"}, marketplace.Invalid},
	} {
		got, err := Key(c.env.get, "EVERSEED_KEY", path, "everseed wallet new")
		if c.kind == nil && (err != nil || got.Hex() != k.Hex()) || !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats the passphrase", what)
		}
	}
	if err := KeepKey(path, k, ""); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("a key file is overwritten: %v", err)
	}
}

// Whatever goes wrong with a secret, no error and no print of what holds it repeats it.
func TestNoErrorRepeatsASecret(t *testing.T) {
	t.Parallel()
	const secret = "correct horse battery"
	k, err := unseal(vectorPBKDF2, vectorPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, text := range []string{vectorKey + "00", vectorKey[1:], "0x" + vectorKey[2:] + "zz",
		abandon + " " + vectorKey, strings.Replace(abandon, "about", vectorKey, 1),
		`{"version":3,"address":"` + vectorKey + `"}`, `{` + vectorKey, "[" + abandon + "]"} {
		_, err := ReadKey(env{passphraseVariable: secret}.get, text, 0)
		if err == nil {
			t.Fatalf("%.10s… is taken for a key", text)
		}
		fmt.Fprintf(&out, "%v %+v %#v\n", err, err, err)
		path := filepath.Join(t.TempDir(), "wallet.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = Key(env{passphraseVariable: secret}.get, "EVERSEED_KEY", path, "")
		fmt.Fprintf(&out, "%v %+v %#v\n", err, err, err)
		_, err = Key(env{"EVERSEED_KEY": text}.get, "EVERSEED_KEY", "", "")
		fmt.Fprintf(&out, "%v %+v %#v\n", err, err, err)
	}
	func() {
		defer func() { fmt.Fprintf(&out, "%v %+v %#v\n", recover(), k, []escrow.Key{k}) }()
		panic(k)
	}()
	Log(&out).Info("key", "key", k, "in", []any{k, &k, struct{ K escrow.Key }{k}})
	for _, hidden := range []string{vectorKey[4:60], secret, "abandon"} {
		if strings.Contains(strings.ToLower(out.String()), hidden) {
			t.Errorf("%q is in:\n%s", hidden, out.String())
		}
	}
}
