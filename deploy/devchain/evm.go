package devchain

import (
	"context"
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// gasCeiling is the block's gas limit that a contract sees; energy is bounded by fees.
const gasCeiling = 1_000_000_000

// A machine executes calls on one state at one block.
type machine struct {
	db         *state.StateDB
	laws       laws
	number, at int64 // at is in ms
	past       vm.GetHashFunc
	txs        int // executed so far
}

// machine returns one on a state, for a caller that holds c.mu.
func (c *Chain) machine(db *state.StateDB, number, at int64) *machine {
	return &machine{db: db, laws: c.world.laws, number: number, at: at, past: c.past}
}

// past answers BLOCKHASH: c.mu is held.
func (c *Chain) past(number uint64) common.Hash {
	if number >= uint64(len(c.blocks)) {
		return common.Hash{}
	}
	return c.blocks[number].id
}

// A result is what a call did.
type result struct {
	ret    []byte
	energy int64
	logs   []*types.Log
	err    error
}

// env returns an EVM whose NUMBER and TIMESTAMP (seconds) are the block's.
func (m *machine) env(origin common.Address) *vm.EVM {
	evm := vm.NewEVM(vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer, GetHash: m.past,
		BlockNumber: big.NewInt(m.number), Time: uint64(m.at / 1000), // #nosec G115 -- after 1970
		Difficulty: new(big.Int), GasLimit: gasCeiling, BaseFee: big.NewInt(sunPerEnergy),
		BlobBaseFee: big.NewInt(1), Random: &common.Hash{},
		CostPerStateByte: params.CostPerStateByte,
	}, m.db, m.laws.config, vm.Config{})
	evm.SetPrecompiles(m.laws.precompiles)
	evm.SetTxContext(vm.TxContext{Origin: origin, GasPrice: new(uint256.Int)})
	return evm
}

// call runs a contract. What it did is undone when it fails, or when ctx ends first.
func (m *machine) call(
	ctx context.Context, id common.Hash, from, to common.Address, data []byte, value, energy int64,
) result {
	evm := m.begin(ctx, id, from, to)
	defer evm.end()
	ret, left, err := evm.Call(from, to, data, budget(energy), word(value))
	return m.finish(id, ret, energy, left, err)
}

// deploy runs init code at an address of our choice, where TRON's rule differs from the EVM's, and
// puts there what it returns.
func (m *machine) deploy(
	ctx context.Context, id common.Hash, from, at common.Address, init []byte, value, energy int64,
) result {
	evm := m.begin(ctx, id, from, at)
	defer evm.end()
	if !core.CanTransfer(m.db, from, word(value)) {
		return m.finish(id, nil, energy, budget(energy), vm.ErrInsufficientBalance)
	}
	before := m.db.Snapshot()
	if !m.db.Exist(at) {
		m.db.CreateAccount(at)
	}
	m.db.CreateContract(at)
	m.db.SetNonce(at, 1, 0)
	core.Transfer(m.db, from, at, word(value), &m.laws.rules)
	contract := vm.NewContract(from, at, word(value), budget(energy), nil)
	contract.SetCallCode(common.Hash{}, init)
	contract.IsDeployment = true
	code, err := evm.Run(contract, nil, false)
	left := contract.Gas
	if err == nil {
		left, err = m.keep(code, left)
	}
	if err != nil {
		m.db.RevertToSnapshot(before)
	} else {
		m.db.SetCode(at, code, 0)
	}
	return m.finish(id, code, energy, left.Exit(err), err)
}

// keep charges for the code that a deployment returned.
func (m *machine) keep(code []byte, left vm.GasBudget) (vm.GasBudget, error) {
	if len(code) > 0 && code[0] == 0xef {
		return left, vm.ErrInvalidCode
	}
	if err := vm.CheckMaxCodeSize(&m.laws.rules, uint64(len(code))); err != nil {
		return left, err
	}
	if _, ok := left.ChargeExecution(uint64(len(code)) * params.CreateDataGas); !ok {
		return left, vm.ErrCodeStoreOutOfGas
	}
	return left, nil
}

// A run is an EVM that stops when its context ends.
type run struct {
	*vm.EVM
	stop func() bool
}

func (r run) end() {
	r.stop()
	r.Release()
}

func (m *machine) begin(ctx context.Context, id common.Hash, from, to common.Address) run {
	m.db.SetTxContext(id, m.txs, 0)
	m.db.Prepare(m.laws.rules, from, common.Address{}, &to, m.laws.warm, nil)
	evm := m.env(from)
	return run{evm, context.AfterFunc(ctx, evm.Cancel)}
}

func (m *machine) finish(
	id common.Hash, ret []byte, energy int64, left vm.GasBudget, err error,
) result {
	logs := m.db.GetLogs(id, uint64(m.number), common.Hash{}, 0) // #nosec G115 -- a block's
	m.db.Finalise(m.laws.rules)
	m.txs++
	return result{ret, energy - int64(left.ExecutionGas), logs, err} // #nosec G115 -- at most energy
}

func budget(energy int64) vm.GasBudget {
	return vm.NewGasBudget(uint64(max(0, energy)), 0) // #nosec G115 -- not negative
}

func word(sun int64) *uint256.Int {
	return uint256.NewInt(uint64(max(0, sun))) // #nosec G115 -- not negative
}

// balance returns an account's sun.
func balance(db *state.StateDB, a common.Address) int64 {
	if sun := db.GetBalance(a); sun.IsUint64() && sun.Uint64() <= math.MaxInt64 {
		return int64(sun.Uint64()) // #nosec G115 -- compared above
	}
	return math.MaxInt64
}

// activate makes an account exist even with nothing on it: the nonce, which TRON does not have,
// says so.
func activate(db *state.StateDB, a common.Address) {
	if db.GetNonce(a) == 0 {
		db.SetNonce(a, 1, 0)
	}
}
