package marketplace

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"fmt"

	"github.com/mr-tron/base58"
)

// An Address is a TRON account: the 20 bytes that a contract sees. Its text is base58check with
// the prefix byte 0x41 ("T…"). The zero Address is nobody.
type Address [20]byte

const addressPrefix = 0x41

// ParseAddress reads the base58check text of an account on TRON.
func ParseAddress(s string) (Address, error) {
	var a Address
	if len(s) != 34 {
		return a, Invalid.Errorf("address %.40q is not a TRON address (34 characters, T…)", s)
	}
	raw, err := base58.Decode(s)
	if err != nil || len(raw) != 25 || raw[0] != addressPrefix {
		return a, Invalid.Errorf("address %q is not a TRON address (34 characters, T…)", s)
	}
	if sum := checksum(raw[:21]); string(raw[21:]) != string(sum) {
		return a, Invalid.Errorf("address %q has a wrong checksum; was a letter mistyped?", s)
	}
	copy(a[:], raw[1:21])
	return a, nil
}

// AddressFromBytes reads 20 bytes, or 21 that begin with TRON's prefix 0x41.
func AddressFromBytes(b []byte) (Address, error) {
	var a Address
	if len(b) == 21 && b[0] == addressPrefix {
		b = b[1:]
	}
	if len(b) != len(a) {
		return a, Invalid.Errorf("address of %d bytes", len(b))
	}
	copy(a[:], b)
	return a, nil
}

func checksum(b []byte) []byte {
	once := sha256.Sum256(b)
	twice := sha256.Sum256(once[:])
	return twice[:4]
}

// Tron returns the 21 bytes that TRON's own messages carry.
func (a Address) Tron() []byte { return append([]byte{addressPrefix}, a[:]...) }

// IsZero says whether a is nobody.
func (a Address) IsZero() bool { return a == Address{} }

func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	raw := a.Tron()
	return base58.Encode(append(raw, checksum(raw)...))
}

// MarshalText returns String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseAddress; empty text is nobody.
func (a *Address) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	*a, err = ParseAddress(string(text))
	return err
}

// Value stores the text.
func (a Address) Value() (driver.Value, error) { return a.String(), nil }

// Scan reads the text.
func (a *Address) Scan(src any) error { return scanText(src, a) }

// An Infohash names a torrent: SHA-1 of its info dictionary, as 40 hex digits.
type Infohash [20]byte

// ParseInfohash reads 40 hex digits.
func ParseInfohash(s string) (Infohash, error) {
	var h Infohash
	if len(s) != 40 {
		return h, Invalid.Errorf("infohash %.50q is not 40 hex digits", s)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return h, Invalid.Errorf("infohash %q is not 40 hex digits", s)
	}
	return h, nil
}

// IsZero says whether h names nothing.
func (h Infohash) IsZero() bool { return h == Infohash{} }

func (h Infohash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns String.
func (h Infohash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText is ParseInfohash.
func (h *Infohash) UnmarshalText(text []byte) (err error) {
	*h, err = ParseInfohash(string(text))
	return err
}

// Value stores the text.
func (h Infohash) Value() (driver.Value, error) { return h.String(), nil }

// Scan reads the text.
func (h *Infohash) Scan(src any) error { return scanText(src, h) }

// A Hash is 32 bytes as 64 hex digits: a mandate's id, a block's id, a call's digest.
type Hash [32]byte

// ParseHash reads 64 hex digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 64 {
		return h, Invalid.Errorf("hash %.70q is not 64 hex digits", s)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return h, Invalid.Errorf("hash %q is not 64 hex digits", s)
	}
	return h, nil
}

// IsZero says whether h is unset.
func (h Hash) IsZero() bool { return h == Hash{} }

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText is ParseHash.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHash(string(text))
	return err
}

// Value stores the text.
func (h Hash) Value() (driver.Value, error) { return h.String(), nil }

// Scan reads the text.
func (h *Hash) Scan(src any) error { return scanText(src, h) }

func scanText(src any, dst interface{ UnmarshalText([]byte) error }) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("scan %T: %T is not a string", dst, src)
	}
	return dst.UnmarshalText([]byte(s))
}
