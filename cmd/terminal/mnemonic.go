package terminal

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/fbsobreira/go-bip39"
	"github.com/fbsobreira/gotron-sdk/pkg/keys/hd"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// isMnemonic says whether a text is words and not a key.
func isMnemonic(text string) bool { return len(strings.Fields(text)) > 1 }

// keyOfMnemonic returns the key of one account of a BIP-39 mnemonic in English, by the path that
// TRON's wallets use: m/44'/195'/0'/0/index. Its errors do not repeat the words.
func keyOfMnemonic(words string, index uint32) (k escrow.Key, err error) {
	if index >= 1<<31 {
		return k, marketplace.Invalid.Errorf("there is no account %d of a mnemonic", index)
	}
	words = strings.ToLower(strings.Join(strings.Fields(words), " "))
	seed, err := bip39.NewSeedWithErrorChecking(words, "")
	if err != nil {
		return k, marketplace.Invalid.Errorf("this is no mnemonic: it takes 12, 15, 18, 21 or 24 words" +
			" of the English list, in order, the last of which checks the others")
	}
	master, chain := hd.ComputeMastersFromSeed(seed, []byte("Bitcoin seed"))
	//lint:ignore SA1019 the library takes of it the order of the curve, and nothing else
	raw, err := hd.DerivePrivateKeyForPath(secp256k1.S256(), master, chain,
		fmt.Sprintf("44'/195'/0'/0/%d", index))
	if err != nil {
		return k, fmt.Errorf("derive account %d of the mnemonic: %w", index, err)
	}
	return escrow.ParseKey(hex.EncodeToString(raw[:]))
}
