package devchain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// addressPrefix is the first of an address's 21 bytes.
const addressPrefix = 0x41

// expiresAfter is the life of what the node builds.
const expiresAfter = time.Minute

// A signed transaction and what was read from it.
type signed struct {
	call
	id   common.Hash
	tx   *core.Transaction // raw data and signature, nothing else
	size int
}

// A call is the inside of a transaction: who asks for what. One of the three is there.
type call struct {
	owner    []byte
	transfer *core.TransferContract
	trigger  *core.TriggerSmartContract
	create   *core.CreateSmartContract
}

// open reads a transaction.
func open(tx *core.Transaction) (signed, error) {
	contracts := tx.GetRawData().GetContract()
	if len(contracts) != 1 {
		return signed{}, errors.New("transaction must have exactly one contract")
	}
	msg, err := contracts[0].GetParameter().UnmarshalNew()
	if err != nil {
		return signed{}, fmt.Errorf("read contract: %w", err)
	}
	inside, err := callOf(msg)
	if err != nil {
		return signed{}, err
	}
	bare := &core.Transaction{RawData: tx.RawData, Signature: tx.Signature}
	return signed{inside, txID(tx), bare, proto.Size(bare)}, nil
}

func callOf(msg proto.Message) (call, error) {
	switch m := msg.(type) {
	case *core.TransferContract:
		return call{owner: m.OwnerAddress, transfer: m}, nil
	case *core.TriggerSmartContract:
		return call{owner: m.OwnerAddress, trigger: m}, nil
	case *core.CreateSmartContract:
		return call{owner: m.OwnerAddress, create: m}, nil
	default:
		return call{}, fmt.Errorf("the dev chain does not execute %T", msg)
	}
}

// kind is what the transaction's envelope calls it.
func (c call) kind() core.Transaction_Contract_ContractType {
	switch {
	case c.transfer != nil:
		return core.Transaction_Contract_TransferContract
	case c.trigger != nil:
		return core.Transaction_Contract_TriggerSmartContract
	default:
		return core.Transaction_Contract_CreateSmartContract
	}
}

// txID is SHA-256 of raw_data.
func txID(tx *core.Transaction) common.Hash {
	raw, err := proto.Marshal(tx.GetRawData())
	must(err)
	return sha256.Sum256(raw)
}

// evmAddress drops TRON's prefix byte.
func evmAddress(tron []byte) (a common.Address, ok bool) {
	if len(tron) != 21 || tron[0] != addressPrefix {
		return a, false
	}
	return common.BytesToAddress(tron), true
}

func tronAddress(a common.Address) []byte { return append([]byte{addressPrefix}, a[:]...) }

// frame is a transaction without content that refers to the solid block, as a node makes it.
func (c *Chain) frame() *core.TransactionRaw {
	ref, now := c.seenSolid(), c.seenHead().at
	return &core.TransactionRaw{
		RefBlockBytes: binary.BigEndian.AppendUint16(nil, uint16(ref.number&0xffff)), // #nosec G115
		RefBlockHash:  ref.id[8:16],
		Expiration:    now + expiresAfter.Milliseconds(),
		Timestamp:     time.Now().UnixMilli(),
	}
}

// wrap puts a call into a frame.
func wrap(
	frame *core.TransactionRaw, msg proto.Message, kind core.Transaction_Contract_ContractType,
) (*core.Transaction, error) {
	param, err := anypb.New(msg)
	if err != nil {
		return nil, fmt.Errorf("wrap contract: %w", err)
	}
	frame.Contract = []*core.Transaction_Contract{{Type: kind, Parameter: param}}
	return &core.Transaction{RawData: frame}, nil
}

// refers says whether the reference block is one of this chain's newest 65536.
func (c *Chain) refers(raw *core.TransactionRaw) bool {
	if len(raw.RefBlockBytes) != 2 {
		return false
	}
	head := c.head().number
	number := head&^0xffff | int64(binary.BigEndian.Uint16(raw.RefBlockBytes))
	if number > head {
		number -= 1 << 16
	}
	return number >= 0 && bytes.Equal(c.blocks[number].id[8:16], raw.RefBlockHash)
}

// checkSignature recovers the signer and compares it with the owner.
func checkSignature(s signed) error {
	if len(s.tx.Signature) != 1 {
		return errors.New("miss sig or contract")
	}
	sig := s.tx.Signature[0]
	if len(sig) != 65 {
		return fmt.Errorf("signature size is %d", len(sig))
	}
	v := sig[64]
	if v < 27 {
		v += 27
	}
	key, _, err := ecdsa.RecoverCompact(slices.Concat([]byte{v}, sig[:64]), s.id[:])
	if err != nil {
		return fmt.Errorf("recover signer: %w", err)
	}
	signer := addressOf(key)
	if !bytes.Equal(tronAddress(signer), s.owner) {
		return fmt.Errorf("%x is signed by %x but it is not contained of permission",
			s.id, tronAddress(signer))
	}
	return nil
}
