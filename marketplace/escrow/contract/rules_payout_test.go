package contract_test

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

var cold = someone("cold")

// payout is somebody's signature that a cheque pays a recipient. It is made without package
// escrow, which signs for the payee alone.
func (s slip) payout(d escrow.Domain, by who, recipient common.Address) []byte {
	key, err := crypto.ToECDSA(by.secret[:])
	if err != nil {
		panic(err)
	}
	digest := d.PayoutDigest(s.cheque(), marketplace.Address(recipient))
	signature, err := crypto.Sign(digest[:], key)
	if err != nil {
		panic(err)
	}
	signature[64] += 27
	return signature
}

// to returns the arguments of redeemTo with two good signatures on the cheque.
func (r *rig) to(s slip, recipient common.Address, payout []byte) []any {
	return append(r.signed(s), recipient, payout)
}

// payable is a vault where the poster's mandate and account can pay 100.
func (r *rig) payable() {
	r.open(100)
	r.ok(poster, "deposit", n(100))
}

func payoutGoesWhereSigned(r *rig) {
	r.payable()
	s := slipOf(10)
	payout := s.payout(r.domain(), payee, cold.Address)
	a := r.ok(stranger, "redeemTo", r.to(s, cold.Address, payout)...)
	topics := []common.Hash{word(poster.Address), id, word(payee.Address)}
	r.logged(a, "Redeemed", topics, n(10), n(10), s.bytes)
	r.logged(a, "Redirected", topics, cold.Address, n(10))
	r.has(cold, 0, 10)
	r.has(payee, 0, 0)
	r.has(stranger, 0, 1000)
	r.has(poster, 90, 900)
	if got := r.num("paid", poster.Address, id, payee.Address); got.Cmp(n(10)) != 0 {
		r.complain("paid to the payee is %s, want 10", got)
	}
	r.ok(stranger, "redeem", r.signed(slipOf(25))...) // and the next without a payout
	r.has(payee, 0, 15)
	r.has(cold, 0, 10)
	s = slipOf(30) // what is left of a cheque that was paid in part
	own := s.payout(r.domain(), payee, payee.Address)
	r.ok(stranger, "redeemTo", r.to(s, payee.Address, own)...)
	r.has(payee, 0, 20)
	r.has(poster, 70, 900)
}

func onlyPayeeRedirects(r *rig) {
	r.payable()
	s, d := slipOf(10), r.domain()
	for _, thief := range []who{stranger, poster, admin, cold, signers[0], signers[1]} {
		r.no("NotThePayee", thief, "redeemTo",
			r.to(s, thief.Address, s.payout(d, thief, thief.Address))...)
	}
	good := s.payout(d, payee, cold.Address)
	r.no("NotThePayee", stranger, "redeemTo", r.to(s, stranger.Address, good)...)
	r.no("ECDSAInvalidSignatureS", stranger, "redeemTo", r.to(s, cold.Address, other(good))...)
	for _, short := range [][]byte{nil, good[:64], append(slices.Clone(good), 0)} {
		r.no("ECDSAInvalidSignatureLength", stranger, "redeemTo", r.to(s, cold.Address, short)...)
	}
	// A payee that signed the cheque as one of its signers has not signed a payout.
	r.no("NotThePayee", stranger, "redeemTo", r.to(s, cold.Address, s.by(d, payee))...)
	r.has(poster, 100, 900)
	r.has(stranger, 0, 1000)
}

func payoutIsForOneCheque(r *rig) {
	r.payable()
	r.ok(poster, "openMandate", [32]byte{8}, addresses(signers), uint8(2), n(100), r.now+1000)
	s, d := slipOf(10), r.domain()
	good := s.payout(d, payee, cold.Address)
	for _, change := range []func(*slip){
		func(s *slip) { s.mandate = [32]byte{8} },
		func(s *slip) { s.cumulative = n(11) },
		func(s *slip) { s.bytes = 1 },
	} {
		other := s
		change(&other)
		r.no("NotThePayee", stranger, "redeemTo", r.to(other, cold.Address, good)...)
	}
	d.ChainID++
	r.no("NotThePayee", stranger, "redeemTo",
		r.to(s, cold.Address, s.payout(d, payee, cold.Address))...)
	d = r.domain()
	d.Vault[19]++
	r.no("NotThePayee", stranger, "redeemTo",
		r.to(s, cold.Address, s.payout(d, payee, cold.Address))...)
	r.ok(stranger, "redeemTo", r.to(s, cold.Address, good)...)
	r.no("NothingDue", stranger, "redeemTo", r.to(s, cold.Address, good)...)
	r.has(cold, 0, 10)
}

// payoutAsksTheSame tries everything that a redemption is refused for.
func payoutAsksTheSame(r *rig) {
	r.open(100)
	r.ok(stranger, "deposit", n(500)) // others' money must not be touched
	d := r.domain()
	no := func(reason string, s slip, signatures []byte, recipient common.Address) {
		args := append(s.args(signatures), recipient, s.payout(d, payee, recipient))
		r.no(reason, stranger, "redeemTo", args...)
	}
	two := func(s slip) []byte { return s.by(d, signers[0], signers[1]) }
	s := slipOf(10)
	no("OverBalance", s, two(s), cold.Address)
	r.ok(poster, "deposit", n(200))
	for _, lost := range []common.Address{{}, r.token, r.vault} {
		no("BadAccount", s, two(s), lost)
	}
	no("NotASigner", s, s.by(d, signers[1], signers[0]), cold.Address)
	no("NotASigner", s, s.by(d, byAddress(signers[0], stranger)...), cold.Address)
	no("BadSignatures", s, s.by(d, signers[0]), cold.Address)
	dear := slipOf(101)
	no("OverCap", dear, two(dear), cold.Address)
	r.ok(stranger, "redeemTo", r.to(s, cold.Address, s.payout(d, payee, cold.Address))...)
	r.ok(admin, "pause")
	s = slipOf(20)
	r.ok(stranger, "redeemTo", r.to(s, cold.Address, s.payout(d, payee, cold.Address))...)
	r.now += 1001
	s = slipOf(30)
	no("MandateExpired", s, two(s), cold.Address)
	r.has(cold, 0, 20)
	r.has(poster, 180, 800)
	r.has(stranger, 500, 500)
}

func revokedMandateEnds(r *rig) {
	r.payable()
	r.no("NoMandate", poster, "revokeMandate", [32]byte{8})
	r.no("NoMandate", stranger, "revokeMandate", id)
	for _, signer := range signers {
		r.no("NoMandate", signer, "revokeMandate", id)
	}
	r.ok(admin, "pause") // which does not stop it
	a := r.ok(poster, "revokeMandate", id)
	ends := r.now + thawSeconds
	r.logged(a, "MandateRevoked", []common.Hash{word(poster.Address), id}, ends)
	if got := r.ask(r.vaultBuild, r.vault, "mandateOf", poster.Address, id)[3]; got != ends {
		r.complain("a revoked mandate ends %v, want %d", got, ends)
	}
	r.ok(admin, "unpause")
	r.ok(stranger, "redeem", r.signed(slipOf(10))...)
	r.now = ends
	r.ok(stranger, "redeem", r.signed(slipOf(20))...)
	r.now++
	r.no("MandateExpired", stranger, "redeem", r.signed(slipOf(30))...)
	r.no("MandateExpired", stranger, "redeemUpTo", r.signed(slipOf(30))...)
	r.no("MandateExists", poster, "openMandate", id, addresses(signers), uint8(2), n(100), ends+900)
	r.has(payee, 0, 20)
}

func revocationBringsForward(r *rig) {
	open := func(at byte, life uint64) [32]byte {
		r.ok(poster, "openMandate", [32]byte{at}, addresses(signers), uint8(2), n(1), r.now+life)
		return [32]byte{at}
	}
	r.no("MandateEnding", poster, "revokeMandate", open(1, thawSeconds-1))
	r.no("MandateEnding", poster, "revokeMandate", open(2, thawSeconds))
	longer := open(3, thawSeconds+1)
	r.ok(poster, "revokeMandate", longer)
	r.no("MandateEnding", poster, "revokeMandate", longer)
	r.now += thawSeconds / 2
	r.no("MandateEnding", poster, "revokeMandate", longer) // it would end later
	r.now += thawSeconds
	r.no("MandateEnding", poster, "revokeMandate", longer)
}

// revocationAndThaw is a poster who leaves at once: until the last second of both, what was signed
// is paid.
func revocationAndThaw(r *rig) {
	r.payable()
	r.ok(poster, "thaw", n(100))
	r.ok(poster, "revokeMandate", id)
	r.now += thawSeconds - 1
	r.no("StillThawing", poster, "withdraw")
	r.ok(stranger, "redeem", r.signed(slipOf(30))...)
	r.now++
	r.ok(stranger, "redeem", r.signed(slipOf(40))...)
	r.ok(poster, "withdraw")
	r.has(poster, 0, 960)
	r.has(payee, 0, 40)
}
