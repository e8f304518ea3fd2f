package devchain

import (
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	tron "github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"
	"google.golang.org/protobuf/proto"
)

// TRON's prices in sun, and its bounds.
const (
	sunPerEnergy   = 100
	sunPerByte     = 1000
	feeLimitMax    = 15_000_000_000
	activationFee  = 1_100_000     // 1 TRX, and 0.1 for bandwidth
	constantEnergy = 100_000_000   // for calls that change nothing
	depositPerByte = 200           // energy for each byte of deployed code
	codeSizeMax    = 24_576        // as in the EVM
	gasCeiling     = 1_000_000_000 // block gas limit; energy is bounded by fees
)

// A machine executes calls on one state at one block.
type machine struct {
	db      *state.StateDB
	number  int64
	timeMS  int64
	chainID uint64
	tx      common.Hash // that logs belong to
}

// A result is what a call did.
type result struct {
	ret    []byte
	energy int64
	logs   []*types.Log
	err    error
}

func (m machine) config() *params.ChainConfig {
	zero := uint64(0)
	return &params.ChainConfig{
		ChainID: new(big.Int).SetUint64(m.chainID), HomesteadBlock: new(big.Int),
		EIP150Block: new(big.Int), EIP155Block: new(big.Int), EIP158Block: new(big.Int),
		ByzantiumBlock: new(big.Int), ConstantinopleBlock: new(big.Int),
		PetersburgBlock: new(big.Int), IstanbulBlock: new(big.Int), BerlinBlock: new(big.Int),
		LondonBlock: new(big.Int), MergeNetsplitBlock: new(big.Int),
		TerminalTotalDifficulty: new(big.Int), ShanghaiTime: &zero, CancunTime: &zero,
	}
}

// env returns an EVM whose NUMBER and TIMESTAMP (seconds) are the block's.
func (m machine) env(origin common.Address) *vm.EVM {
	evm := vm.NewEVM(vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer,
		GetHash:     func(uint64) common.Hash { return common.Hash{} },
		BlockNumber: big.NewInt(m.number), Time: uint64(m.timeMS / 1000), // #nosec G115 -- after 1970
		Difficulty: new(big.Int), GasLimit: gasCeiling, BaseFee: new(big.Int),
		BlobBaseFee: big.NewInt(1), Random: &common.Hash{},
		CostPerStateByte: params.CostPerStateByte,
	}, m.db, m.config(), vm.Config{})
	evm.SetTxContext(vm.TxContext{Origin: origin, GasPrice: new(uint256.Int)})
	return evm
}

// call runs a contract. What it did is undone when it fails.
func (m machine) call(from, to common.Address, data []byte, value, energy int64) result {
	evm := m.env(from)
	rules := m.config().Rules(big.NewInt(m.number), true, 0)
	m.db.Prepare(rules, from, common.Address{}, &to, vm.ActivePrecompiles(rules), nil)
	budget := vm.NewGasBudget(uint64(energy), 0)                                      // #nosec G115
	ret, left, err := evm.Call(from, to, data, budget, uint256.NewInt(uint64(value))) // #nosec G115
	logs := m.db.GetLogs(m.tx, uint64(m.number), common.Hash{}, 0)                    // #nosec G115
	m.db.Finalise(rules)
	return result{ret, energy - int64(left.ExecutionGas), logs, err} // #nosec G115
}

// deploy runs init code at the address that TRON derives from the transaction. The code is put
// there and called, since the EVM's own create would choose another address.
func (m machine) deploy(from, at common.Address, init []byte, value, energy int64) result {
	m.db.SetCode(at, init, 0)
	r := m.call(from, at, nil, value, energy)
	r.energy += int64(len(r.ret)) * depositPerByte
	switch {
	case r.err != nil:
	case len(r.ret) > codeSizeMax:
		r.err = errors.New("contract code is too large")
	case r.energy > energy:
		r.energy, r.err = energy, vm.ErrOutOfGas
	}
	if r.err != nil {
		m.db.SetCode(at, nil, 0)
		return r
	}
	m.db.SetCode(at, r.ret, 0)
	return r
}

// execute applies an accepted transaction to a block's state.
func (c *Chain) execute(b *block, tx *tron.Transaction) *tron.TransactionInfo {
	id := txID(tx)
	in, err := unwrap(tx)
	if err != nil {
		panic(err) // it was checked before it was accepted
	}
	m := machine{b.state, b.number(), b.time(), c.opts.ChainID, id}
	b.state.SetTxContext(id, len(b.infos), 0)
	info := &tron.TransactionInfo{Id: id[:], BlockNumber: b.number(), BlockTimeStamp: b.time(),
		Receipt: &tron.ResourceReceipt{NetFee: int64(proto.Size(tx)) * sunPerByte}}
	owner := evmAddress(in.owner)
	energyMax := tx.RawData.FeeLimit / sunPerEnergy
	if sun := b.state.GetBalance(owner); sun.IsUint64() && sun.Uint64() < uint64(feeLimitMax) {
		energyMax = min(energyMax, int64(sun.Uint64())/sunPerEnergy) // #nosec G115
	}
	var r result
	switch {
	case in.transfer != nil:
		r = m.pay(owner, evmAddress(in.transfer.ToAddress), in.transfer.Amount, info)
	case in.trigger != nil:
		to := evmAddress(in.trigger.ContractAddress)
		info.ContractAddress = tronAddress(to)
		r = m.call(owner, to, in.trigger.Data, in.trigger.CallValue, energyMax)
	case in.create != nil:
		at := common.BytesToAddress(crypto.Keccak256(id[:], in.owner)[12:])
		info.ContractAddress = tronAddress(at)
		r = m.deploy(owner, at, in.create.NewContract.GetBytecode(),
			in.create.NewContract.GetCallValue(), energyMax)
	}
	fill(info, tx, r)
	m.charge(owner, info)
	return info
}

// pay moves TRX; a transfer to an account that is not there activates it for a fee.
func (m machine) pay(from, to common.Address, sun int64, info *tron.TransactionInfo) result {
	amount := uint256.NewInt(uint64(sun)) // #nosec G115 -- checked positive
	if m.db.GetBalance(from).Lt(amount) {
		return result{err: vm.ErrInsufficientBalance}
	}
	if !m.db.Exist(to) {
		info.Receipt.NetFee += activationFee
	}
	m.db.SubBalance(from, amount, 0)
	m.db.AddBalance(to, amount, 0)
	m.db.Finalise(m.config().Rules(big.NewInt(m.number), true, 0))
	return result{}
}

// charge takes the fees, or all there is.
func (m machine) charge(owner common.Address, info *tron.TransactionInfo) {
	info.Receipt.EnergyFee = info.Receipt.EnergyUsageTotal * sunPerEnergy
	fee := uint256.NewInt(uint64(info.Receipt.EnergyFee + info.Receipt.NetFee)) // #nosec G115
	if have := m.db.GetBalance(owner); have.Lt(fee) {
		fee = have.Clone()
	}
	m.db.SubBalance(owner, fee, 0)
	m.db.Finalise(m.config().Rules(big.NewInt(m.number), true, 0))
	info.Fee = int64(fee.Uint64()) // #nosec G115 -- bounded by the line above
}

// fill writes what a call did into its receipt.
func fill(info *tron.TransactionInfo, tx *tron.Transaction, r result) {
	info.ContractResult = [][]byte{r.ret}
	info.Receipt.EnergyUsageTotal, info.Receipt.EnergyUsage = r.energy, 0
	info.Receipt.Result = outcome(r.err)
	tx.Ret = []*tron.Transaction_Result{{ContractRet: info.Receipt.Result}}
	if r.err != nil {
		info.Result, info.ResMessage = tron.TransactionInfo_FAILED, []byte(message(r.err))
		return
	}
	info.Log = tronLogs(r.logs)
}

func outcome(err error) tron.Transaction_ResultContractResult {
	switch {
	case err == nil:
		return tron.Transaction_Result_SUCCESS
	case errors.Is(err, vm.ErrExecutionReverted):
		return tron.Transaction_Result_REVERT
	case errors.Is(err, vm.ErrOutOfGas):
		return tron.Transaction_Result_OUT_OF_ENERGY
	default:
		return tron.Transaction_Result_UNKNOWN
	}
}

func message(err error) string {
	if errors.Is(err, vm.ErrExecutionReverted) {
		return "REVERT opcode executed"
	}
	if errors.Is(err, vm.ErrOutOfGas) {
		return "Not enough energy"
	}
	return err.Error()
}

func tronLogs(logs []*types.Log) (out []*tron.TransactionInfo_Log) {
	for _, l := range logs {
		one := &tron.TransactionInfo_Log{Address: l.Address[:], Data: l.Data}
		for _, t := range l.Topics {
			one.Topics = append(one.Topics, t[:])
		}
		out = append(out, one)
	}
	return out
}

// constant runs a call on a copy of a block's state.
func (c *Chain) constant(b *block, t *tron.TriggerSmartContract) result {
	m := machine{b.state.Copy(), b.number(), b.time(), c.opts.ChainID, common.Hash{}}
	m.db.SetTxContext(m.tx, 0, 0)
	return m.call(evmAddress(t.OwnerAddress), evmAddress(t.ContractAddress), t.Data, t.CallValue,
		constantEnergy)
}
