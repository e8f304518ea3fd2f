package devchain

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
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
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

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

// aChain starts a chain with TRX for alice, and the SDK's own client to it.
func aChain(t *testing.T, dir string) (*Chain, *client.GrpcClient) {
	t.Helper()
	c, err := Start(t.Context(), Options{Dir: dir, BlockTime: 5 * time.Millisecond,
		Genesis: map[string]int64{string(alice.address()): 1_000_000_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	sdk := client.NewGrpcClient(c.Addr())
	if err := sdk.Start(grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sdk.Stop()
		if err := c.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return c, sdk
}

// confirm waits until the chain has executed a transaction.
func confirm(t *testing.T, sdk *client.GrpcClient, tx *core.Transaction) *core.TransactionInfo {
	t.Helper()
	id := txID(tx)
	for range 2000 {
		info, err := sdk.Client.GetTransactionInfoById(t.Context(), &api.BytesMessage{Value: id[:]})
		if err != nil {
			t.Fatal(err)
		}
		if len(info.Id) > 0 {
			return info
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the transaction never got into a block")
	return nil
}

func send(t *testing.T, sdk *client.GrpcClient, tx *core.Transaction) *api.Return {
	t.Helper()
	r, err := sdk.Client.BroadcastTransaction(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustSend(t *testing.T, sdk *client.GrpcClient, tx *core.Transaction) *core.TransactionInfo {
	t.Helper()
	if r := send(t, sdk, tx); !r.Result {
		t.Fatalf("refused: %s %s", r.Code, r.Message)
	}
	return confirm(t, sdk, tx)
}

func transfer(t *testing.T, sdk *client.GrpcClient, sun int64) *core.Transaction {
	t.Helper()
	tx, err := sdk.Transfer(alice.address().String(), bob.address().String(), sun)
	if err != nil {
		t.Fatal(err)
	}
	return alice.sign(tx.Transaction)
}

func balance(t *testing.T, sdk *client.GrpcClient, p person) int64 {
	t.Helper()
	a, err := sdk.Client.GetAccount(t.Context(), &core.Account{Address: p.address()})
	if err != nil {
		t.Fatal(err)
	}
	return a.Balance
}

func TestATransferArrivesOnceAndOnlyOnce(t *testing.T) {
	t.Parallel()
	_, sdk := aChain(t, t.TempDir())
	tx := transfer(t, sdk, 7_000_000)
	mustSend(t, sdk, tx)
	if r := send(t, sdk, tx); r.Code != api.Return_DUP_TRANSACTION_ERROR {
		t.Errorf("sent twice: %s", r.Code)
	}
	if got := balance(t, sdk, bob); got != 7_000_000 {
		t.Errorf("bob has %d sun", got)
	}
}

func TestBadTransactionsAreRefusedAsTheNodeDoes(t *testing.T) {
	t.Parallel()
	c, sdk := aChain(t, t.TempDir())
	for code, spoil := range map[api.ReturnResponseCode]func(*core.Transaction){
		api.Return_SIGERROR: func(tx *core.Transaction) { bob.sign(tx) },
		api.Return_TAPOS_ERROR: func(tx *core.Transaction) {
			tx.RawData.RefBlockHash = make([]byte, 8)
			alice.sign(tx)
		},
		api.Return_TRANSACTION_EXPIRATION_ERROR: func(tx *core.Transaction) {
			tx.RawData.Expiration = c.head().time() - 1
			alice.sign(tx)
		},
		api.Return_CONTRACT_VALIDATE_ERROR: func(tx *core.Transaction) {
			tx.RawData.Contract = nil
			alice.sign(tx)
		},
	} {
		tx := transfer(t, sdk, 1)
		spoil(tx)
		if r := send(t, sdk, tx); r.Code != code {
			t.Errorf("answered %s %s, want %s", r.Code, r.Message, code)
		}
	}
	if got := balance(t, sdk, bob); got != 0 {
		t.Errorf("bob got %d sun from refused transactions", got)
	}
}

// counterCode deploys a contract that adds calldata's first word to slot 0, logs the sum and
// returns it; it reverts on zero, and never ends on 1.
//
//	CALLDATALOAD(0) DUP1 ISZERO →revert  DUP1 1 EQ →spin  SLOAD(0) ADD DUP1 0 SSTORE
//	0 MSTORE LOG0(0,32) RETURN(0,32)
var counterCode = common.FromHex("0x" +
	"6033600c60003960336000f3" + // return the 51 bytes that follow
	"600035" + "80" + "15" + "6029" + "57" + "80" + "6001" + "14" + "602f" + "57" +
	"600054" + "01" + "80" + "600055" + "600052" + "60206000a0" + "60206000f3" +
	"0000000000" + "5b" + "60006000fd" + "5b602f56")

func deployCounter(t *testing.T, sdk *client.GrpcClient) []byte {
	t.Helper()
	tx, err := sdk.Client.DeployContract(t.Context(), &core.CreateSmartContract{
		OwnerAddress: alice.address(),
		NewContract:  &core.SmartContract{OriginAddress: alice.address(), Bytecode: counterCode}})
	if err != nil {
		t.Fatal(err)
	}
	tx.Transaction.RawData.FeeLimit = 1_000_000_000
	info := mustSend(t, sdk, alice.sign(tx.Transaction))
	if info.Result != core.TransactionInfo_SUCESS {
		t.Fatalf("deployment: %s", info.ResMessage)
	}
	return info.ContractAddress
}

func trigger(t *testing.T, sdk *client.GrpcClient, at []byte, n byte) *core.TransactionInfo {
	t.Helper()
	word := common.LeftPadBytes([]byte{n}, 32)
	tx, err := sdk.Client.TriggerContract(t.Context(), &core.TriggerSmartContract{
		OwnerAddress: alice.address(), ContractAddress: at, Data: word})
	if err != nil {
		t.Fatal(err)
	}
	tx.Transaction.RawData.FeeLimit = 100_000_000
	tx.Transaction.RawData.Timestamp = time.Now().UnixNano() // two calls are two transactions
	return mustSend(t, sdk, alice.sign(tx.Transaction))
}

func TestAContractRunsLogsRevertsAndRunsOut(t *testing.T) {
	t.Parallel()
	_, sdk := aChain(t, t.TempDir())
	at := deployCounter(t, sdk)
	trigger(t, sdk, at, 5)
	info := trigger(t, sdk, at, 4)
	if len(info.Log) != 1 || common.BytesToHash(info.Log[0].Data).Big().Int64() != 9 {
		t.Errorf("logged %v, want 9", info.Log)
	}
	if len(info.Log) == 1 && len(info.Log[0].Address) != 20 {
		t.Errorf("log address has %d bytes", len(info.Log[0].Address))
	}
	if r := trigger(t, sdk, at, 0).Receipt.Result; r != core.Transaction_Result_REVERT {
		t.Errorf("zero: %s", r)
	}
	bad := trigger(t, sdk, at, 1)
	if bad.Receipt.Result != core.Transaction_Result_OUT_OF_ENERGY || bad.Fee < 100_000_000 {
		t.Errorf("one: %s for %d sun", bad.Receipt.Result, bad.Fee)
	}
	if sum := trigger(t, sdk, at, 2).ContractResult[0]; common.BytesToHash(sum).Big().Int64() != 11 {
		t.Errorf("failed calls left a trace: sum is %x", sum)
	}
}

func TestARevertedConstantCallSaysSoInItsTransaction(t *testing.T) {
	t.Parallel()
	_, sdk := aChain(t, t.TempDir())
	at := deployCounter(t, sdk)
	out, err := sdk.Client.TriggerConstantContract(t.Context(), &core.TriggerSmartContract{
		OwnerAddress: alice.address(), ContractAddress: at, Data: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	if out.Transaction.Ret[0].Ret != core.Transaction_Result_FAILED {
		t.Errorf("ret is %v", out.Transaction.Ret)
	}
}

func TestWhatWasAcceptedSurvivesAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, sdk := aChain(t, dir)
	at := deployCounter(t, sdk)
	trigger(t, sdk, at, 7)
	c.Hold(1 << 30) // what comes now is accepted, and in no block when the chain dies
	tx := transfer(t, sdk, 3_000_000)
	if r := send(t, sdk, tx); !r.Result {
		t.Fatal(r)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "chain.log")
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("T\x00\x00\x01\x00torn in the mid"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, sdk = aChain(t, dir)
	confirm(t, sdk, tx)
	if got := balance(t, sdk, bob); got != 3_000_000 {
		t.Errorf("bob has %d sun", got)
	}
	if sum := trigger(t, sdk, at, 2).ContractResult[0]; common.BytesToHash(sum).Big().Int64() != 9 {
		t.Errorf("storage was lost: sum is %x", sum)
	}
}

func TestSolidIsEighteenBehindAndAReorgStopsThere(t *testing.T) {
	t.Parallel()
	c, sdk := aChain(t, t.TempDir())
	mustSend(t, sdk, transfer(t, sdk, 5_000_000))
	c.Stale(true)
	n, id := c.Head()
	solid := api.NewWalletSolidityClient(sdk.Conn)
	b, err := solid.GetNowBlock2(t.Context(), &api.EmptyMessage{})
	if err != nil || b.BlockHeader.RawData.Number != max(0, n-SolidAfter) {
		t.Fatalf("head %d, solid %v, %v", n, b, err)
	}
	if err := c.Reorg(1000, false); err != nil {
		t.Fatal(err)
	}
	if now, newID := c.Head(); now != max(0, n-SolidAfter) || newID == id {
		t.Errorf("head went from %d to %d", n, now)
	}
	if got := balance(t, sdk, bob); got != 0 {
		t.Errorf("bob kept %d sun of a block that was taken back", got)
	}
	after, err := solid.GetNowBlock2(t.Context(), &api.EmptyMessage{})
	if err != nil || string(after.Blockid) != string(b.Blockid) {
		t.Errorf("a solid block was taken back: %v", err)
	}
}

func TestADroppedTransactionWasAcknowledged(t *testing.T) {
	t.Parallel()
	c, sdk := aChain(t, t.TempDir())
	c.Drop(1)
	tx := transfer(t, sdk, 2_000_000)
	if r := send(t, sdk, tx); !r.Result {
		t.Fatal(r)
	}
	c.Busy(1)
	if r := send(t, sdk, tx); r.Code != api.Return_SERVER_BUSY {
		t.Errorf("answered %s", r.Code)
	}
	mustSend(t, sdk, proto.CloneOf(tx))
	c.Outage(true)
	if _, err := sdk.GetNowBlock(); err == nil || !strings.Contains(err.Error(), "outage") {
		t.Errorf("in an outage: %v", err)
	}
	c.Outage(false)
}
