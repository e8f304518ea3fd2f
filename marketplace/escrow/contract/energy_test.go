package contract_test

import (
	"encoding/json"
	"flag"
	"maps"
	"math"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/holiman/uint256"

	"github.com/everseed/everseed/marketplace/escrow/contract"
)

// A price is what one call takes: gas as the EVM counts it without what a transaction costs by
// itself, and energy as TRON's machine would.
type price struct {
	Gas    uint64 `json:"gas"`
	Energy uint64 `json:"energy"`
}

// A meter counts energy while the EVM runs. Almost every instruction costs the same in both; the
// others are repriced. TRON knows no cold rows, no refunds and no 63/64 rule, and its penalty on
// contracts that everybody uses is not foreseen here. Energy of creating contracts is not counted.
type meter struct {
	m      *machine
	energy uint64
}

// Energy of what costs other than gas, by java-tron's table.
const (
	energySLOAD   = 50
	energyNewRow  = 20_000 // a row that held zero
	energyRow     = 5_000
	energyCALL    = 40
	energyEXTCODE = 20
)

func (e *meter) hooks() *tracing.Hooks {
	return &tracing.Hooks{
		OnOpcode: func(_ uint64, op byte, _, cost uint64, scope tracing.OpContext, _ []byte,
			_ int, _ error) {
			e.energy += e.of(vm.OpCode(op), cost, scope)
		},
		OnEnter: func(_ int, _ byte, _, to common.Address, input []byte, _ uint64, _ *big.Int) {
			if p, ok := vm.ActivePrecompiledContracts(e.m.rules())[to]; ok {
				e.energy += p.RequiredGas(input)
			}
		},
	}
}

// of is one instruction's energy. The last of the stack is on top.
func (e *meter) of(op vm.OpCode, gas uint64, scope tracing.OpContext) uint64 {
	stack := scope.StackData()
	top := func(i int) uint256.Int { return stack[len(stack)-1-i] }
	switch op {
	case vm.SLOAD:
		return energySLOAD
	case vm.SSTORE:
		key, value := top(0), top(1)
		held := e.m.db.GetState(scope.Address(), key.Bytes32())
		if held == (common.Hash{}) && !value.IsZero() {
			return energyNewRow
		}
		return energyRow
	case vm.CALL:
		return energyCALL + expansion(scope, top(3), top(4), top(5), top(6))
	case vm.STATICCALL:
		return energyCALL + expansion(scope, top(2), top(3), top(4), top(5))
	case vm.EXTCODESIZE:
		return energyEXTCODE
	default:
		return gas
	}
}

// expansion is what a call's growing memory costs, in both machines.
func expansion(scope tracing.OpContext, inAt, inSize, outAt, outSize uint256.Int) uint64 {
	price := func(bytes uint64) uint64 {
		words := (bytes + 31) / 32
		return 3*words + words*words/512
	}
	had := uint64(len(scope.MemoryData()))
	need := had
	for _, part := range [][2]uint256.Int{{inAt, inSize}, {outAt, outSize}} {
		if !part[1].IsZero() {
			need = max(need, part[0].Uint64()+part[1].Uint64())
		}
	}
	return price(need) - price(had)
}

// priced are the calls whose price is watched. Each runs on a fresh vault over TestBTT, makes ready
// and returns the call itself.
var priced = map[string]func(*rig) (p who, method string, args []any){
	"deposit, a new account": func(r *rig) (who, string, []any) {
		r.ok(stranger, "deposit", n(100))
		return poster, "deposit", []any{n(100)}
	},
	"deposit, again": func(r *rig) (who, string, []any) {
		r.ok(poster, "deposit", n(100))
		return poster, "deposit", []any{n(100)}
	},
	"depositFor, again": func(r *rig) (who, string, []any) {
		r.ok(poster, "deposit", n(100))
		return stranger, "depositFor", []any{poster.Address, n(100)}
	},
	"openMandate, 3 signers": func(r *rig) (who, string, []any) {
		return poster, "openMandate", []any{id, addresses(signers), uint8(2), n(100), r.now + 1000}
	},
	"revokeMandate": func(r *rig) (who, string, []any) {
		r.open(100)
		return poster, "revokeMandate", []any{id}
	},
	"redeem 2 of 3, a mandate's first": func(r *rig) (who, string, []any) {
		r.payable()
		return stranger, "redeem", r.signed(slipOf(10))
	},
	"redeem 2 of 3, a payee's first": func(r *rig) (who, string, []any) {
		r.drawn()
		s := slipOf(10)
		s.to = cold.Address
		return stranger, "redeem", r.signed(s)
	},
	"redeem 2 of 3, later": func(r *rig) (who, string, []any) {
		r.drawn()
		return stranger, "redeem", r.signed(slipOf(20))
	},
	"redeemTo 2 of 3, later, to a new holder": func(r *rig) (who, string, []any) {
		r.drawn()
		return redirect(r)
	},
	"redeemTo 2 of 3, later": func(r *rig) (who, string, []any) {
		r.drawn()
		r.tell("mint", cold.Address, n(1))
		return redirect(r)
	},
	"redeemUpTo 2 of 3, later": func(r *rig) (who, string, []any) {
		r.drawn()
		return stranger, "redeemUpTo", r.signed(slipOf(500))
	},
	"thaw": func(r *rig) (who, string, []any) {
		r.ok(poster, "deposit", n(100))
		return poster, "thaw", []any{n(50)}
	},
	"cancelThaw": func(r *rig) (who, string, []any) {
		r.ok(poster, "deposit", n(100))
		r.ok(poster, "thaw", n(50))
		return poster, "cancelThaw", nil
	},
	"withdraw": func(r *rig) (who, string, []any) {
		r.ok(poster, "deposit", n(100))
		r.ok(poster, "thaw", n(50))
		r.now += thawSeconds
		return poster, "withdraw", nil
	},
}

// drawn is a vault where the poster's mandate paid the payee before.
func (r *rig) drawn() {
	r.payable()
	r.ok(stranger, "redeem", r.signed(slipOf(10))...)
}

func redirect(r *rig) (who, string, []any) {
	s := slipOf(20)
	return stranger, "redeemTo", r.to(s, cold.Address, s.payout(r.domain(), payee, cold.Address))
}

// priceOf makes one call and counts.
func priceOf(t testing.TB, name string) (p price) {
	t.Helper()
	complaints := judge(theVault, parse(contract.TestBTT()), func(r *rig) {
		by, method, args := priced[name](r)
		e := &meter{m: r.machine}
		r.tracer = e.hooks()
		p = price{Gas: r.ok(by, method, args...).gas, Energy: e.energy}
		r.tracer = nil
	})
	for _, c := range complaints {
		t.Fatal(c)
	}
	return p
}

// TestTheMeterPricesATransferAsTRONDoes compares with what a transfer of BTT burns on TRON: 1.67 TRX,
// or 3.17 to an account that holds none, of which 345 bytes of bandwidth are 0.345.
func TestTheMeterPricesATransferAsTRONDoes(t *testing.T) {
	t.Parallel()
	complaints := judge(theVault, parse(contract.TestBTT()), func(r *rig) {
		for _, burnt := range []float64{3.17, 1.67} { // the second one is no longer new
			e := &meter{m: r.machine}
			r.tracer = e.hooks()
			r.from(poster, r.token, r.tokenBuild.pack("transfer", payee.Address, n(5)))
			r.tracer = nil
			want := (burnt - 0.345) * 1e6 / 100
			if off := math.Abs(float64(e.energy)/want - 1); off > 0.03 {
				r.complain("a transfer takes %d energy; TRON takes %.0f", e.energy, want)
			}
		}
	})
	for _, c := range complaints {
		t.Error(c)
	}
}

const baselinePath = "testdata/energy.json"

var update = flag.Bool("update", false, "write "+baselinePath+" anew")

// growthMost is how much dearer than its baseline a call may become, in per cent.
const growthMost = 5

func readBaseline(t testing.TB) (out map[string]price) {
	t.Helper()
	text, err := os.ReadFile(baselinePath)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// growth returns by how many per cent a call is dearer than its baseline.
func (p price) growth(base price) float64 {
	return 100 * (float64(p.Energy)/float64(base.Energy) - 1)
}

func TestNoCallTakesMuchMoreEnergyThanItsBaseline(t *testing.T) {
	t.Parallel()
	if *update {
		writeBaseline(t)
	}
	base := readBaseline(t)
	if len(base) != len(priced) {
		t.Errorf("%d calls, %d in %s", len(priced), len(base), baselinePath)
	}
	for name := range priced {
		if p, b := priceOf(t, name), base[name]; p.growth(b) > growthMost {
			t.Errorf("%s takes %d energy, which is %+.1f %% of its baseline %d; -update, if it must",
				name, p.Energy, p.growth(b), b.Energy)
		}
	}
}

func writeBaseline(t *testing.T) {
	t.Helper()
	out := map[string]price{}
	for name := range priced {
		out[name] = priceOf(t, name)
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(baselinePath, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkEnergy reports what each call takes: EVM gas, TRON energy, what that burns at 100 sun,
// and the difference to the committed baseline. Bandwidth comes on top, 0.35 to 0.6 TRX.
func BenchmarkEnergy(b *testing.B) {
	base := readBaseline(b)
	for _, name := range slices.Sorted(maps.Keys(priced)) {
		b.Run(name, func(b *testing.B) {
			var p price
			for b.Loop() {
				p = priceOf(b, name)
			}
			b.ReportMetric(float64(p.Gas), "gas")
			b.ReportMetric(float64(p.Energy), "energy")
			b.ReportMetric(float64(p.Energy)*100/1e6, "TRX")
			b.ReportMetric(p.growth(base[name]), "%-over-baseline")
		})
	}
}
