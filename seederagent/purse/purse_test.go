package purse

import (
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// signed returns a cheque with the signatures of some keys, in the order that the vault wants.
func signed(t *testing.T, d escrow.Domain, c marketplace.Cheque, keys ...escrow.Key) (
	sc marketplace.SignedCheque) {
	t.Helper()
	sc.Cheque = c
	for _, k := range keys {
		sig, err := k.SignCheque(d, c)
		if err != nil {
			t.Fatal(err)
		}
		sc.Signatures = append(sc.Signatures, sig)
	}
	return sc
}

// someKeys returns keys in ascending order of their addresses.
func someKeys(t *testing.T, n int) []escrow.Key {
	t.Helper()
	var keys []escrow.Key
	for range n {
		k, err := escrow.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for at < len(keys) && string(addressOf(keys[at])) < string(addressOf(k)) {
			at++
		}
		keys = append(keys[:at], append([]escrow.Key{k}, keys[at:]...)...)
	}
	return keys
}

func addressOf(k escrow.Key) []byte {
	a := k.Address()
	return a[:]
}

func TestOnlyAChequeOfTheQuorumCounts(t *testing.T) {
	t.Parallel()
	d := escrow.Domain{ChainID: 1, Vault: marketplace.Address{7}}
	purse, err := Open(t.TempDir(), Place{ChainID: d.ChainID, Vault: d.Vault})
	if err != nil {
		t.Fatal(err)
	}
	keys := someKeys(t, 3)
	stranger := someKeys(t, 1)[0]
	m := marketplace.Mandate{Poster: marketplace.Address{1}, ID: marketplace.Hash{2}, Threshold: 2}
	for _, k := range keys {
		m.Signers = append(m.Signers, k.Address())
	}
	c := marketplace.Cheque{From: m.Poster, Mandate: m.ID, To: marketplace.Address{3},
		Cumulative: marketplace.BTT(5)}
	good := signed(t, d, c, keys[0], keys[2])
	changed := good
	changed.Cheque.Cumulative = marketplace.BTT(6)
	elsewhere := signed(t, escrow.Domain{ChainID: 2, Vault: d.Vault}, c, keys[0], keys[1])
	for name, bad := range map[string]marketplace.SignedCheque{
		"one signature":         signed(t, d, c, keys[0]),
		"one signer twice":      signed(t, d, c, keys[0], keys[0]),
		"a stranger's":          signed(t, d, c, keys[0], stranger),
		"another amount":        changed,
		"another chain's":       elsewhere,
		"another poster's":      {Cheque: marketplace.Cheque{From: marketplace.Address{9}}},
		"wrong order of signer": signed(t, d, c, keys[2], keys[0]),
	} {
		if isNew, err := purse.Keep(bad, m); err == nil || isNew {
			t.Errorf("%s: kept", name)
		}
	}
	for round, want := range []bool{true, false} {
		if isNew, err := purse.Keep(good, m); err != nil || isNew != want {
			t.Errorf("round %d: new %v, %v", round, isNew, err)
		}
	}
	older := c
	older.Cumulative = marketplace.BTT(4)
	if isNew, err := purse.Keep(signed(t, d, older, keys[0], keys[1]), m); err != nil || isNew {
		t.Errorf("an older cheque took the place of a newer: %v, %v", isNew, err)
	}
	all, err := purse.Cheques()
	if err != nil || len(all) != 1 || all[0].Cheque != c {
		t.Errorf("purse holds %v, %v", all, err)
	}
}
