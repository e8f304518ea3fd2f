package contract_test

import (
	"math/big"
	"reflect"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/everseed/everseed/marketplace"
)

const week = 7 * 24 * 3600

// thawing compares what an account thaws and for how many seconds more.
func (r *rig) thawing(p who, amount int64, seconds uint64) {
	got := r.ask(r.vaultBuild, r.vault, "thawOf", p.Address)
	ends := r.now + seconds
	if amount == 0 {
		ends = 0
	}
	if got[0].(*big.Int).Cmp(n(amount)) != 0 || got[1].(uint64) != ends {
		r.complain("%s thaws %v until %v; want %d until %d", p.Address, got[0], got[1], amount, ends)
	}
}

func thawTakesTime(r *rig) {
	r.no("NothingThawing", poster, "withdraw")
	r.no("NothingThawing", poster, "thaw", n(0))
	r.ok(poster, "deposit", n(100))
	r.ok(stranger, "deposit", n(100))
	r.no("OverBalance", poster, "thaw", n(101))
	r.ok(poster, "thaw", n(60))
	r.thawing(poster, 60, thawSeconds)
	r.no("StillThawing", poster, "withdraw")
	r.now += thawSeconds - 1
	r.no("StillThawing", poster, "withdraw")
	r.now++
	r.no("NothingThawing", stranger, "withdraw")
	r.ok(poster, "withdraw")
	r.has(poster, 40, 960)
	r.thawing(poster, 0, 0)
	r.no("NothingThawing", poster, "withdraw")
	if owed := r.num("obligations"); owed.Cmp(n(140)) != 0 {
		r.complain("obligations are %s, want 140", owed)
	}
}

func thawCancelled(r *rig) {
	r.ok(poster, "deposit", n(100))
	r.no("NothingThawing", poster, "cancelThaw")
	r.ok(poster, "thaw", n(100))
	r.no("NothingThawing", stranger, "cancelThaw")
	r.ok(poster, "cancelThaw")
	r.thawing(poster, 0, 0)
	r.now += thawSeconds
	r.no("NothingThawing", poster, "withdraw")

	r.ok(poster, "thaw", n(10))
	r.now += thawSeconds - 1
	r.ok(poster, "thaw", n(100)) // a larger one starts anew
	r.now++
	r.no("StillThawing", poster, "withdraw")
	r.now += thawSeconds - 1
	r.ok(poster, "withdraw")
	r.has(poster, 0, 1000)
}

func chequesBeforeThaw(r *rig) {
	r.open(1000)
	r.ok(poster, "deposit", n(100))
	r.ok(poster, "thaw", n(60))
	r.ok(stranger, "redeem", r.signed(slipOf(30))...)
	r.thawing(poster, 60, thawSeconds)
	r.ok(stranger, "redeem", r.signed(slipOf(50))...)
	r.thawing(poster, 50, thawSeconds)
	r.now += thawSeconds
	r.ok(stranger, "redeem", r.signed(slipOf(70))...) // thawed, but still there
	r.ok(poster, "withdraw")
	r.has(payee, 0, 70)
	r.has(poster, 0, 930)
	r.no("OverBalance", stranger, "redeem", r.signed(slipOf(80))...)

	r.ok(poster, "deposit", n(10))
	r.ok(poster, "thaw", n(10))
	r.ok(stranger, "redeem", r.signed(slipOf(80))...)
	r.now += thawSeconds
	r.no("NothingThawing", poster, "withdraw")
	r.has(poster, 0, 920)
}

func depositDuringThaw(r *rig) {
	r.ok(poster, "deposit", n(100))
	r.ok(poster, "thaw", n(100))
	r.ok(poster, "deposit", n(50))
	r.now += thawSeconds
	r.ok(poster, "withdraw")
	r.has(poster, 50, 950)
}

func pauseStops(r *rig) {
	r.open(100)
	r.ok(poster, "deposit", n(100))
	r.ok(poster, "thaw", n(20))
	r.no("NotAdmin", stranger, "pause")
	r.ok(admin, "pause")
	mandate := []any{[32]byte{9}, addresses(signers), uint8(2), n(100), r.now + 1000}
	r.no("DepositsPaused", poster, "deposit", n(1))
	r.no("DepositsPaused", poster, "depositFor", payee.Address, n(1))
	r.no("DepositsPaused", poster, "openMandate", mandate...)
	r.no("DepositsPaused", poster, "depositAndOpen", slices.Concat([]any{n(1)}, mandate)...)
	r.ok(stranger, "redeem", r.signed(slipOf(10))...)
	r.ok(stranger, "redeemUpTo", r.signed(slipOf(20))...)
	r.now += thawSeconds
	r.ok(poster, "withdraw")
	r.ok(poster, "thaw", n(5))
	r.ok(poster, "cancelThaw")
	r.has(poster, 60, 920)
	r.no("NotAdmin", poster, "unpause")
	r.ok(admin, "unpause")
	r.ok(poster, "deposit", n(1))
	r.ok(poster, "openMandate", mandate...)
}

func pauseLapses(r *rig) {
	r.ok(admin, "pause")
	r.now += week - 1
	r.no("DepositsPaused", poster, "deposit", n(1))
	r.no("PausedLately", admin, "pause")
	r.now++
	r.ok(poster, "deposit", n(1))
	r.no("PausedLately", admin, "pause")
	r.ok(admin, "unpause") // changes nothing: the pause is over
	r.now += week - 1
	r.no("PausedLately", admin, "pause")
	r.now++
	r.ok(admin, "pause")
	r.no("DepositsPaused", poster, "deposit", n(1))
}

func adminTwoSteps(r *rig) {
	is := func(method string, want common.Address) {
		if got := r.ask(r.vaultBuild, r.vault, method)[0]; got != want {
			r.complain("%s is %s, want %s", method, got, want)
		}
	}
	is("admin", admin.Address)
	r.no("NotAdmin", stranger, "offerAdmin", stranger.Address)
	r.no("NotAdmin", stranger, "acceptAdmin")
	a := r.ok(admin, "offerAdmin", payee.Address)
	r.logged(a, "AdminOffered", []common.Hash{word(payee.Address)})
	r.no("NotAdmin", stranger, "acceptAdmin")
	r.no("NotAdmin", admin, "acceptAdmin")
	a = r.ok(admin, "pause") // until the other accepts
	r.logged(a, "Paused", nil, r.now+week)
	a = r.ok(payee, "acceptAdmin")
	r.logged(a, "AdminChanged", []common.Hash{word(payee.Address)})
	is("admin", payee.Address)
	is("pendingAdmin", common.Address{})
	r.no("NotAdmin", admin, "unpause")
	r.no("NotAdmin", payee, "acceptAdmin")
	r.logged(r.ok(payee, "unpause"), "Unpaused", nil)
	r.ok(payee, "offerAdmin", stranger.Address)
	r.ok(payee, "offerAdmin", common.Address{}) // takes the offer back
	r.no("NotAdmin", stranger, "acceptAdmin")
}

// noReentrance has the token call back into the vault while the vault calls the token.
func noReentrance(r *rig) {
	r.open(1000)
	r.ok(poster, "deposit", n(500))
	guard := r.vaultBuild.abi.Errors["ReentrancyGuardReentrantCall"].ID
	mandate := []any{[32]byte{9}, addresses(signers), uint8(2), n(100), r.now + 1000}
	inner := map[string][]any{
		"deposit": {n(1)}, "depositFor": {payee.Address, n(1)},
		"openMandate": mandate, "depositAndOpen": slices.Concat([]any{n(1)}, mandate),
		"redeem": r.signed(slipOf(400)), "redeemUpTo": r.signed(slipOf(400)),
		"redeemTo":      r.to(slipOf(400), cold.Address, make([]byte, 65)),
		"revokeMandate": {id},
		"thaw":          {n(1)}, "cancelThaw": {}, "withdraw": {},
	}
	cumulative := int64(0)
	for method, args := range inner {
		cumulative++
		call := r.vaultBuild.pack(method, args...)
		for _, outer := range []func(){
			func() { r.ok(poster, "deposit", n(1)) },
			func() { r.ok(stranger, "redeem", r.signed(slipOf(cumulative))...) },
		} {
			r.tell("reenter", r.vault, call)
			outer()
			got := r.ask(r.tokenBuild, r.token, "answered")[0].([4]byte)
			if got != [4]byte(guard[:4]) {
				r.complain("%s comes in again and is answered %x", method, got)
			}
		}
	}
	r.has(payee, 0, cumulative)
	r.ok(poster, "thaw", n(100))
	r.now += thawSeconds
	r.tell("reenter", r.vault, r.vaultBuild.pack("withdraw"))
	r.ok(poster, "withdraw")
	r.has(poster, 400, 1000-500-cumulative+100)
}

func needsToken(r *rig) {
	for _, a := range []common.Address{{}, stranger.Address} {
		args := r.vaultBuild.pack("", a, uint32(thawSeconds))
		if _, err := r.deploy(admin.Address, slices.Concat(r.vaultBuild.code, args)); err == nil {
			r.complain("a vault over %s, which is no token", a)
		}
	}
}

func takesNoTRX(r *rig) {
	r.db.CreateAccount(stranger.Address)
	r.db.AddBalance(stranger.Address, uint256.NewInt(100), 0)
	calls := [][]byte{nil, r.vaultBuild.pack("deposit", n(1)), r.vaultBuild.pack("obligations")}
	for _, data := range calls {
		if a := r.call(stranger.Address, r.vault, data, 1); a.err == nil {
			r.complain("call %x brings TRX that nobody could get out", data)
		}
	}
}

func viewsTellTruth(r *rig) {
	r.ok(poster, "deposit", n(100))
	r.open(90)
	got := r.ask(r.vaultBuild, r.vault, "mandateOf", poster.Address, id)
	want := []any{uint8(2), n(90), n(0), r.now + 1000, addresses(signers)}
	if !reflect.DeepEqual(norm(got), norm(want)) {
		r.complain("mandateOf is %v, want %v", got, want)
	}
	if got := r.ask(r.vaultBuild, r.vault, "token")[0]; got != r.token {
		r.complain("token is %s, want %s", got, r.token)
	}
	if got := r.ask(r.vaultBuild, r.vault, "thawSeconds")[0]; got != uint32(thawSeconds) {
		r.complain("thawSeconds is %v", got)
	}
	s := slipOf(42)
	s.bytes = 1 << 63
	a := r.ok(stranger, "redeem", r.signed(s)...)
	r.logged(a, "Redeemed", []common.Hash{word(s.from), id, word(s.to)}, n(42), n(42), s.bytes)
	if got := r.num("paid", poster.Address, id, payee.Address); got.Cmp(n(42)) != 0 {
		r.complain("paid is %s, want 42", got)
	}
	s.cumulative = n(95)
	a = r.ok(stranger, "redeemUpTo", r.signed(s)...) // 48 are left under the cap
	r.logged(a, "Redeemed", []common.Hash{word(s.from), id, word(s.to)}, n(48), n(90), s.bytes)
	a = r.ok(stranger, "depositFor", poster.Address, n(5))
	r.logged(a, "Deposited", []common.Hash{word(poster.Address), word(stranger.Address)}, n(5))
	a = r.ok(poster, "thaw", n(15))
	r.logged(a, "ThawStarted", []common.Hash{word(poster.Address)}, n(15), r.now+thawSeconds)
	a = r.ok(poster, "cancelThaw")
	r.logged(a, "ThawCancelled", []common.Hash{word(poster.Address)})
	r.ok(poster, "thaw", n(15))
	r.now += thawSeconds
	a = r.ok(poster, "withdraw")
	r.logged(a, "Withdrawn", []common.Hash{word(poster.Address)}, n(15))
	mandate := []any{addresses(signers), uint8(1), n(3), r.now + 9}
	a = r.ok(poster, "openMandate", slices.Concat([]any{[32]byte{8}}, mandate)...)
	r.logged(a, "MandateOpened", []common.Hash{word(poster.Address), {8}}, mandate...)
}

func digestsAreOurs(r *rig) {
	s := slipOf(42)
	s.bytes = 1 << 63
	digest := r.ask(r.vaultBuild, r.vault, "chequeDigest", s.from, s.mandate, s.to, s.cumulative,
		s.bytes)[0]
	if ours := r.domain().Digest(s.cheque()); digest != ours {
		r.complain("chequeDigest is %x, ours is %x", digest, ours)
	}
	payout := r.ask(r.vaultBuild, r.vault, "payoutDigest", digest, cold.Address)[0]
	ours := r.domain().PayoutDigest(s.cheque(), marketplace.Address(cold.Address))
	if payout != ours {
		r.complain("payoutDigest is %x, ours is %x", payout, ours)
	}
}

// logged checks that a call wrote an event of the vault with these topics and values.
func (r *rig) logged(a answer, name string, topics []common.Hash, values ...any) {
	event := r.vaultBuild.abi.Events[name]
	for _, l := range a.logs {
		if l.Address != r.vault || l.Topics[0] != event.ID {
			continue
		}
		got, err := event.Inputs.Unpack(l.Data)
		if err != nil || !slices.Equal(l.Topics[1:], topics) ||
			!reflect.DeepEqual(norm(got), norm(values)) {
			r.complain("%s is %v %v (%v); want %v %v", name, l.Topics[1:], got, err, topics, values)
		}
		return
	}
	r.complain("no %s", name)
}

// word is an address as an event's topic.
func word(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// norm makes numbers comparable: two equal big.Ints may differ inside.
func norm(all []any) (out []any) {
	for _, v := range all {
		if b, ok := v.(*big.Int); ok {
			v = b.String()
		}
		out = append(out, v)
	}
	return out
}
