package marketplace

import (
	"database/sql/driver"
	"encoding/hex"
	"time"
)

// A Cheque is a claim on a poster's mandate in favour of one payee. It is cumulative: redeeming it
// pays the difference to what was paid before, so only the newest one matters and an old one
// can do no harm. Its TIP-712 form and the signatures are in package escrow.
type Cheque struct {
	From       Address `json:"from" doc:"Poster whose vault account pays"`
	Mandate    Hash    `json:"mandate" doc:"Poster's mandate that the signers act under"`
	To         Address `json:"to" doc:"Payee"`
	Cumulative Amount  `json:"cumulative" doc:"Everything ever earned under this mandate, in BTT"`
	Bytes      uint64  `json:"bytes" doc:"Bytes delivered, cumulative; zero for keepalive"`
}

// A Signature is 65 bytes r‖s‖v with v 27 or 28 and s in the lower half of the curve's order.
type Signature [65]byte

// ParseSignature reads 130 hex digits, with or without 0x.
func ParseSignature(text string) (Signature, error) {
	var s Signature
	if len(text) == 132 && text[:2] == "0x" {
		text = text[2:]
	}
	if len(text) != 130 {
		return s, Invalid.Errorf("signature is not 130 hex digits")
	}
	if _, err := hex.Decode(s[:], []byte(text)); err != nil {
		return s, Invalid.Errorf("signature is not 130 hex digits")
	}
	return s, nil
}

func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// MarshalText returns String.
func (s Signature) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSignature.
func (s *Signature) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSignature(string(text))
	return err
}

// Value stores the text.
func (s Signature) Value() (driver.Value, error) { return s.String(), nil }

// Scan reads the text.
func (s *Signature) Scan(src any) error { return scanText(src, s) }

// A ChequeState is where a cheque stands on its way to the payee.
type ChequeState string

// The states of a cheque. Solid, Replaced and Expired are final.
const (
	ChequeOwed      ChequeState = "owed"      // drafted; the signers look at it
	ChequeSigned    ChequeState = "signed"    // a quorum signed; the payee holds it
	ChequeSubmitted ChequeState = "submitted" // a redeeming transaction is stored and sent
	ChequeIncluded  ChequeState = "included"  // that transaction is in a block
	ChequeSolid     ChequeState = "solid"     // the block can no longer be reverted
	ChequeReplaced  ChequeState = "replaced"  // a newer cheque of the same payee says more
	ChequeReverted  ChequeState = "reverted"  // the contract refused; a person looks, it is tried again
	ChequeExpired   ChequeState = "expired"   // its mandate ended first: nobody can redeem it any more
)

// ChequeMoves is the whole law of a cheque's life. A submitted cheque falls back to signed when
// its transaction lapsed unseen: only then may another one be built.
var ChequeMoves = Moves[ChequeState]{
	ChequeOwed:      {ChequeSigned, ChequeReplaced, ChequeExpired},
	ChequeSigned:    {ChequeSubmitted, ChequeReplaced, ChequeSolid, ChequeExpired},
	ChequeSubmitted: {ChequeIncluded, ChequeSolid, ChequeSigned, ChequeReverted},
	ChequeIncluded:  {ChequeSolid, ChequeSubmitted, ChequeSigned, ChequeReverted},
	ChequeReverted:  {ChequeSubmitted, ChequeReplaced, ChequeSolid, ChequeExpired},
}

// A SignedCheque is a cheque on its way, with the signatures gathered so far in ascending order
// of signer.
type SignedCheque struct {
	ID         int64       `json:"id"`
	Cheque     Cheque      `json:"cheque"`
	State      ChequeState `json:"state"`
	Signers    []Address   `json:"signers,omitempty"`
	Signatures []Signature `json:"signatures,omitempty"`
	Tx         string      `json:"tx,omitempty" doc:"Redeeming transaction's id"`
	Wait       *Wait       `json:"wait,omitempty" doc:"Why it does not move on, if it does not"`
	DraftedAt  time.Time   `json:"drafted_at"`
}
