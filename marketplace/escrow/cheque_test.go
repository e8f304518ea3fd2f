package escrow_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// A chequeVector is a cheque that TRON's own library signed; see testdata/vectors.mjs.
type chequeVector struct {
	Key       string                `json:"key"`
	Signer    marketplace.Address   `json:"signer"`
	ChainID   uint64                `json:"chain_id,string"`
	Vault     marketplace.Address   `json:"vault"`
	From      marketplace.Address   `json:"from"`
	Mandate   marketplace.Hash      `json:"mandate"`
	To        marketplace.Address   `json:"to"`
	Units     string                `json:"units"`
	Bytes     uint64                `json:"bytes,string"`
	Digest    string                `json:"digest"`
	Signature marketplace.Signature `json:"signature"`
	Payout    struct {
		Key       string                `json:"key"` // the payee's
		Recipient marketplace.Address   `json:"recipient"`
		Digest    string                `json:"digest"`
		Signature marketplace.Signature `json:"signature"`
	} `json:"payout"`
}

func (v chequeVector) cheque(t *testing.T) (escrow.Domain, marketplace.Cheque) {
	t.Helper()
	cumulative, err := marketplace.ParseUnits(v.Units)
	if err != nil {
		t.Fatal(err)
	}
	return escrow.Domain{ChainID: v.ChainID, Vault: v.Vault}, marketplace.Cheque{From: v.From,
		Mandate: v.Mandate, To: v.To, Cumulative: cumulative, Bytes: v.Bytes}
}

type textVector struct {
	Key       string                `json:"key"`
	Signer    marketplace.Address   `json:"signer"`
	Text      string                `json:"text"`
	Signature marketplace.Signature `json:"signature"`
}

func vectors(t *testing.T) (v struct {
	Cheques []chequeVector `json:"cheques"`
	Texts   []textVector   `json:"texts"`
}) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cheques) == 0 || len(v.Texts) == 0 {
		t.Fatal("no vectors")
	}
	return v
}

func mustKey(t *testing.T, text string) escrow.Key {
	t.Helper()
	k, err := escrow.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestChequesAreSignedAsTronsOwnLibrarySignsThem(t *testing.T) {
	t.Parallel()
	for i, v := range vectors(t).Cheques {
		d, c := v.cheque(t)
		key := mustKey(t, v.Key)
		if key.Address() != v.Signer {
			t.Errorf("cheque %d: key has account %s, want %s", i, key.Address(), v.Signer)
		}
		if digest := d.Digest(c); hex.EncodeToString(digest[:]) != v.Digest {
			t.Errorf("cheque %d: digest %x, want %s", i, digest, v.Digest)
		}
		if s, err := key.SignCheque(d, c); err != nil || s != v.Signature {
			t.Errorf("cheque %d: signature %s (%v), want %s", i, s, err, v.Signature)
		}
		if by, err := escrow.RecoverCheque(d, c, v.Signature); err != nil || by != v.Signer {
			t.Errorf("cheque %d: signed by %s (%v), want %s", i, by, err, v.Signer)
		}
	}
}

func TestPayoutsAreSignedAsTronsOwnLibrarySignsThem(t *testing.T) {
	t.Parallel()
	for i, v := range vectors(t).Cheques {
		d, c := v.cheque(t)
		if digest := d.PayoutDigest(c, v.Payout.Recipient); hex.EncodeToString(digest[:]) !=
			v.Payout.Digest {
			t.Errorf("payout %d: digest %x, want %s", i, digest, v.Payout.Digest)
		}
		s, err := mustKey(t, v.Payout.Key).SignPayout(d, c, v.Payout.Recipient)
		if err != nil || s != v.Payout.Signature {
			t.Errorf("payout %d: signature %s (%v), want %s", i, s, err, v.Payout.Signature)
		}
	}
}

func TestOnlyThePayeeSignsAPayoutAndNotToWhereItWouldBeLost(t *testing.T) {
	t.Parallel()
	key := mustKey(t, strings.Repeat("7", 64))
	good := escrow.Domain{ChainID: 728126428, Vault: marketplace.Address{1}}
	mine := marketplace.Cheque{To: key.Address(), Cumulative: marketplace.BTT(5)}
	for name, try := range map[string]struct {
		d  escrow.Domain
		c  marketplace.Cheque
		to marketplace.Address
	}{
		"another's cheque": {good, marketplace.Cheque{To: marketplace.Address{4}}, key.Address()},
		"to nobody":        {good, mine, marketplace.Address{}},
		"to the vault":     {good, mine, good.Vault},
		"on no chain":      {escrow.Domain{Vault: good.Vault}, mine, marketplace.Address{4}},
		"from no vault":    {escrow.Domain{ChainID: 1}, mine, marketplace.Address{4}},
	} {
		_, err := key.SignPayout(try.d, try.c, try.to)
		refuses(t, name, err, marketplace.Invalid)
	}
}

func TestTextsAreSignedAsTronsOwnLibrarySignsThem(t *testing.T) {
	t.Parallel()
	for i, v := range vectors(t).Texts {
		if s, err := mustKey(t, v.Key).SignText(v.Text); err != nil || s != v.Signature {
			t.Errorf("text %d: signature %s (%v), want %s", i, s, err, v.Signature)
		}
		if by, err := escrow.RecoverText(v.Text, v.Signature); err != nil || by != v.Signer {
			t.Errorf("text %d: signed by %s (%v), want %s", i, by, err, v.Signer)
		}
		if by, _ := escrow.RecoverText(v.Text+" ", v.Signature); by == v.Signer {
			t.Errorf("text %d: a changed text has the same signer", i)
		}
	}
}

func TestAChangedChequeHasAnotherSigner(t *testing.T) {
	t.Parallel()
	key := mustKey(t, strings.Repeat("7", 64))
	d := escrow.Domain{ChainID: 728126428, Vault: marketplace.Address{1}}
	c := marketplace.Cheque{From: marketplace.Address{2}, Mandate: marketplace.Hash{3},
		To: marketplace.Address{4}, Cumulative: marketplace.BTT(5), Bytes: 6}
	s, err := key.SignCheque(d, c)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*escrow.Domain, *marketplace.Cheque){
		"chain":      func(d *escrow.Domain, _ *marketplace.Cheque) { d.ChainID++ },
		"vault":      func(d *escrow.Domain, _ *marketplace.Cheque) { d.Vault[0]++ },
		"from":       func(_ *escrow.Domain, c *marketplace.Cheque) { c.From[19]++ },
		"mandate":    func(_ *escrow.Domain, c *marketplace.Cheque) { c.Mandate[31]++ },
		"to":         func(_ *escrow.Domain, c *marketplace.Cheque) { c.To[7]++ },
		"cumulative": func(_ *escrow.Domain, c *marketplace.Cheque) { c.Cumulative = marketplace.BTT(6) },
		"bytes":      func(_ *escrow.Domain, c *marketplace.Cheque) { c.Bytes++ },
	} {
		d, c := d, c
		change(&d, &c)
		if by, _ := escrow.RecoverCheque(d, c, s); by == key.Address() {
			t.Errorf("a cheque with another %s has the same signer", name)
		}
	}
}

// order of secp256k1.
var order, _ = new(big.Int).SetString(
	"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)

// other returns the second form of a signature: valid for ecrecover, refused by the vault.
func other(s marketplace.Signature) marketplace.Signature {
	high := new(big.Int).Sub(order, new(big.Int).SetBytes(s[32:64]))
	high.FillBytes(s[32:64])
	s[64] = 27 + 28 - s[64]
	return s
}

func TestASignatureHasOneForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
		key, err := escrow.ParseKey(hex.EncodeToString(secret))
		if err != nil {
			t.Skip("no key")
		}
		text := rapid.String().Draw(t, "text")
		s, err := key.SignText(text)
		if err != nil {
			t.Fatal(err)
		}
		if by, err := escrow.RecoverText(text, s); err != nil || by != key.Address() {
			t.Fatalf("signed by %s: %v", by, err)
		}
		if _, err := escrow.RecoverText(text, other(s)); !errors.Is(err, marketplace.Invalid) {
			t.Fatalf("high s is taken: %v", err)
		}
		s[64] -= 27
		if _, err := escrow.RecoverText(text, s); !errors.Is(err, marketplace.Invalid) {
			t.Fatalf("v %d is taken: %v", s[64], err)
		}
	})
}

func TestAKeyDoesNotPrint(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("ab", 32)
	key := mustKey(t, secret)
	var out strings.Builder
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("key", "key", key, "in", struct{ K escrow.Key }{key}, "ptr", &key)
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x", key, key, key, key, key, key)
	fmt.Fprintf(&out, "%v %+v", struct{ k escrow.Key }{key}, []escrow.Key{key})
	if text, err := json.Marshal(key); err == nil {
		out.Write(text)
	}
	if strings.Contains(strings.ToLower(out.String()), secret) {
		t.Fatalf("the key is in %s", out.String())
	}
	if key.Hex() != secret {
		t.Fatalf("Hex is %s", key.Hex())
	}
}

func TestABadKeyIsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "abc", strings.Repeat("0", 64), strings.Repeat("f", 64),
		order.Text(16), strings.Repeat("g", 64), strings.Repeat("1", 66)} {
		_, err := escrow.ParseKey(text)
		if !errors.Is(err, marketplace.Invalid) {
			t.Errorf("key %q: %v", text, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("error repeats the key: %v", err)
		}
	}
	if _, err := (escrow.Key{}).SignText("x"); !errors.Is(err, marketplace.Unauthorized) {
		t.Errorf("no key signs: %v", err)
	}
}
