package contract_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/escrow/contract"
)

const thawSeconds = 100

// A who has an account, and a key when it signs.
type who struct {
	common.Address
	key    escrow.Key
	secret [32]byte // the key once more
}

func someone(name string) who {
	sum := sha256.Sum256([]byte(name))
	k, err := escrow.ParseKey(hex.EncodeToString(sum[:]))
	if err != nil {
		panic(err)
	}
	return who{common.Address(k.Address()), k, sum}
}

func byAddress(all ...who) []who {
	slices.SortFunc(all, func(a, b who) int { return a.Cmp(b.Address) })
	return all
}

var (
	admin    = someone("admin")
	poster   = someone("poster")
	payee    = someone("payee")
	stranger = someone("stranger")
	signers  = byAddress(someone("s1"), someone("s2"), someone("s3"))
)

// A rig is a fresh vault over a token that can misbehave. It gathers complaints, so that the same
// rules judge the contract and its mutants.
type rig struct {
	*machine
	vaultBuild, tokenBuild build
	vault, token           common.Address
	complaints             []string
}

// stopped ends a rule that cannot go on.
type stopped struct{}

func (r *rig) complain(format string, args ...any) {
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

func (r *rig) stop(format string, args ...any) {
	r.complain(format, args...)
	panic(stopped{})
}

// judge runs one rule on a fresh rig and returns what it complains of.
func judge(vault, token build, rule func(*rig)) (complaints []string) {
	r := &rig{machine: newMachine(), vaultBuild: vault, tokenBuild: token}
	defer func() {
		if p := recover(); p != nil && p != (stopped{}) {
			panic(p)
		}
		complaints = r.complaints
	}()
	r.build()
	rule(r)
	r.solvent()
	return r.complaints
}

func (r *rig) build() {
	var err error
	if r.token, err = r.deploy(admin.Address, r.tokenBuild.code); err != nil {
		r.stop("deploy token: %v", err)
	}
	args := r.vaultBuild.pack("", r.token, uint32(thawSeconds))
	code := slices.Concat(r.vaultBuild.code, args)
	if r.vault, err = r.deploy(admin.Address, code); err != nil {
		r.stop("deploy vault: %v", err)
	}
	for _, p := range []who{poster, stranger} {
		r.tell("mint", p.Address, n(1000))
		r.from(p, r.token, r.tokenBuild.pack("approve", r.vault, n(1_000_000)))
	}
}

// solvent checks what must hold after everything.
func (r *rig) solvent() {
	if owed, has := r.num("obligations"), r.tokens(r.vault); owed.Cmp(has) > 0 {
		r.complain("the vault owes %s and has %s", owed, has)
	}
}

func n(i int64) *big.Int { return big.NewInt(i) }

func (r *rig) from(p who, to common.Address, data []byte) answer {
	a := r.call(p.Address, to, data, 0)
	if a.err != nil {
		r.stop("%x by %s: %v %x", data[:4], p.Address, a.err, a.ret)
	}
	return a
}

// tell calls the token.
func (r *rig) tell(method string, args ...any) {
	r.from(admin, r.token, r.tokenBuild.pack(method, args...))
}

// ok is a call of the vault that must succeed.
func (r *rig) ok(p who, method string, args ...any) answer {
	a := r.call(p.Address, r.vault, r.vaultBuild.pack(method, args...), 0)
	if a.err != nil {
		r.stop("%s is refused: %s", method, r.reason(a))
	}
	return a
}

// no is a call of the vault that must be refused, with a certain error.
func (r *rig) no(reason string, p who, method string, args ...any) {
	a := r.call(p.Address, r.vault, r.vaultBuild.pack(method, args...), 0)
	switch {
	case a.err == nil:
		r.complain("%s succeeds; want %s", method, reason)
	case r.reason(a) != reason:
		r.complain("%s is refused with %s; want %s", method, r.reason(a), reason)
	}
}

// reason names the error that a call was refused with.
func (r *rig) reason(a answer) string {
	if !errors.Is(a.err, vm.ErrExecutionReverted) || len(a.ret) < 4 {
		return fmt.Sprint(a.err)
	}
	for _, b := range []build{r.vaultBuild, r.tokenBuild} {
		if e, err := b.abi.ErrorByID([4]byte(a.ret)); err == nil {
			return e.Name
		}
	}
	return hex.EncodeToString(a.ret)
}

func (r *rig) ask(b build, at common.Address, method string, args ...any) []any {
	a := r.call(stranger.Address, at, b.pack(method, args...), 0)
	if a.err != nil {
		r.stop("ask %s: %s", method, r.reason(a))
	}
	out, err := b.abi.Unpack(method, a.ret)
	if err != nil {
		r.stop("ask %s: %v", method, err)
	}
	return out
}

func (r *rig) num(method string, args ...any) *big.Int {
	return r.ask(r.vaultBuild, r.vault, method, args...)[0].(*big.Int)
}

func (r *rig) tokens(a common.Address) *big.Int {
	return r.ask(r.tokenBuild, r.token, "balanceOf", a)[0].(*big.Int)
}

// has compares an account's money in the vault and outside.
func (r *rig) has(p who, inVault, outside int64) {
	if got := r.num("balanceOf", p.Address); got.Cmp(n(inVault)) != 0 {
		r.complain("%s has %s in the vault; want %d", p.Address, got, inVault)
	}
	if got := r.tokens(p.Address); got.Cmp(n(outside)) != 0 {
		r.complain("%s has %s outside; want %d", p.Address, got, outside)
	}
}

var id = [32]byte{7}

// open opens a mandate of the poster: two of three signers.
func (r *rig) open(capacity int64) {
	r.ok(poster, "openMandate", id, addresses(signers), uint8(2), n(capacity), r.now+1000)
}

func addresses(all []who) (out []common.Address) {
	for _, p := range all {
		out = append(out, p.Address)
	}
	return out
}

// A slip is a cheque on the poster's mandate, as arguments of redeem.
type slip struct {
	from       common.Address
	mandate    [32]byte
	to         common.Address
	cumulative *big.Int
	bytes      uint64
}

func slipOf(cumulative int64) slip {
	return slip{poster.Address, id, payee.Address, n(cumulative), 0}
}

func (r *rig) domain() escrow.Domain {
	return escrow.Domain{ChainID: r.chain.Uint64(), Vault: marketplace.Address(r.vault)}
}

func (s slip) cheque() marketplace.Cheque {
	amount, err := marketplace.AmountFromBytes(s.cumulative.Bytes())
	if err != nil {
		panic(err)
	}
	return marketplace.Cheque{From: marketplace.Address(s.from), Mandate: s.mandate,
		To: marketplace.Address(s.to), Cumulative: amount, Bytes: s.bytes}
}

// by returns the signatures of some people in the order given, for any domain.
func (s slip) by(d escrow.Domain, people ...who) (out []byte) {
	for _, p := range people {
		signature, err := p.key.SignCheque(d, s.cheque())
		if err != nil {
			panic(err)
		}
		out = append(out, signature[:]...)
	}
	return out
}

// signed returns the arguments of redeem with the signatures of the first two signers.
func (r *rig) signed(s slip) []any { return s.args(s.by(r.domain(), signers[0], signers[1])) }

func (s slip) args(signatures []byte) []any {
	return []any{s.from, s.mandate, s.to, s.cumulative, s.bytes, signatures}
}

var (
	theVault = parse(contract.Vault())
	theToken = mustRead("testdata/Tokens.json")
)

func mustRead(path string) build {
	b, err := readBuild(path)
	if err != nil {
		panic(err)
	}
	return b
}
