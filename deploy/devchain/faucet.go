package devchain

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

const sunPerTRX = 1_000_000

// What the faucet has in the first block, and what it gives at once, in TRX.
const (
	faucetHas   = 1_000_000_000_000
	faucetGives = 1_000_000_000
)

// The faucet is an account of every new chain. Its key is no secret, and worth nothing elsewhere.
var (
	faucetKey     = keyOf("everseed dev chain: the faucet")
	faucetAddress = addressOf(faucetKey.PubKey())
)

func keyOf(seed string) *secp256k1.PrivateKey {
	sum := sha256.Sum256([]byte(seed))
	return secp256k1.PrivKeyFromBytes(sum[:])
}

func addressOf(key *secp256k1.PublicKey) common.Address {
	return common.BytesToAddress(crypto.Keccak256(key.SerializeUncompressed()[1:])[12:])
}

// sign signs a transaction as a wallet does.
func sign(key *secp256k1.PrivateKey, tx *core.Transaction) {
	id := txID(tx)
	compact := ecdsa.SignCompact(key, id[:], false)
	tx.Signature = [][]byte{append(compact[1:], compact[0])}
}

// fund sends TRX from the faucet and returns the transaction's id. Faults spare it.
func (c *Chain) fund(to common.Address, trx int64) (id common.Hash, err error) {
	c.mu.RLock()
	frame := c.frame()
	c.mu.RUnlock()
	frame.Data = []byte(rand.Text()) // giving twice is two transactions
	tx, err := wrap(frame, &core.TransferContract{OwnerAddress: tronAddress(faucetAddress),
		ToAddress: tronAddress(to), Amount: trx * sunPerTRX}, core.Transaction_Contract_TransferContract)
	if err != nil {
		return id, err
	}
	sign(faucetKey, tx)
	no, err := c.broadcast(tx, true)
	if no != nil {
		err = errors.New(no.text)
	}
	return txID(tx), err
}
