package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

// The nouns' texts, as the spec shows them. Package marketplace does not know huma, so each text
// type has a stand-in here that gives its schema.
type (
	addressText   struct{}
	infohashText  struct{}
	hashText      struct{}
	signatureText struct{}
	amountText    struct{}
	spanText      struct{}
)

func text(format, pattern, words, example string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: format, Pattern: pattern,
		PatternDescription: words, Examples: []any{example}}
}

// Schema of an Address.
func (addressText) Schema(huma.Registry) *huma.Schema {
	return text("tron-address", "^T[1-9A-HJ-NP-Za-km-z]{33}$",
		"a TRON address (34 characters, T…)", "TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy")
}

// Schema of an Infohash.
func (infohashText) Schema(huma.Registry) *huma.Schema {
	return text("infohash", "^[0-9a-fA-F]{40}$", "40 hex digits",
		"c12fe1c06bba254a9dc9f519b335aa7c1367a88a")
}

// Schema of a Hash.
func (hashText) Schema(huma.Registry) *huma.Schema {
	return text("hash", "^[0-9a-fA-F]{64}$", "64 hex digits",
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
}

// Schema of a Signature.
func (signatureText) Schema(huma.Registry) *huma.Schema {
	s := text("signature", "^(0x)?[0-9a-fA-F]{130}$", "130 hex digits: r, s and v", "")
	s.Examples = nil
	return s
}

// Schema of an Amount.
func (amountText) Schema(huma.Registry) *huma.Schema {
	return text("btt", `^\d+(\.\d{1,18})?$`,
		"a decimal number of BTT in a string, like \"12.5\"", "12.5")
}

// Schema of a Span.
func (spanText) Schema(huma.Registry) *huma.Schema {
	return text("span", `^(\d+d|0|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+)$`,
		"a length of time like 30d, 6h or 90s", "30d")
}

// An enum is the stand-in of a noun that has a closed set of texts.
type enum[T ~string] struct{}

// Schema of a closed set.
func (enum[T]) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: sets[reflect.TypeFor[T]()]}
}

// sets are the texts of each closed set.
var sets = map[reflect.Type][]any{
	reflect.TypeFor[marketplace.BountyState](): texts(marketplace.Unfunded, marketplace.Open,
		marketplace.Filled, marketplace.Degraded, marketplace.Completed, marketplace.Cancelled,
		marketplace.Expired),
	reflect.TypeFor[marketplace.LeaseState](): texts(marketplace.Reserved, marketplace.Fetching,
		marketplace.Proving, marketplace.Active, marketplace.Grace, marketplace.LeaseDone,
		marketplace.Released, marketplace.Failed),
	reflect.TypeFor[marketplace.OfferState](): texts(marketplace.OfferLive,
		marketplace.OfferPaused, marketplace.OfferClosed),
	reflect.TypeFor[marketplace.AuditorState](): texts(marketplace.Applied, marketplace.Admitted,
		marketplace.PausedAuditor, marketplace.Barred, marketplace.Refused, marketplace.LeftAuditor),
	reflect.TypeFor[marketplace.ChequeState](): texts(marketplace.ChequeOwed,
		marketplace.ChequeSigned, marketplace.ChequeSubmitted, marketplace.ChequeIncluded,
		marketplace.ChequeSolid, marketplace.ChequeReplaced, marketplace.ChequeReverted,
		marketplace.ChequeExpired),
	reflect.TypeFor[marketplace.WaitReason](): texts(marketplace.WaitReasons()...),
	reflect.TypeFor[marketplace.Standing](): texts(marketplace.New, marketplace.Vetted,
		marketplace.Suspended, marketplace.Disqualified),
	reflect.TypeFor[marketplace.Verdict](): texts(marketplace.VerdictPass,
		marketplace.VerdictFail, marketplace.VerdictDataFault, marketplace.VerdictAccused,
		marketplace.VerdictUnaudited),
	reflect.TypeFor[marketplace.Cause](): texts(marketplace.Causes()...),
	reflect.TypeFor[marketplace.Outcome](): texts(marketplace.Pass, marketplace.BadData,
		marketplace.Withheld, marketplace.Timeout, marketplace.Unreachable,
		marketplace.AuditorFault),
	reflect.TypeFor[marketplace.WarningKind](): texts(marketplace.WarnData,
		marketplace.WarnUptime, marketplace.OutOfUptime, marketplace.OutForGood),
	reflect.TypeFor[marketplace.Kind](): texts(marketplace.Invalid, marketplace.Forbidden),
	reflect.TypeFor[client.Scope](): texts(client.ScopeRead, client.ScopeTrade,
		client.ScopeWithdraw),
}

func texts[T ~string](all ...T) []any {
	out := make([]any, len(all))
	for i, v := range all {
		out[i] = string(v)
	}
	return out
}

// nouns tells huma the schemas of the market's text types.
func nouns(r huma.Registry) {
	alias[marketplace.Address, addressText](r)
	alias[marketplace.Infohash, infohashText](r)
	alias[marketplace.Hash, hashText](r)
	alias[marketplace.Signature, signatureText](r)
	alias[marketplace.Amount, amountText](r)
	alias[marketplace.Span, spanText](r)
	alias[marketplace.BountyState, enum[marketplace.BountyState]](r)
	alias[marketplace.LeaseState, enum[marketplace.LeaseState]](r)
	alias[marketplace.OfferState, enum[marketplace.OfferState]](r)
	alias[marketplace.AuditorState, enum[marketplace.AuditorState]](r)
	alias[marketplace.ChequeState, enum[marketplace.ChequeState]](r)
	alias[marketplace.WaitReason, enum[marketplace.WaitReason]](r)
	alias[marketplace.Standing, enum[marketplace.Standing]](r)
	alias[marketplace.Verdict, enum[marketplace.Verdict]](r)
	alias[marketplace.Cause, enum[marketplace.Cause]](r)
	alias[marketplace.Outcome, enum[marketplace.Outcome]](r)
	alias[marketplace.WarningKind, enum[marketplace.WarningKind]](r)
	alias[marketplace.Kind, enum[marketplace.Kind]](r)
	alias[client.Scope, enum[client.Scope]](r)
}

func alias[T, Text any](r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[T](), reflect.TypeFor[Text]())
}
