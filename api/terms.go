package api

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/everseed/everseed/marketplace"
)

// terms are BountyTerms or OfferTerms.
type terms interface {
	Check(marketplace.Rules) error
}

// A BountyBody checks its terms against the rules together with the schema, so that a form can
// show everything at once. The book checks them again.
type BountyBody struct {
	Body    marketplace.BountyTerms
	RawBody []byte
}

// Resolve is called by huma.
func (in *BountyBody) Resolve(ctx huma.Context) []error {
	return breaches[marketplace.BountyTerms](ctx, in.RawBody)
}

// An OfferBody is checked like a BountyBody.
type OfferBody struct {
	Body    marketplace.OfferTerms
	RawBody []byte
}

// Resolve is called by huma.
func (in *OfferBody) Resolve(ctx huma.Context) []error {
	return breaches[marketplace.OfferTerms](ctx, in.RawBody)
}

// breaches reads terms field by field, so that one bad field hides no other, and checks what
// could be read.
func breaches[T terms](ctx huma.Context, raw []byte) []error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil // huma says so
	}
	var t T
	var errs []error
	bad := map[string]bool{}
	v := reflect.ValueOf(&t).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		value, ok := fields[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(value, v.Field(i).Addr().Interface()); err != nil {
			bad[name] = true
			errs = append(errs, &huma.ErrorDetail{Location: "body." + name, Message: unread(err)})
		}
	}
	rules := visitOf(ctx.Context()).server.info.Rules
	for _, e := range marketplace.Refusals(t.Check(rules)) {
		if !bad[e.Field] {
			errs = append(errs, &huma.ErrorDetail{Location: "body." + e.Field, Message: e.Detail})
		}
	}
	return errs
}

// unread says why a value could not be read, without the names of Go's types.
func unread(err error) string {
	var e *marketplace.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return "has a value that cannot be read"
}

// fingerprint tells one request from another that uses the same Idempotency-Key.
func fingerprint(method, path string, body []byte) [32]byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(method), []byte(path), body} {
		size := sha256.Sum256(part) // parts of fixed size cannot run into one another
		h.Write(size[:])
	}
	return [32]byte(h.Sum(nil))
}
