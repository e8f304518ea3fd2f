package orderbook

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// at reads a timestamp that may be NULL into a time that may be zero.
type at struct{ t *time.Time }

func (a at) Scan(src any) error {
	*a.t = time.Time{}
	if src == nil {
		return nil
	}
	t, ok := src.(time.Time)
	if !ok {
		return fmt.Errorf("scan time: %T is none", src)
	}
	*a.t = t.UTC()
	return nil
}

// orNull stores a zero time as NULL.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// orNullJSON stores a noun that is not there as NULL.
func orNullJSON[T any](v *T) []byte {
	if v == nil {
		return nil
	}
	return mustJSON(v)
}

// list reads a text[] of addresses.
type list struct{ to *[]marketplace.Address }

func (l list) texts(texts []string) error {
	*l.to = make([]marketplace.Address, len(texts))
	for i, text := range texts {
		if err := (*l.to)[i].UnmarshalText([]byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func texts[T fmt.Stringer](all []T) []string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = v.String()
	}
	return out
}

// mustJSON encodes a noun of our own.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // nouns always encode
	}
	return text
}
