package devchain

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	tron "github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// TRON's prices in sun.
const (
	sunPerEnergy  = 100
	sunPerByte    = 1000
	feeLimitMax   = 15_000_000_000
	activationNet = 100_000   // instead of the bytes, when a transfer makes an account
	activationFee = 1_000_000 // and besides
	resultBytes   = 64        // paid for on top of the transaction, for its result
)

// fees are what a transaction costs besides energy.
type fees struct{ net, activation int64 }

func (m *machine) fees(s signed) fees {
	if s.transfer != nil {
		if to, _ := evmAddress(s.transfer.ToAddress); !m.db.Exist(to) {
			return fees{activationNet, activationFee}
		}
	}
	return fees{net: (int64(s.size) + resultBytes) * sunPerByte}
}

// errOutOfTime ends a call that took a witness longer than it has for one.
var errOutOfTime = errors.New("CPU timeout for a call")

// execute applies a transaction that was admitted. It returns it with its result, and the info. A
// slow call is given up.
func (m *machine) execute(s signed, slow bool) (*tron.Transaction, *tron.TransactionInfo) {
	owner, _ := evmAddress(s.owner)
	f := m.fees(s)
	info := &tron.TransactionInfo{Id: s.id[:], BlockNumber: m.number, BlockTimeStamp: m.at,
		Receipt: &tron.ResourceReceipt{NetFee: f.net}, ContractResult: [][]byte{nil}}
	m.burn(owner, f.net+f.activation)
	ret := &tron.Transaction_Result{ContractRet: tron.Transaction_Result_SUCCESS}
	if s.transfer != nil {
		m.pay(owner, s.transfer)
	} else {
		r := m.run(s, owner, info, slow)
		ret.ContractRet = outcome(r.err)
		fill(info, r)
		m.burn(owner, info.Receipt.EnergyFee)
	}
	m.db.Finalise(m.laws.rules)
	info.Fee = f.net + f.activation + info.Receipt.EnergyFee
	return &tron.Transaction{RawData: s.tx.RawData, Signature: s.tx.Signature,
		Ret: []*tron.Transaction_Result{ret}}, info
}

// run executes code, with as much energy as limit and balance pay for. What is given up costs all of it.
func (m *machine) run(
	s signed, owner common.Address, info *tron.TransactionInfo, slow bool,
) result {
	energy := min(s.tx.RawData.FeeLimit, balance(m.db, owner)-s.value()) / sunPerEnergy
	if slow {
		info.ContractAddress = s.trigger.ContractAddress
		return result{energy: energy, err: errOutOfTime}
	}
	ctx := context.Background() // what is in a block does not depend on who waits for it
	if s.create != nil {
		at := common.BytesToAddress(crypto.Keccak256(s.id[:], s.owner)[12:])
		info.ContractAddress = tronAddress(at)
		return m.deploy(ctx, s.id, owner, at, s.create.NewContract.Bytecode, s.value(), energy)
	}
	to, _ := evmAddress(s.trigger.ContractAddress)
	info.ContractAddress = s.trigger.ContractAddress
	return m.call(ctx, s.id, owner, to, s.trigger.Data, s.value(), energy)
}

// pay moves TRX, and activates who did not exist.
func (m *machine) pay(from common.Address, t *tron.TransferContract) {
	to, _ := evmAddress(t.ToAddress)
	activate(m.db, to)
	m.db.SubBalance(from, word(t.Amount), 0)
	m.db.AddBalance(to, word(t.Amount), 0)
}

func (m *machine) burn(owner common.Address, sun int64) { m.db.SubBalance(owner, word(sun), 0) }

// fill writes what a call did into its receipt.
func fill(info *tron.TransactionInfo, r result) {
	info.ContractResult = [][]byte{r.ret}
	info.Receipt.EnergyUsageTotal = r.energy
	info.Receipt.EnergyFee = r.energy * sunPerEnergy
	info.Receipt.Result = outcome(r.err)
	if r.err != nil {
		info.Result, info.ResMessage = tron.TransactionInfo_FAILED, []byte(message(r.err))
		return
	}
	info.Log = tronLogs(r.logs)
}

// outcomes are TRON's words for what can go wrong in the EVM.
var outcomes = map[error]tron.Transaction_ResultContractResult{
	vm.ErrExecutionReverted:     tron.Transaction_Result_REVERT,
	vm.ErrOutOfGas:              tron.Transaction_Result_OUT_OF_ENERGY,
	vm.ErrCodeStoreOutOfGas:     tron.Transaction_Result_OUT_OF_ENERGY,
	vm.ErrGasUintOverflow:       tron.Transaction_Result_OUT_OF_ENERGY,
	vm.ErrInvalidJump:           tron.Transaction_Result_BAD_JUMP_DESTINATION,
	vm.ErrReturnDataOutOfBounds: tron.Transaction_Result_OUT_OF_MEMORY,
	vm.ErrInvalidCode:           tron.Transaction_Result_INVALID_CODE,
	vm.ErrWriteProtection:       tron.Transaction_Result_ILLEGAL_OPERATION,
	vm.ErrInsufficientBalance:   tron.Transaction_Result_TRANSFER_FAILED,
	errOutOfTime:                tron.Transaction_Result_OUT_OF_TIME,
}

func outcome(err error) tron.Transaction_ResultContractResult {
	if err == nil {
		return tron.Transaction_Result_SUCCESS
	}
	for known, result := range outcomes {
		if errors.Is(err, known) {
			return result
		}
	}
	var opcode *vm.ErrInvalidOpCode
	var under *vm.ErrStackUnderflow
	var over *vm.ErrStackOverflow
	switch {
	case errors.As(err, &opcode):
		return tron.Transaction_Result_ILLEGAL_OPERATION
	case errors.As(err, &under):
		return tron.Transaction_Result_STACK_TOO_SMALL
	case errors.As(err, &over):
		return tron.Transaction_Result_STACK_TOO_LARGE
	default:
		return tron.Transaction_Result_UNKNOWN
	}
}

func message(err error) string {
	switch outcome(err) {
	case tron.Transaction_Result_REVERT:
		return "REVERT opcode executed"
	case tron.Transaction_Result_OUT_OF_ENERGY:
		return "Not enough energy: " + err.Error()
	default:
		return err.Error()
	}
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
