package devchain

import (
	"bytes"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// Limits of java-tron on a transaction.
const (
	txSizeMax     = 500 << 10
	expiresWithin = 24 * time.Hour
	pendingMax    = 2000
	nameMax       = 32 // bytes of a contract's name
)

// A refusal is what a broadcast answers when it does not take a transaction.
type refusal struct {
	code api.ReturnResponseCode
	text string
}

func refuse(code api.ReturnResponseCode, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

func invalid(text string) *refusal {
	return refuse(api.Return_CONTRACT_VALIDATE_ERROR, "Contract validate error : %s", text)
}

// broadcast takes a transaction, and returns once it is on the disk. Faults may spare it.
func (c *Chain) broadcast(tx *core.Transaction, spared bool) (*refusal, error) {
	c.mu.Lock()
	end, no, err := c.receive(tx, spared)
	c.mu.Unlock()
	if no != nil || err != nil || end == 0 {
		return no, err
	}
	return nil, c.journal.sync(end)
}

// receive checks a transaction, writes it down and queues it. It returns where the log must be
// synced to before anyone is told, or zero.
func (c *Chain) receive(tx *core.Transaction, spared bool) (end int64, no *refusal, err error) {
	if !spared && c.mood.strikes(&c.mood.Busy, c.mood.BusyRate) || len(c.pending) >= pendingMax {
		return 0, refuse(api.Return_SERVER_BUSY, "Server busy."), nil
	}
	s, err := open(tx)
	if err != nil {
		return 0, invalid(err.Error()), nil
	}
	if c.draft == nil {
		if c.draft, err = c.ahead(); err != nil {
			return 0, nil, err
		}
	}
	if no := c.check(s); no != nil {
		return 0, no, nil
	}
	if !spared && c.mood.strikes(&c.mood.Drop, c.mood.DropRate) {
		return 0, nil, nil
	}
	raw, err := proto.Marshal(s.tx)
	if err != nil {
		return 0, nil, fmt.Errorf("encode transaction: %w", err)
	}
	if end, err = c.journal.write(record{recordTx, raw}); err != nil {
		return 0, nil, err
	}
	c.draft.execute(s, false)
	c.accept(s)
	return end, nil, nil
}

// accept queues a transaction for the next block.
func (c *Chain) accept(s signed) {
	c.known[s.id] = &receipt{signed: s}
	c.pending = append(c.pending, s)
}

// waiting returns what is pending.
func (c *Chain) waiting() []signed {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.pending[:len(c.pending):len(c.pending)]
}

// ahead is the state after everything that is pending: what is spent there cannot be spent again.
func (c *Chain) ahead() (*machine, error) {
	head := c.head()
	db, err := c.world.open(head.root)
	if err != nil {
		return nil, err
	}
	m := c.machine(db, head.number+1, head.at)
	for _, s := range c.pending {
		if c.admit(m, s) == nil {
			m.execute(s, false)
		}
	}
	return m, nil
}

// check applies the node's rules to a transaction that comes in, in the node's order.
func (c *Chain) check(s signed) *refusal {
	if s.size > txSizeMax {
		return refuse(api.Return_TOO_BIG_TRANSACTION_ERROR, "Transaction size is too big.")
	}
	if _, ok := c.known[s.id]; ok {
		return refuse(api.Return_DUP_TRANSACTION_ERROR, "Dup transaction.")
	}
	if err := checkSignature(s); err != nil {
		return refuse(api.Return_SIGERROR, "Validate signature error: %v", err)
	}
	return c.admit(c.draft, s)
}

// admit says why the next block may not take a transaction, on the state that m has. It is asked
// when a transaction comes in and again when the block is made.
func (c *Chain) admit(m *machine, s signed) *refusal {
	raw, head := s.tx.RawData, c.head().at
	if !c.refers(raw) {
		return refuse(api.Return_TAPOS_ERROR, "Tapos check error.")
	}
	if raw.Expiration <= head || raw.Expiration > head+expiresWithin.Milliseconds() {
		return refuse(api.Return_TRANSACTION_EXPIRATION_ERROR,
			"Transaction expiration, transaction expiration time is %d, but headBlockTime is %d",
			raw.Expiration, head)
	}
	if text := validate(m.db, s.call); text != "" {
		return invalid(text)
	}
	if raw.FeeLimit < 0 || raw.FeeLimit > feeLimitMax {
		return invalid(fmt.Sprintf("feeLimit must be >= 0 and <= %d", int64(feeLimitMax)))
	}
	owner, _ := evmAddress(s.owner)
	f := m.fees(s)
	left := balance(m.db, owner) - f.net
	if left < 0 {
		return refuse(api.Return_BANDWITH_ERROR, "Account resource insufficient error.")
	}
	if left < f.activation || left-f.activation < s.value() {
		return invalid("Validate error, balance is not sufficient.")
	}
	return nil
}

// value is the TRX that a call moves.
func (c call) value() int64 {
	switch {
	case c.transfer != nil:
		return c.transfer.GetAmount()
	case c.trigger != nil:
		return c.trigger.GetCallValue()
	default:
		return c.create.GetNewContract().GetCallValue()
	}
}

// validate says what is wrong with a call whatever it costs, or nothing.
func validate(db *state.StateDB, c call) string {
	owner, ok := evmAddress(c.owner)
	switch {
	case !ok:
		return "Invalid ownerAddress!"
	case !db.Exist(owner):
		return fmt.Sprintf("account [%x] does not exist", c.owner)
	case c.transfer != nil:
		return validateTransfer(db, c.transfer)
	case c.trigger != nil:
		return validateTrigger(db, c.trigger)
	default:
		return validateCreate(c.create)
	}
}

func validateTransfer(db *state.StateDB, t *core.TransferContract) string {
	to, ok := evmAddress(t.ToAddress)
	switch {
	case !ok:
		return "Invalid toAddress!"
	case bytes.Equal(t.ToAddress, t.OwnerAddress):
		return "Cannot transfer TRX to yourself."
	case t.Amount <= 0:
		return "Amount must be greater than 0."
	case hasCode(db, to):
		return "Cannot transfer TRX to a smartContract."
	}
	return ""
}

func validateTrigger(db *state.StateDB, t *core.TriggerSmartContract) string {
	to, ok := evmAddress(t.ContractAddress)
	switch {
	case !ok || !hasCode(db, to):
		return "No contract or not a valid smart contract"
	case t.CallValue < 0:
		return "callValue must be >= 0"
	case t.CallTokenValue != 0 || t.TokenId != 0:
		return "the dev chain has no TRC-10 tokens"
	}
	return ""
}

func validateCreate(c *core.CreateSmartContract) string {
	n := c.GetNewContract()
	switch {
	case !bytes.Equal(n.GetOriginAddress(), c.OwnerAddress):
		return "OwnerAddress is not equals OriginAddress"
	case len(n.Name) > nameMax:
		return "contractName's length cannot be greater than 32"
	case n.ConsumeUserResourcePercent < 0 || n.ConsumeUserResourcePercent > 100:
		return "percent must be >= 0 and <= 100"
	case n.CallValue < 0:
		return "callValue must be >= 0"
	case c.CallTokenValue != 0 || c.TokenId != 0:
		return "the dev chain has no TRC-10 tokens"
	case len(n.Bytecode) == 0:
		return "no bytecode"
	}
	return ""
}

func hasCode(db *state.StateDB, a common.Address) bool { return len(db.GetCode(a)) > 0 }
