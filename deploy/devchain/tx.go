package devchain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Limits of java-tron on a transaction.
const (
	txSizeMax     = 500 << 10
	expiresWithin = 24 * time.Hour
	expiresAfter  = time.Minute // of what the node itself builds
)

// txID is SHA-256 of raw_data.
func txID(tx *core.Transaction) common.Hash {
	raw, err := proto.Marshal(tx.GetRawData())
	if err != nil {
		panic(err) // it was unmarshalled or made here
	}
	return sha256.Sum256(raw)
}

// evmAddress drops TRON's prefix byte.
func evmAddress(tron []byte) common.Address {
	if len(tron) == 21 {
		tron = tron[1:]
	}
	return common.BytesToAddress(tron)
}

func tronAddress(a common.Address) []byte { return append([]byte{0x41}, a[:]...) }

// build wraps a contract call in an unsigned transaction that refers to the solid block.
func (c *Chain) build(msg proto.Message, kind core.Transaction_Contract_ContractType) (
	*core.Transaction, error) {
	param, err := anypb.New(msg)
	if err != nil {
		return nil, fmt.Errorf("wrap contract: %w", err)
	}
	ref, now := c.solid(), c.head().time()
	return &core.Transaction{RawData: &core.TransactionRaw{
		RefBlockBytes: refBytes(ref.number()),
		RefBlockHash:  ref.id[8:16],
		Expiration:    now + expiresAfter.Milliseconds(),
		Timestamp:     time.Now().UnixMilli(),
		Contract:      []*core.Transaction_Contract{{Type: kind, Parameter: param}},
	}}, nil
}

func refBytes(number int64) []byte {
	return binary.BigEndian.AppendUint16(nil, uint16(number&0xffff)) // #nosec G115 -- masked
}

// A call is the inside of a transaction: who asks for what.
type call struct {
	owner    []byte
	transfer *core.TransferContract
	trigger  *core.TriggerSmartContract
	create   *core.CreateSmartContract
}

// unwrap reads the one contract of a transaction.
func unwrap(tx *core.Transaction) (call, error) {
	contracts := tx.GetRawData().GetContract()
	if len(contracts) != 1 {
		return call{}, fmt.Errorf("transaction has %d contracts", len(contracts))
	}
	msg, err := contracts[0].GetParameter().UnmarshalNew()
	if err != nil {
		return call{}, fmt.Errorf("read contract: %w", err)
	}
	switch m := msg.(type) {
	case *core.TransferContract:
		return call{owner: m.OwnerAddress, transfer: m}, nil
	case *core.TriggerSmartContract:
		return call{owner: m.OwnerAddress, trigger: m}, nil
	case *core.CreateSmartContract:
		return call{owner: m.OwnerAddress, create: m}, nil
	default:
		return call{}, fmt.Errorf("this devchain does not execute %T", msg)
	}
}

// A refusal is what a broadcast answers when it does not take a transaction.
type refusal struct {
	code api.ReturnResponseCode
	text string
}

// check applies the node's rules to a signed transaction.
func (c *Chain) check(tx *core.Transaction) *refusal {
	no := func(code api.ReturnResponseCode, format string, args ...any) *refusal {
		return &refusal{code, fmt.Sprintf(format, args...)}
	}
	if proto.Size(tx) > txSizeMax {
		return no(api.Return_TOO_BIG_TRANSACTION_ERROR, "Transaction size is too big.")
	}
	if _, ok := c.known[txID(tx)]; ok {
		return no(api.Return_DUP_TRANSACTION_ERROR, "Dup transaction.")
	}
	inside, err := unwrap(tx)
	if err != nil {
		return no(api.Return_CONTRACT_VALIDATE_ERROR, "Contract validate error : %v", err)
	}
	if err := checkSignature(tx, inside.owner); err != nil {
		return no(api.Return_SIGERROR, "Validate signature error: %v", err)
	}
	raw, head := tx.RawData, c.head().time()
	if !c.refers(raw) {
		return no(api.Return_TAPOS_ERROR, "Tapos check error.")
	}
	if raw.Expiration <= head || raw.Expiration > head+expiresWithin.Milliseconds() {
		return no(api.Return_TRANSACTION_EXPIRATION_ERROR,
			"Transaction expiration, transaction expiration time is %d, but headBlockTime is %d",
			raw.Expiration, head)
	}
	if text := c.affords(inside, raw.FeeLimit); text != "" {
		return no(api.Return_CONTRACT_VALIDATE_ERROR, "Contract validate error : %s", text)
	}
	return nil
}

// refers says whether the reference block is one of this chain's.
func (c *Chain) refers(raw *core.TransactionRaw) bool {
	if len(raw.RefBlockBytes) != 2 {
		return false
	}
	head := c.head().number()
	number := head&^0xffff | int64(binary.BigEndian.Uint16(raw.RefBlockBytes))
	if number > head {
		number -= 1 << 16
	}
	return number >= 0 && bytes.Equal(c.blocks[number].id[8:16], raw.RefBlockHash)
}

func checkSignature(tx *core.Transaction, owner []byte) error {
	if len(tx.Signature) != 1 || len(tx.Signature[0]) != 65 {
		return fmt.Errorf("miss sig or contract")
	}
	sig, id := tx.Signature[0], txID(tx)
	v := sig[64]
	if v < 27 {
		v += 27
	}
	key, _, err := ecdsa.RecoverCompact(slices.Concat([]byte{v}, sig[:64]), id[:])
	if err != nil {
		return err
	}
	signer := crypto.Keccak256(key.SerializeUncompressed()[1:])[12:]
	if !bytes.Equal(tronAddress(common.BytesToAddress(signer)), owner) {
		return fmt.Errorf("%x is not the owner", signer)
	}
	return nil
}

// affords returns why the owner cannot pay, or nothing.
func (c *Chain) affords(in call, feeLimit int64) string {
	db := c.head().state
	owner := evmAddress(in.owner)
	if !db.Exist(owner) {
		return "account does not exist: an account is activated by a transfer of TRX to it"
	}
	if feeLimit < 0 || feeLimit > feeLimitMax {
		return "feeLimit must be >= 0 and <= 15000000000"
	}
	need := uint64(0)
	switch {
	case in.transfer != nil:
		if in.transfer.Amount <= 0 {
			return "Amount must be greater than 0."
		}
		if bytes.Equal(in.transfer.ToAddress, in.owner) {
			return "Cannot transfer TRX to yourself."
		}
		need = uint64(in.transfer.Amount)
	case in.trigger != nil:
		if len(db.GetCode(evmAddress(in.trigger.ContractAddress))) == 0 {
			return "No contract or not a valid smart contract"
		}
		need = uint64(max(0, in.trigger.CallValue))
	}
	if db.GetBalance(owner).CmpUint64(need) < 0 {
		return "balance is not sufficient."
	}
	return ""
}

// accept remembers a transaction and queues it for the next block.
func (c *Chain) accept(tx *core.Transaction) {
	c.known[txID(tx)] = &receipt{tx: tx}
	c.pending = append(c.pending, tx)
}

// broadcast checks a transaction, writes it down and then takes it.
func (c *Chain) broadcast(tx *core.Transaction) (*refusal, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.busy > 0 {
		c.faults.busy--
		return &refusal{api.Return_SERVER_BUSY, "Server busy."}, nil
	}
	if no := c.check(tx); no != nil {
		return no, nil
	}
	if c.faults.drop > 0 {
		c.faults.drop--
		return nil, nil
	}
	raw, err := proto.Marshal(tx)
	if err != nil {
		return nil, fmt.Errorf("encode transaction: %w", err)
	}
	if err := c.journal.write(record{recordTx, raw}, true); err != nil {
		return nil, err
	}
	c.accept(tx)
	return nil, nil
}
