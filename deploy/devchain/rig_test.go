package devchain

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/address"
	"github.com/fbsobreira/gotron-sdk/pkg/client"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveUntilKilled(dir)
	}
	// A library that the SDK imports starts goroutines when it is loaded.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

const trx = 1_000_000 // sun

// aliceHas is what alice has in the first block.
const aliceHas = 1_000_000 * trx

// A person has a key on the chain under test.
type person struct{ key *secp256k1.PrivateKey }

func someone(seed string) person {
	sum := sha256.Sum256([]byte(seed))
	return person{secp256k1.PrivKeyFromBytes(sum[:])}
}

func (p person) address() address.Address {
	return tronAddress(common.BytesToAddress(
		crypto.Keccak256(p.key.PubKey().SerializeUncompressed()[1:])[12:]))
}

func (p person) sign(tx *core.Transaction) *core.Transaction {
	id := txID(tx)
	compact := ecdsa.SignCompact(p.key, id[:], false)
	tx.Signature = [][]byte{append(compact[1:], compact[0])}
	return tx
}

var alice, bob = someone("alice"), someone("bob")

func options(dir string) Options {
	return Options{Dir: dir, BlockTime: 5 * time.Millisecond, HTTP: "127.0.0.1:0",
		Control: "127.0.0.1:0",
		Genesis: map[string]int64{string(alice.address()): aliceHas}}
}

// A rig is a chain on which alice has TRX, and the SDK's own client of it.
type rig struct {
	*testing.T
	*Chain
	sdk     *client.GrpcClient
	solid   api.WalletSolidityClient
	control string // address of the control port
}

func newRig(t *testing.T, dir string) *rig {
	t.Helper()
	return startRig(t, options(dir))
}

func startRig(t *testing.T, o Options) *rig {
	t.Helper()
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	r := dial(t, c.Addr())
	r.Chain, r.control = c, c.ControlAddr()
	return r
}

func dial(t *testing.T, address string) *rig {
	t.Helper()
	sdk := client.NewGrpcClientWithTimeout(address, 20*time.Second)
	if err := sdk.Start(client.GRPCInsecure()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sdk.Stop)
	return &rig{T: t, sdk: sdk, solid: api.NewWalletSolidityClient(sdk.Conn)}
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) until(what string, ok func() bool) {
	r.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	r.Fatalf("waited 20 s in vain until %s", what)
}

// blocks waits until n more blocks have come.
func (r *rig) blocks(n int64) {
	r.Helper()
	from := r.now().Number
	r.until("blocks come", func() bool { return r.now().Number >= from+n })
}

func (r *rig) now() *core.BlockHeaderRaw {
	r.Helper()
	b, err := r.sdk.GetNowBlock()
	r.must(err)
	return b.BlockHeader.RawData
}

func (r *rig) send(tx *core.Transaction) *api.Return {
	r.Helper()
	out, err := r.sdk.Client.BroadcastTransaction(context.Background(), tx)
	r.must(err)
	return out
}

// confirm waits until a transaction is in a block.
func (r *rig) confirm(tx *core.Transaction) (info *core.TransactionInfo) {
	r.Helper()
	r.until("the transaction is in a block", func() bool {
		var err error
		info, err = r.sdk.GetTransactionInfoByID(txID(tx).Hex())
		return err == nil
	})
	return info
}

func (r *rig) mustSend(tx *core.Transaction) *core.TransactionInfo {
	r.Helper()
	r.mustTake(tx)
	return r.confirm(tx)
}

func (r *rig) mustTake(tx *core.Transaction) {
	r.Helper()
	if out := r.send(tx); !out.Result {
		r.Fatalf("refused: %s %s", out.Code, out.Message)
	}
}

func (r *rig) refuses(tx *core.Transaction, code api.ReturnResponseCode) {
	r.Helper()
	if out := r.send(tx); out.Result || out.Code != code {
		r.Errorf("answered %t %s %q, want %s", out.Result, out.Code, out.Message, code)
	}
}

// transfer returns a transaction in which alice pays bob.
func (r *rig) transfer(sun int64) *core.Transaction {
	r.Helper()
	tx, err := r.sdk.Transfer(alice.address().String(), bob.address().String(), sun)
	r.must(err)
	return alice.sign(tx.Transaction)
}

func (r *rig) has(p person, want int64) {
	r.Helper()
	a, err := r.sdk.Client.GetAccount(context.Background(), &core.Account{Address: p.address()})
	r.must(err)
	if a.Balance != want {
		r.Errorf("has %d sun, want %d", a.Balance, want)
	}
}

// restart closes the chain and starts another in its folder.
func (r *rig) restart() *rig {
	r.Helper()
	r.must(r.Close())
	return newRig(r.T, r.opts.Dir)
}

// cannotStart says why a chain does not start.
func cannotStart(t *testing.T, o Options) string {
	t.Helper()
	c, err := Start(t.Context(), o)
	if err == nil {
		t.Fatal(errors.Join(errors.New("it started"), c.Close()))
	}
	return err.Error()
}
