package contract_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"
)

// A model is what the vault should hold, kept the simple way.
type model struct {
	now      int64
	wallet   map[common.Address]int64
	balance  map[common.Address]int64
	thawing  map[common.Address]int64
	ends     map[common.Address]int64
	mandates map[pair]*ceiling
	paid     map[claim]int64
}

type pair struct {
	from    common.Address
	mandate byte
}

type claim struct {
	pair
	to common.Address
}

type ceiling struct{ limit, drawn, expiry int64 }

var (
	posters = []who{poster, stranger}
	payees  = []who{payee, admin, stranger}
)

// TestTheVaultFollowsItsModel runs random lives of a vault. After each step vault and model must
// agree on who has what, whether the step was refused, and that the vault holds what it owes.
func TestTheVaultFollowsItsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		complaints := judge(theVault, theToken, func(r *rig) { live(t, r) })
		for _, c := range complaints {
			t.Error(c)
		}
	})
}

func live(t *rapid.T, r *rig) {
	m := &model{now: int64(r.now), wallet: map[common.Address]int64{},
		balance: map[common.Address]int64{}, thawing: map[common.Address]int64{},
		ends: map[common.Address]int64{}, mandates: map[pair]*ceiling{}, paid: map[claim]int64{}}
	for _, p := range posters {
		m.wallet[p.Address] = 1000
	}
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		p := rapid.SampledFrom(posters).Draw(t, "poster")
		amount := rapid.Int64Range(0, 400).Draw(t, "amount")
		step := rapid.SampledFrom([]func(*rapid.T, *rig, *model, who, int64){
			deposit, open, redeem, redeem, redeem, revoke, thaw, cancel, withdraw, pass,
		}).Draw(t, "step")
		step(t, r, m, p, amount)
		m.compare(r)
		if len(r.complaints) > 0 {
			return
		}
	}
}

// try makes a call that must succeed exactly when the model says so.
func (r *rig) try(works bool, p who, method string, args ...any) bool {
	a := r.call(p.Address, r.vault, r.vaultBuild.pack(method, args...), 0)
	if works != (a.err == nil) {
		r.complain("%s %v by %s: the model says %v, the vault %s", method, args, p.Address, works,
			r.reason(a))
	}
	return works
}

func deposit(_ *rapid.T, r *rig, m *model, p who, amount int64) {
	if r.try(amount > 0 && amount <= m.wallet[p.Address], p, "deposit", n(amount)) {
		m.wallet[p.Address] -= amount
		m.balance[p.Address] += amount
	}
}

func open(t *rapid.T, r *rig, m *model, p who, amount int64) {
	at := pair{p.Address, rapid.Byte().Draw(t, "mandate") % 2}
	expiry := m.now + rapid.Int64Range(0, 500).Draw(t, "life")
	works := m.mandates[at] == nil && amount > 0 && expiry > m.now
	if r.try(works, p, "openMandate", [32]byte{at.mandate}, addresses(signers), uint8(2), n(amount),
		uint64(expiry)) {
		m.mandates[at] = &ceiling{limit: amount, expiry: expiry}
	}
}

func redeem(t *rapid.T, r *rig, m *model, p who, amount int64) {
	to := rapid.SampledFrom(payees).Draw(t, "payee")
	at := pair{p.Address, rapid.Byte().Draw(t, "mandate") % 2}
	method := rapid.SampledFrom([]string{"redeem", "redeemUpTo", "redeemTo"}).Draw(t, "method")
	c := claim{at, to.Address}
	s := slip{p.Address, [32]byte{at.mandate}, to.Address, n(amount), 0}
	due := amount - m.paid[c]
	ceil := m.mandates[at]
	works := ceil != nil && m.now <= ceil.expiry && due > 0
	if works {
		most := min(ceil.limit-ceil.drawn, m.balance[p.Address])
		if method == "redeemUpTo" {
			due = min(due, most)
		}
		works = due > 0 && due <= most
	}
	args, recipient := r.signed(s), to.Address
	if method == "redeemTo" {
		recipient = rapid.SampledFrom(payees).Draw(t, "recipient").Address
		args = append(args, recipient, s.payout(r.domain(), to, recipient))
	}
	if r.try(works, stranger, method, args...) {
		m.paid[c] += due
		ceil.drawn += due
		m.balance[p.Address] -= due
		m.wallet[recipient] += due
		m.thawing[p.Address] = min(m.thawing[p.Address], m.balance[p.Address])
	}
}

func revoke(t *rapid.T, r *rig, m *model, p who, _ int64) {
	at := pair{p.Address, rapid.Byte().Draw(t, "mandate") % 2}
	ceil := m.mandates[at]
	works := ceil != nil && m.now+thawSeconds < ceil.expiry
	if r.try(works, p, "revokeMandate", [32]byte{at.mandate}) {
		ceil.expiry = m.now + thawSeconds
	}
}

func thaw(_ *rapid.T, r *rig, m *model, p who, amount int64) {
	if r.try(amount > 0 && amount <= m.balance[p.Address], p, "thaw", n(amount)) {
		m.thawing[p.Address], m.ends[p.Address] = amount, m.now+thawSeconds
	}
}

func cancel(_ *rapid.T, r *rig, m *model, p who, _ int64) {
	if r.try(m.thawing[p.Address] > 0, p, "cancelThaw") {
		m.thawing[p.Address] = 0
	}
}

func withdraw(_ *rapid.T, r *rig, m *model, p who, _ int64) {
	amount := m.thawing[p.Address]
	if r.try(amount > 0 && m.now >= m.ends[p.Address], p, "withdraw") {
		m.balance[p.Address] -= amount
		m.wallet[p.Address] += amount
		m.thawing[p.Address] = 0
	}
}

func pass(_ *rapid.T, r *rig, m *model, _ who, seconds int64) {
	m.now += seconds
	r.now += uint64(seconds)
}

func (m *model) compare(r *rig) {
	owed := int64(0)
	for _, p := range slices.Concat(posters, payees) {
		r.has(p, m.balance[p.Address], m.wallet[p.Address])
	}
	for b := range maps.Values(m.balance) {
		owed += b
	}
	if got := r.num("obligations"); got.Cmp(n(owed)) != 0 {
		r.complain("obligations are %s, want %d", got, owed)
	}
	for c, paid := range m.paid {
		if got := r.num("paid", c.from, [32]byte{c.mandate}, c.to); got.Cmp(n(paid)) != 0 {
			r.complain("paid is %s, want %d", got, paid)
		}
	}
	r.solvent()
}
