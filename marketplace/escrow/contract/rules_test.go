package contract_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// rules are what the vault promises, each on a fresh vault. Every mutant must break one of them.
var rules = map[string]func(*rig){
	"a deposit is credited":                          depositIsCredited,
	"a deposit counts what arrives":                  depositCountsWhatArrives,
	"a token may answer nothing, but not false":      tokenAnswers,
	"nobody deposits for nobody, token or vault":     depositForWhom,
	"tokens sent without a deposit are nobody's":     strayTokens,
	"a cheque pays the difference":                   chequePaysDifference,
	"a replay pays nothing":                          replayPaysNothing,
	"a payee is never nobody, token or vault":        payeeIsSomeone,
	"only the mandate's signers sign":                onlySignersSign,
	"signatures are low, whole, ascending, as asked": signatureForm,
	"a cheque is for one chain and one vault":        oneChainOneVault,
	"a changed cheque is another cheque":             changedCheque,
	"a mandate expires":                              mandateExpires,
	"a mandate has a cap":                            mandateHasCap,
	"an account pays what it has":                    accountPaysWhatItHas,
	"mandates are opened well":                       mandatesOpenedWell,
	"a mandate is its poster's alone":                mandateIsPosters,
	"a thaw takes its time":                          thawTakesTime,
	"a thaw can be cancelled and replaced":           thawCancelled,
	"cheques go before a thaw":                       chequesBeforeThaw,
	"a deposit during a thaw stays":                  depositDuringThaw,
	"pause stops deposits and mandates only":         pauseStops,
	"pause lapses and rests":                         pauseLapses,
	"admin passes in two steps":                      adminTwoSteps,
	"a token cannot come in again":                   noReentrance,
	"a vault needs a token":                          needsToken,
	"the vault takes no TRX":                         takesNoTRX,
	"views and events tell the truth":                viewsTellTruth,
	"digests are those that Everseed signs":          digestsAreOurs,
	"many signers fit":                               manySigners,
	"a payout goes where its payee signed for":       payoutGoesWhereSigned,
	"only the payee sends its money elsewhere":       onlyPayeeRedirects,
	"a payout is for one cheque":                     payoutIsForOneCheque,
	"a payout asks all that a redemption asks":       payoutAsksTheSame,
	"a revoked mandate ends a thaw later":            revokedMandateEnds,
	"revocation only brings the end forward":         revocationBringsForward,
	"revocation and thaw leave cheques their time":   revocationAndThaw,
}

func TestTheVaultKeepsItsPromises(t *testing.T) {
	t.Parallel()
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range judge(theVault, theToken, rule) {
				t.Error(c)
			}
		})
	}
}

func depositIsCredited(r *rig) {
	r.ok(poster, "deposit", n(100))
	r.has(poster, 100, 900)
	r.ok(stranger, "depositFor", poster.Address, n(50))
	r.has(poster, 150, 900)
	r.has(stranger, 0, 950)
	if owed := r.num("obligations"); owed.Cmp(n(150)) != 0 {
		r.complain("obligations are %s, want 150", owed)
	}
	r.no("NothingReceived", poster, "deposit", n(0))
	r.no("TRC20InsufficientBalance", poster, "deposit", n(901))
	r.has(poster, 150, 900)
}

func depositCountsWhatArrives(r *rig) {
	r.ok(stranger, "deposit", n(500)) // so that a balance would not do for a difference
	r.tell("behave", uint8(1))
	r.ok(poster, "deposit", n(100))
	r.has(poster, 90, 900)
	if owed := r.num("obligations"); owed.Cmp(n(590)) != 0 {
		r.complain("obligations are %s, want 590", owed)
	}
}

func tokenAnswers(r *rig) {
	r.open(100)
	r.tell("behave", uint8(2))
	r.ok(poster, "deposit", n(100))
	r.ok(stranger, "redeem", r.signed(slipOf(10))...)
	r.has(payee, 0, 10)
	r.tell("behave", uint8(3))
	r.no("SafeTRC20FailedOperation", poster, "deposit", n(100))
	r.no("SafeTRC20FailedOperation", stranger, "redeem", r.signed(slipOf(20))...)
	r.has(poster, 90, 900)
}

func depositForWhom(r *rig) {
	for _, a := range []common.Address{{}, r.token, r.vault} {
		r.no("BadAccount", poster, "depositFor", a, n(1))
	}
}

func strayTokens(r *rig) {
	r.from(stranger, r.token, r.tokenBuild.pack("transfer", r.vault, n(77)))
	r.ok(poster, "deposit", n(100))
	r.has(poster, 100, 900)
	if owed := r.num("obligations"); owed.Cmp(n(100)) != 0 {
		r.complain("obligations are %s, want 100", owed)
	}
}

func chequePaysDifference(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	r.ok(stranger, "redeem", r.signed(slipOf(10))...)
	r.has(payee, 0, 10)
	r.ok(payee, "redeem", r.signed(slipOf(35))...)
	r.has(payee, 0, 35)
	r.has(poster, 65, 900)
	r.has(stranger, 0, 1000)
	second := slipOf(5)
	second.to = stranger.Address
	r.ok(poster, "redeemUpTo", r.signed(second)...)
	r.has(stranger, 0, 1005)
	r.has(payee, 0, 35)
	if got := r.num("obligations"); got.Cmp(n(60)) != 0 {
		r.complain("obligations are %s, want 60", got)
	}
}

func replayPaysNothing(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	for _, method := range []string{"redeem", "redeemUpTo"} {
		r.no("NothingDue", stranger, method, r.signed(slipOf(0))...)
	}
	r.ok(stranger, "redeem", r.signed(slipOf(10))...)
	for _, method := range []string{"redeem", "redeemUpTo"} {
		r.no("NothingDue", stranger, method, r.signed(slipOf(10))...)
		r.no("NothingDue", stranger, method, r.signed(slipOf(9))...)
	}
	r.has(payee, 0, 10)
	r.has(poster, 90, 900)
}

func payeeIsSomeone(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	for _, a := range []common.Address{{}, r.token, r.vault} {
		s := slipOf(10)
		s.to = a
		r.no("BadAccount", stranger, "redeem", r.signed(s)...)
		r.no("BadAccount", stranger, "redeemUpTo", r.signed(s)...)
	}
	r.has(poster, 100, 900)
}

// refusedBoth checks that signatures are refused by both ways to redeem.
func (r *rig) refusedBoth(reason string, s slip, signatures []byte) {
	r.no(reason, stranger, "redeem", s.args(signatures)...)
	r.no(reason, stranger, "redeemUpTo", s.args(signatures)...)
}

func onlySignersSign(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	s, d := slipOf(10), r.domain()
	for _, outsider := range []who{stranger, poster, payee, admin} {
		for _, signer := range signers {
			pair := byAddress(outsider, signer)
			r.refusedBoth("NotASigner", s, s.by(d, pair...))
		}
	}
	for _, pair := range [][]who{signers[:2], signers[1:], {signers[0], signers[2]}} {
		s.cumulative = new(big.Int).Add(s.cumulative, n(1))
		r.ok(stranger, "redeem", s.args(s.by(d, pair...))...)
	}
	r.has(payee, 0, 13)
}

func signatureForm(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	s, d := slipOf(10), r.domain()
	good := s.by(d, signers[0], signers[1])
	r.refusedBoth("NotASigner", s, s.by(d, signers[1], signers[0]))
	r.refusedBoth("NotASigner", s, s.by(d, signers[0], signers[0]))
	r.refusedBoth("BadSignatures", s, nil)
	r.refusedBoth("BadSignatures", s, good[:65])
	r.refusedBoth("BadSignatures", s, good[:129])
	r.refusedBoth("BadSignatures", s, append(slices.Clone(good), 0))
	r.refusedBoth("BadSignatures", s, s.by(d, signers...))
	r.refusedBoth("ECDSAInvalidSignatureS", s, slices.Concat(good[:65], other(good[65:])))
	v := slices.Clone(good)
	v[64] -= 27
	r.refusedBoth("ECDSAInvalidSignature", s, v)
	r.refusedBoth("ECDSAInvalidSignature", s, make([]byte, 130))
	r.has(payee, 0, 0)
}

// other returns the second signature that ecrecover would take: n−s with the other v.
func other(signature []byte) []byte {
	order, _ := new(big.Int).SetString(
		"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	out := slices.Clone(signature)
	new(big.Int).Sub(order, new(big.Int).SetBytes(signature[32:64])).FillBytes(out[32:64])
	out[64] = 55 - out[64]
	return out
}

func oneChainOneVault(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	s, d := slipOf(10), r.domain()
	d.ChainID++
	r.refusedBoth("NotASigner", s, s.by(d, signers[0], signers[1]))
	d = r.domain()
	d.Vault[19]++
	r.refusedBoth("NotASigner", s, s.by(d, signers[0], signers[1]))

	here := s.args(s.by(r.domain(), signers[0], signers[1]))
	r.chain = new(big.Int).Add(wideChain, n(1)) // the chain forks and is renamed
	r.no("NotASigner", stranger, "redeem", here...)
	r.chain = wideChain
	r.ok(stranger, "redeem", here...)
}

func changedCheque(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	r.ok(stranger, "deposit", n(100))
	r.ok(stranger, "openMandate", id, addresses(signers), uint8(2), n(100), r.now+1000)
	r.ok(poster, "openMandate", [32]byte{8}, addresses(signers), uint8(2), n(100), r.now+1000)
	signed := slipOf(10)
	signatures := signed.by(r.domain(), signers[0], signers[1])
	for _, change := range []func(*slip){
		func(s *slip) { s.from = stranger.Address },
		func(s *slip) { s.mandate = [32]byte{8} },
		func(s *slip) { s.to = stranger.Address },
		func(s *slip) { s.cumulative = n(11) },
		func(s *slip) { s.bytes = 1 },
	} {
		s := signed
		change(&s)
		r.refusedBoth("NotASigner", s, signatures)
	}
}

func mandateExpires(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	r.now += 1000
	r.ok(stranger, "redeem", r.signed(slipOf(10))...)
	r.now++
	r.no("MandateExpired", stranger, "redeem", r.signed(slipOf(20))...)
	r.no("MandateExpired", stranger, "redeemUpTo", r.signed(slipOf(20))...)
	r.has(poster, 90, 900)
}

func mandateHasCap(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(500))
	r.no("OverCap", stranger, "redeem", r.signed(slipOf(101))...)
	r.ok(stranger, "redeem", r.signed(slipOf(60))...)
	second := slipOf(41)
	second.to = stranger.Address
	r.no("OverCap", stranger, "redeem", r.signed(second)...)
	r.ok(stranger, "redeemUpTo", r.signed(second)...)
	r.has(stranger, 0, 1040)
	r.no("OverCap", stranger, "redeemUpTo", r.signed(second)...)
	r.no("OverCap", stranger, "redeem", r.signed(slipOf(61))...)
	r.has(poster, 400, 500)
	if drawn := r.ask(r.vaultBuild, r.vault, "mandateOf", poster.Address, id)[2]; drawn.(*big.Int).
		Cmp(n(100)) != 0 {
		r.complain("drawn is %s, want 100", drawn)
	}
}

func accountPaysWhatItHas(r *rig) {
	r.open(100)
	r.ok(stranger, "deposit", n(1000)) // others' money must not be touched
	r.no("OverBalance", stranger, "redeemUpTo", r.signed(slipOf(10))...)
	r.ok(poster, "deposit", n(7))
	r.no("OverBalance", stranger, "redeem", r.signed(slipOf(10))...)
	r.ok(stranger, "redeemUpTo", r.signed(slipOf(10))...)
	r.has(payee, 0, 7)
	r.has(poster, 0, 993)
	r.ok(poster, "deposit", n(50))
	r.ok(stranger, "redeem", r.signed(slipOf(10))...)
	r.has(payee, 0, 10)
	r.has(poster, 47, 943)
	r.has(stranger, 1000, 0)
}

func mandatesOpenedWell(r *rig) {
	good := addresses(signers)
	two, far := uint8(2), r.now+1000
	huge := new(big.Int).Lsh(n(1), 128)
	bad := func(reason string, s []common.Address, threshold uint8, c *big.Int, expiry uint64) {
		r.no(reason, poster, "openMandate", id, s, threshold, c, expiry)
		r.no(reason, poster, "depositAndOpen", n(1), id, s, threshold, c, expiry)
	}
	bad("BadSigners", nil, 1, n(1), far)
	bad("BadSigners", []common.Address{good[1], good[0]}, two, n(1), far)
	bad("BadSigners", []common.Address{good[0], good[0]}, two, n(1), far)
	bad("BadSigners", []common.Address{{}, good[0]}, two, n(1), far)
	bad("BadSigners", crowd(33), two, n(1), far)
	bad("BadThreshold", good, 0, n(1), far)
	bad("BadThreshold", good, 4, n(1), far)
	bad("BadCap", good, two, n(0), far)
	bad("BadCap", good, two, huge, far)
	bad("BadExpiry", good, two, n(1), r.now)
	r.has(poster, 0, 1000)
	r.ok(poster, "depositAndOpen", n(40), id, good, uint8(3), new(big.Int).Sub(huge, n(1)), r.now+1)
	r.has(poster, 40, 960)
	bad("MandateExists", good, two, n(1), far)
}

// crowd returns as many addresses in ascending order.
func crowd(count int) (out []common.Address) {
	for i := range count {
		out = append(out, common.BigToAddress(n(int64(i+1))))
	}
	return out
}

func mandateIsPosters(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	r.ok(stranger, "deposit", n(100))
	s := slipOf(10)
	s.from = stranger.Address
	r.refusedBoth("NoMandate", s, s.by(r.domain(), signers[0], signers[1]))
	s = slipOf(10)
	s.mandate = [32]byte{8}
	r.refusedBoth("NoMandate", s, s.by(r.domain(), signers[0], signers[1]))
	r.refusedBoth("NoMandate", s, nil)

	r.ok(stranger, "openMandate", id, addresses(signers[:1]), uint8(1), n(50), r.now+1000)
	s = slipOf(20)
	s.from = stranger.Address
	r.ok(payee, "redeem", s.args(s.by(r.domain(), signers[0]))...)
	r.has(stranger, 80, 900)
	r.has(poster, 100, 900)
}

func manySigners(r *rig) {
	var people []who
	for i := range 32 {
		people = append(people, someone(fmt.Sprint("many", i)))
	}
	people = byAddress(people...)
	r.ok(poster, "depositAndOpen", n(100), id, addresses(people), uint8(32), n(100), r.now+1000)
	s := slipOf(10)
	a := r.ok(stranger, "redeem", s.args(s.by(r.domain(), people...))...)
	r.has(payee, 0, 10)
	if a.gas > 1_000_000 {
		r.complain("32 signatures take %d gas", a.gas)
	}
}
