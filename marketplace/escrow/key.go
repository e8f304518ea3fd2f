package escrow

import (
	"encoding/hex"
	"fmt"
	"log/slog"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"

	"github.com/everseed/everseed/marketplace"
)

// A Key is the private key of a TRON account. It prints as its account, never as itself.
type Key struct {
	private *secp256k1.PrivateKey
	address marketplace.Address
}

// NewKey makes a key from the system's randomness.
func NewKey() (Key, error) {
	private, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return Key{}, fmt.Errorf("make private key: %w", err)
	}
	return keyOf(private), nil
}

// ParseKey reads 64 hex digits. Its errors do not repeat what it was given.
func ParseKey(text string) (Key, error) {
	refuse := marketplace.Invalid.Errorf("a private key is 64 hex digits, not zero and below the" +
		" order of secp256k1")
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 32 {
		return Key{}, refuse
	}
	var scalar secp256k1.ModNScalar
	if over := scalar.SetByteSlice(raw); over || scalar.IsZero() {
		return Key{}, refuse
	}
	return keyOf(secp256k1.NewPrivateKey(&scalar)), nil
}

func keyOf(private *secp256k1.PrivateKey) Key {
	return Key{private: private, address: addressOf(private.PubKey())}
}

// addressOf returns the account of a public key: the end of its hash.
func addressOf(public *secp256k1.PublicKey) (a marketplace.Address) {
	hash := keccak(public.SerializeUncompressed()[1:])
	copy(a[:], hash[12:])
	return a
}

// Address returns the key's account.
func (k Key) Address() marketplace.Address { return k.address }

// Hex returns the 64 hex digits that ParseKey reads. It is for storing a new key, and for nothing
// else.
func (k Key) Hex() string {
	if k.private == nil {
		return ""
	}
	return hex.EncodeToString(k.private.Serialize())
}

func (k Key) String() string { return "key of " + k.address.String() }

// GoString keeps the key out of %#v.
func (k Key) GoString() string { return k.String() }

// LogValue keeps the key out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText refuses: a key in JSON is a key in a log.
func (k Key) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("the %s is not to be marshalled; Hex is for storing it", k)
}

// sign signs a 32-byte digest, deterministically (RFC 6979) and with low s.
func (k Key) sign(digest [32]byte) (s marketplace.Signature, err error) {
	if k.private == nil {
		return s, marketplace.Unauthorized.Errorf("there is no key to sign with")
	}
	compact := ecdsa.SignCompact(k.private, digest[:], false)
	copy(s[:64], compact[1:])
	s[64] = compact[0]
	return s, nil
}

// recoverSigner returns who signed a digest. Like the vault it takes only v of 27 or 28 and
// low s, so that a signature has one form.
func recoverSigner(digest [32]byte, s marketplace.Signature) (marketplace.Address, error) {
	var low secp256k1.ModNScalar
	if over := low.SetByteSlice(s[32:64]); over || low.IsOverHalfOrder() {
		return marketplace.Address{}, marketplace.Invalid.Errorf(
			"signature has s in the upper half of the curve's order")
	}
	if s[64] != 27 && s[64] != 28 {
		return marketplace.Address{}, marketplace.Invalid.Errorf(
			"signature has v %d; it must be 27 or 28", s[64])
	}
	compact := append([]byte{s[64]}, s[:64]...)
	public, _, err := ecdsa.RecoverCompact(compact, digest[:])
	if err != nil {
		return marketplace.Address{}, marketplace.Invalid.Errorf("signature is of no key: %v", err)
	}
	return addressOf(public), nil
}

func keccak(parts ...[]byte) (sum [32]byte) {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}
