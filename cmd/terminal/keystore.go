package terminal

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/fbsobreira/gotron-sdk/pkg/keystore"
	"github.com/google/uuid"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// What scrypt costs who guesses, and us once at each start: 128 MiB and about half a second.
const (
	scryptN = 1 << 17
	scryptP = 1
)

// Bounds for files that others made.
const (
	scryptNMax   = 1 << 20 // 1 GiB with r = 8
	scryptRMax   = 8
	scryptPMax   = 16
	pbkdf2Max    = 10_000_000
	keystoreMax  = 64 << 10
	derivedBytes = 32
)

// A sealed key is the keystore file, version 3, that Ethereum's and TRON's wallets read and write.
type sealed struct {
	Address string              `json:"address"`
	Crypto  keystore.CryptoJSON `json:"crypto"`
	ID      string              `json:"id"`
	Version int                 `json:"version"`
}

// seal encrypts a key under a passphrase.
func seal(k escrow.Key, passphrase string) ([]byte, error) {
	raw, err := hex.DecodeString(k.Hex())
	if err != nil || len(raw) == 0 {
		return nil, errors.New("there is no key to encrypt")
	}
	box, err := keystore.EncryptDataV3(raw, []byte(passphrase), scryptN, scryptP)
	if err != nil {
		return nil, fmt.Errorf("encrypt key: %w", err)
	}
	return json.Marshal(sealed{Address: hex.EncodeToString(k.Address().Tron()), Crypto: box,
		ID: uuid.NewString(), Version: 3})
}

// isSealed says whether a key file's text is a keystore and not a bare key.
func isSealed(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "{") }

// unseal decrypts a keystore.
func unseal(text, passphrase string) (k escrow.Key, err error) {
	var s sealed
	if len(text) > keystoreMax || json.Unmarshal([]byte(text), &s) != nil {
		return k, marketplace.Invalid.Errorf("the keystore cannot be read as JSON")
	}
	if err := s.check(); err != nil {
		return k, err
	}
	raw, err := keystore.DecryptDataV3(s.Crypto, passphrase)
	if errors.Is(err, keystore.ErrDecrypt) {
		return k, marketplace.Unauthorized.Errorf("the passphrase is wrong, or the keystore was changed")
	}
	if err != nil {
		return k, marketplace.Invalid.Errorf("the keystore cannot be decrypted: %v", err)
	}
	if k, err = escrow.ParseKey(hex.EncodeToString(raw)); err != nil {
		return k, marketplace.Invalid.Errorf("the keystore does not hold a private key")
	}
	if at, ok := s.account(); ok && at != k.Address() {
		return escrow.Key{}, marketplace.Conflict.Errorf("the keystore says it is of %s, and holds the"+
			" key of %s", at, k.Address())
	}
	return k, nil
}

// check refuses what the library would panic on, or work on for ever.
func (s sealed) check() error {
	refuse := func(what string) error {
		return marketplace.Invalid.Errorf("the keystore %s; it must be version 3 with scrypt or pbkdf2"+
			" and aes-128-ctr, as wallets write it", what)
	}
	c := s.Crypto
	number := func(name string, most float64) bool {
		n, ok := c.KDFParams[name].(float64)
		return ok && n >= 1 && n <= most && n == float64(int(n))
	}
	salt, _ := c.KDFParams["salt"].(string)
	length, _ := c.KDFParams["dklen"].(float64)
	prf, _ := c.KDFParams["prf"].(string)
	switch {
	case s.Version != 3:
		return refuse(fmt.Sprintf("has version %d", s.Version))
	case c.Cipher != "aes-128-ctr":
		return refuse("has another cipher")
	case len(c.CipherParams.IV) != 32 || len(c.CipherText) != 64 || len(c.MAC) != 64:
		return refuse("has fields of a wrong length")
	case salt == "" || length != derivedBytes:
		return refuse("lacks salt or key length")
	case c.KDF == "scrypt" && number("n", scryptNMax) && number("r", scryptRMax) &&
		number("p", scryptPMax):
		return nil
	case c.KDF == "pbkdf2" && number("c", pbkdf2Max) && prf == "hmac-sha256":
		return nil
	default:
		return refuse("derives its key in another way, or at a cost without reason")
	}
}

// account is whose key the keystore says it holds. Wallets write it in several ways, and some not
// at all.
func (s sealed) account() (a marketplace.Address, ok bool) {
	text := strings.TrimPrefix(strings.ToLower(s.Address), "0x")
	if raw, err := hex.DecodeString(text); err == nil {
		a, err = marketplace.AddressFromBytes(raw)
		return a, err == nil
	}
	a, err := marketplace.ParseAddress(s.Address)
	return a, err == nil
}
