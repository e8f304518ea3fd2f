package contract_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/everseed/everseed/marketplace/escrow/contract"
)

// A machine runs contracts the way TRON's does where that matters to the vault: ecrecover answers
// with 21 bytes, and block.chainid may be wider than what is signed. Time is a field.
type machine struct {
	db    *state.StateDB
	now   uint64
	chain *big.Int
	txs   int

	tracer *tracing.Hooks // looks on, when there is one
}

const gas = 50_000_000

// wideChain is a chain id of which TIP-712 signs the low four bytes only.
var wideChain = new(big.Int).SetBytes(common.FromHex("00000000000000001ebf88508a03865c71d452e2"))

func newMachine() *machine {
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		panic(err)
	}
	return &machine{db: db, now: 1_800_000_000, chain: wideChain}
}

// recover21 is ecrecover with TRON's prefix byte in front of the address.
type recover21 struct{ vm.PrecompiledContract }

func (r recover21) Run(in []byte) ([]byte, error) {
	out, err := r.PrecompiledContract.Run(in)
	if len(out) == 32 {
		out = bytes.Clone(out)
		out[11] = 0x41
	}
	return out, err
}

func (m *machine) config() *params.ChainConfig {
	zero := uint64(0)
	return &params.ChainConfig{
		ChainID: m.chain, HomesteadBlock: new(big.Int), EIP150Block: new(big.Int),
		EIP155Block: new(big.Int), EIP158Block: new(big.Int), ByzantiumBlock: new(big.Int),
		ConstantinopleBlock: new(big.Int), PetersburgBlock: new(big.Int),
		IstanbulBlock: new(big.Int), BerlinBlock: new(big.Int), LondonBlock: new(big.Int),
		MergeNetsplitBlock: new(big.Int), TerminalTotalDifficulty: new(big.Int),
		ShanghaiTime: &zero, CancunTime: &zero,
	}
}

func (m *machine) rules() params.Rules { return m.config().Rules(big.NewInt(1), true, m.now) }

// env begins a transaction.
func (m *machine) env(from common.Address, to *common.Address) *vm.EVM {
	block := vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer,
		GetHash:     func(uint64) common.Hash { return common.Hash{} },
		BlockNumber: big.NewInt(1), Time: m.now, GasLimit: gas, Difficulty: new(big.Int),
		BaseFee: new(big.Int), BlobBaseFee: new(big.Int), Random: new(common.Hash),
		CostPerStateByte: params.CostPerStateByte,
	}
	evm := vm.NewEVM(block, m.db, m.config(), vm.Config{Tracer: m.tracer})
	evm.SetTxContext(vm.TxContext{Origin: from, GasPrice: new(uint256.Int)})
	precompiles := maps.Clone(vm.ActivePrecompiledContracts(m.rules()))
	one := common.BytesToAddress([]byte{1})
	precompiles[one] = recover21{precompiles[one]}
	evm.SetPrecompiles(precompiles)

	m.txs++
	m.db.SetTxContext(common.BigToHash(big.NewInt(int64(m.txs))), m.txs, 0)
	active := vm.ActivePrecompiles(m.rules())
	m.db.Prepare(m.rules(), from, common.Address{}, to, active, nil)
	return evm
}

// deploy creates a contract.
func (m *machine) deploy(from common.Address, code []byte) (common.Address, error) {
	evm := m.env(from, nil)
	_, at, _, err := evm.Create(from, code, vm.NewGasBudget(gas, 0), new(uint256.Int))
	m.db.Finalise(m.rules())
	return at, err
}

// An answer is what a transaction left.
type answer struct {
	ret  []byte
	logs []*types.Log
	gas  uint64
	err  error
}

// call is one transaction.
func (m *machine) call(from, to common.Address, data []byte, value uint64) answer {
	evm := m.env(from, &to)
	budget := vm.NewGasBudget(gas, 0)
	ret, left, err := evm.Call(from, to, data, budget, uint256.NewInt(value))
	logs := m.db.GetLogs(common.BigToHash(big.NewInt(int64(m.txs))), 1, common.Hash{}, m.now)
	m.db.Finalise(m.rules())
	return answer{ret, logs, left.Used(budget), err}
}

// A build is a compiled contract with its ABI at hand.
type build struct {
	abi  abi.ABI
	code []byte
}

func parse(c contract.Contract) build {
	a, err := abi.JSON(bytes.NewReader(c.ABI))
	if err != nil {
		panic(err)
	}
	return build{a, c.Bytecode}
}

// readBuild reads what build.mjs wrote.
func readBuild(path string) (b build, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return b, err
	}
	var file struct {
		ABI      json.RawMessage `json:"abi"`
		Bytecode string          `json:"bytecode"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return b, fmt.Errorf("read %s: %w", path, err)
	}
	code, err := hex.DecodeString(file.Bytecode)
	if err != nil {
		return b, fmt.Errorf("read %s: %w", path, err)
	}
	return parse(contract.Contract{ABI: file.ABI, Bytecode: code}), nil
}

func (b build) pack(method string, args ...any) []byte {
	data, err := b.abi.Pack(method, args...)
	if err != nil {
		panic(fmt.Sprintf("pack %s: %v", method, err))
	}
	return data
}
