package devchain

import (
	"context"
	"encoding/json"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/address"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// returned wraps code of up to 255 bytes in init code that returns it.
func returned(code string) []byte {
	b := common.FromHex(code)
	return append([]byte{0x60, byte(len(b)), 0x60, 0x0c, 0x5f, 0x39, 0x60, byte(len(b)), 0x5f, 0xf3,
		0, 0}, b...)
}

// counterCode adds calldata's first word to slot 0, logs the sum and returns it; it reverts on
// zero, and never ends on 1.
//
//	CALLDATALOAD(0) DUP1 ISZERO →revert  DUP1 1 EQ →spin  SLOAD(0) ADD DUP1 0 SSTORE
//	0 MSTORE LOG0(0,32) RETURN(0,32)
var counterCode = returned("600035" + "80" + "15" + "6029" + "57" + "80" + "6001" + "14" + "602f" +
	"57" + "600054" + "01" + "80" + "600055" + "600052" + "60206000a0" + "60206000f3" +
	"0000000000" + "5b" + "60006000fd" + "5b602f56")

func (r *rig) deploy(init []byte) address.Address {
	r.Helper()
	return r.deployed(init).ContractAddress
}

func (r *rig) deployed(init []byte) *core.TransactionInfo {
	r.Helper()
	tx, err := r.sdk.DeployContract(alice.address().String(), "test", nil, common.Bytes2Hex(init),
		1000*trx, 100, 1)
	r.must(err)
	info := r.mustSend(alice.sign(tx.Transaction))
	if info.Result != core.TransactionInfo_SUCESS {
		r.Fatalf("deployment: %s", info.ResMessage)
	}
	return info
}

func (r *rig) call(at address.Address, n byte, feeLimit int64) *core.TransactionInfo {
	r.Helper()
	tx, err := r.sdk.Client.TriggerContract(context.Background(), &core.TriggerSmartContract{
		OwnerAddress: alice.address(), ContractAddress: at,
		Data: common.LeftPadBytes([]byte{n}, 32)})
	r.must(err)
	tx.Transaction.RawData.FeeLimit = feeLimit
	tx.Transaction.RawData.Timestamp = time.Now().UnixNano() // two calls are two transactions
	return r.mustSend(alice.sign(tx.Transaction))
}

func sum(info *core.TransactionInfo) int64 {
	return common.BytesToHash(info.ContractResult[0]).Big().Int64()
}

// ask makes a constant call on either service.
func (r *rig) ask(at address.Address, data []byte, solid bool) *api.TransactionExtention {
	r.Helper()
	call := r.sdk.Client.TriggerConstantContract
	if solid {
		call = r.solid.TriggerConstantContract
	}
	out, err := call(context.Background(), &core.TriggerSmartContract{
		OwnerAddress: alice.address(), ContractAddress: at, Data: data})
	r.must(err)
	return out
}

func TestAContractRunsLogsRevertsAndRunsOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	at := r.deploy(counterCode)
	r.call(at, 5, 100*trx)
	info := r.call(at, 4, 100*trx)
	if len(info.Log) != 1 || common.BytesToHash(info.Log[0].Data).Big().Int64() != 9 {
		t.Fatalf("logged %v, want 9", info.Log)
	}
	if string(info.Log[0].Address) != string(at[1:]) || string(info.ContractAddress) != string(at) {
		t.Errorf("log of %x, contract %x", info.Log[0].Address, info.ContractAddress)
	}
	if e := info.Receipt; e.EnergyUsageTotal < 5000 || e.EnergyFee != 100*e.EnergyUsageTotal ||
		info.Fee != e.EnergyFee+e.NetFee || e.Result != core.Transaction_Result_SUCCESS {
		t.Errorf("receipt: %v", info)
	}
	list, err := r.sdk.GetBlockInfoByNum(info.BlockNumber)
	r.must(err)
	if len(list.TransactionInfo) != 1 || string(list.TransactionInfo[0].Id) != string(info.Id) {
		t.Errorf("the block's infos are %v", list)
	}
	bad := r.call(at, 0, 100*trx)
	if bad.Receipt.Result != core.Transaction_Result_REVERT || bad.Log != nil ||
		string(bad.ResMessage) != "REVERT opcode executed" || bad.Fee > trx {
		t.Errorf("zero: %v", bad)
	}
	bad = r.call(at, 1, 100*trx)
	if bad.Receipt.Result != core.Transaction_Result_OUT_OF_ENERGY ||
		bad.Result != core.TransactionInfo_FAILED || bad.Receipt.EnergyFee != 100*trx {
		t.Errorf("one: %v", bad)
	}
	if got := sum(r.call(at, 2, 100*trx)); got != 11 {
		t.Errorf("failed calls left a trace: sum is %d", got)
	}
}

func TestFeeLimitCapsEnergy(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	at := r.deploy(counterCode)
	need := r.call(at, 5, 100*trx).Receipt.EnergyFee // a new row: more than any later call
	info := r.call(at, 5, need/4)
	if info.Receipt.Result != core.Transaction_Result_OUT_OF_ENERGY ||
		info.Receipt.EnergyFee > need/4 {
		t.Errorf("with a fee limit of %d: %v", need/4, info)
	}
}

// A witness gives a call up that takes it too long, and TRON burns all that the call could have cost.
func TestACallThatRunsOutOfTimeCostsAllAndDoesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	at := r.deploy(counterCode)
	before := sum(r.call(at, 2, 100*trx))
	r.Slow(1)
	slow := r.call(at, 2, 50*trx)
	if slow.Receipt.Result != core.Transaction_Result_OUT_OF_TIME || slow.Log != nil ||
		slow.Result != core.TransactionInfo_FAILED || slow.Receipt.EnergyFee != 50*trx {
		t.Errorf("a slow call: %v", slow)
	}
	r = r.restart() // the log says which call was slow
	if got := sum(r.call(at, 2, 100*trx)); got != before+2 {
		t.Errorf("after a slow call the sum is %d, was %d", got, before)
	}
}

func TestADeploymentThatFailsLeavesNoContract(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	for name, c := range map[string]struct {
		init   []byte
		result core.Transaction_ResultContractResult
	}{
		"reverts":           {common.FromHex("5f5ffd"), core.Transaction_Result_REVERT},
		"reserved code":     {returned("ef"), core.Transaction_Result_INVALID_CODE},
		"unknown opcode":    {common.FromHex("0c"), core.Transaction_Result_ILLEGAL_OPERATION},
		"bad jump":          {common.FromHex("5f56"), core.Transaction_Result_BAD_JUMP_DESTINATION},
		"empty stack":       {common.FromHex("50"), core.Transaction_Result_STACK_TOO_SMALL},
		"code not paid for": {common.FromHex("6110005ff3"), core.Transaction_Result_OUT_OF_ENERGY},
	} {
		tx, err := r.sdk.DeployContract(alice.address().String(), name, nil,
			common.Bytes2Hex(c.init), trx, 100, 1)
		r.must(err)
		if name == "code not paid for" {
			tx.Transaction.RawData.FeeLimit = 4096 * 100 // 4096 bytes cost 200 energy each
		}
		info := r.mustSend(alice.sign(tx.Transaction))
		if info.Receipt.Result != c.result || info.Result != core.TransactionInfo_FAILED {
			t.Errorf("%s: %v", name, info)
		}
		got, err := r.sdk.Client.GetContract(t.Context(),
			&api.BytesMessage{Value: info.ContractAddress})
		if err != nil || got.Bytecode != nil {
			t.Errorf("%s: there is a contract: %v, %v", name, got, err)
		}
		if a, err := r.sdk.GetAccount(address.Address(info.ContractAddress).String()); err == nil {
			t.Errorf("%s: there is an account: %v", name, a)
		}
	}
}

func TestAContractLiesWhereTRONPutsIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	// Init code sees no code at its own address, and has one byte, 0, to return: PUSH0 when there
	// is none. ADDRESS EXTCODESIZE PUSH0 MSTORE  RETURN(31,1)
	info := r.deployed(common.FromHex("303b5f526001601ff3"))
	want := tronAddress(common.BytesToAddress(
		crypto.Keccak256(info.Id, alice.address())[12:]))
	if string(info.ContractAddress) != string(want) {
		t.Errorf("contract at %x, want %x", info.ContractAddress, want)
	}
	all, err := r.sdk.Client.GetContractInfo(t.Context(), &api.BytesMessage{Value: want})
	r.must(err)
	if string(all.Runtimecode) != "\x00" || all.SmartContract.Name != "test" ||
		string(all.SmartContract.ContractAddress) != string(want) {
		t.Errorf("contract is %v", all)
	}
}

func TestAConstantCallTellsHowItFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	at := r.deploy(counterCode)
	r.call(at, 5, 100*trx)
	word := func(n byte) []byte { return common.LeftPadBytes([]byte{n}, 32) }
	out := r.ask(at, word(4), false)
	if !out.Result.Result || common.BytesToHash(out.ConstantResult[0]).Big().Int64() != 9 ||
		len(out.Logs) != 1 || out.EnergyUsed == 0 ||
		out.Transaction.Ret[0].Ret != core.Transaction_Result_SUCESS {
		t.Errorf("9: %v", out)
	}
	out = r.ask(at, word(0), false)
	if !out.Result.Result || out.Transaction.Ret[0].Ret != core.Transaction_Result_FAILED {
		t.Errorf("a revert: %v", out)
	}
	out = r.ask(at, word(1), false)
	if out.Result.Result || out.Result.Code != api.Return_OTHER_ERROR {
		t.Errorf("without end: %v", out)
	}
	out = r.ask(bob.address(), word(1), false)
	if out.Result.Code != api.Return_CONTRACT_VALIDATE_ERROR {
		t.Errorf("where there is no contract: %v", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	gone, err := (&wallet{chain: r.Chain}).TriggerConstantContract(ctx, &core.TriggerSmartContract{
		OwnerAddress: alice.address(), ContractAddress: at, Data: word(1)})
	if status.Code(err) != codes.Canceled {
		t.Errorf("nobody waits for the answer: %v, %v", gone, err)
	}
	if got := sum(r.call(at, 2, 100*trx)); got != 7 {
		t.Errorf("constant calls left a trace: sum is %d", got)
	}
}

func TestConstantCallsOfTheSolidServiceSeeSolidBlocksOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	at := r.deploy(counterCode)
	info := r.call(at, 5, 100*trx)
	r.until("it is solid", func() bool { return r.now().Number >= info.BlockNumber+SolidAfter })
	r.call(at, 6, 100*trx)
	r.Stale(true)
	two := common.LeftPadBytes([]byte{2}, 32)
	if out := r.ask(at, two, true); common.BytesToHash(out.ConstantResult[0]).Big().Int64() != 7 {
		t.Errorf("solid: %v", out)
	}
	if out := r.ask(at, two, false); common.BytesToHash(out.ConstantResult[0]).Big().Int64() != 13 {
		t.Errorf("head: %v", out)
	}
}

func TestAContractSeesTheChainAsOnTRON(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	// CHAINID NUMBER TIMESTAMP BLOCKHASH(NUMBER-1) CALLER BASEFEE, a word each
	at := r.deploy(returned("465f52" + "43602052" + "42604052" + "6001430340606052" + "33608052" +
		"4860a052" + "60c05ff3"))
	info := r.call(at, 0, 100*trx)
	words := make([]*big.Int, 6)
	for i := range words {
		words[i] = new(big.Int).SetBytes(info.ContractResult[0][32*i : 32*i+32])
	}
	before, err := r.sdk.GetBlockByNum(info.BlockNumber - 1)
	r.must(err)
	for i, want := range []*big.Int{
		big.NewInt(DefaultChainID), big.NewInt(info.BlockNumber),
		big.NewInt(info.BlockTimeStamp / 1000), new(big.Int).SetBytes(before.Blockid),
		new(big.Int).SetBytes(alice.address()[1:]), big.NewInt(100),
	} {
		if words[i].Cmp(want) != 0 {
			t.Errorf("word %d is %x, want %x", i, words[i], want)
		}
	}
}

// On TRON ecrecover answers 21 bytes; a contract that compares the word with an address fails.
func TestEcrecoverAnswersWithThePrefix(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	// CALLDATACOPY(0,0,128) STATICCALL(gas,1,0,128,0,32) RETURN(0,32)
	at := r.deploy(returned("60805f5f37" + "60205f60805f60015afa50" + "60205ff3"))
	hash := crypto.Keccak256([]byte("a cheque"))
	sig := ecdsa.SignCompact(bob.key, hash, false)
	input := append(append(hash, common.LeftPadBytes(sig[:1], 32)...), sig[1:]...)
	out := r.ask(at, input, false)
	if want := common.LeftPadBytes(bob.address(), 32); string(out.ConstantResult[0]) != string(want) {
		t.Errorf("recovered %x, want %x", out.ConstantResult[0], want)
	}
}

// The token of the test networks, through the SDK's own TRC-20 calls.
func TestARealTokenMovesThroughTheSDK(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	text, err := os.ReadFile("../../marketplace/escrow/contract/TestBTT.json")
	r.must(err)
	var made struct{ Bytecode string }
	r.must(json.Unmarshal(text, &made))
	at := r.deploy(common.FromHex(made.Bytecode)).String()
	me, him := alice.address().String(), bob.address().String()
	symbol, err := r.sdk.TRC20GetSymbol(at)
	if err != nil || symbol != "BTT" {
		t.Errorf("symbol is %q, %v", symbol, err)
	}
	mint, err := r.sdk.TriggerContract(me, at, "mint(address,uint256)",
		`[{"address":"`+me+`"},{"uint256":"1000"}]`, 100*trx, 0, "", 0)
	r.must(err)
	r.mustSend(alice.sign(mint.Transaction))
	estimate, err := r.sdk.EstimateEnergy(me, at, "transfer(address,uint256)",
		`[{"address":"`+him+`"},{"uint256":"40"}]`, 0, "", 0)
	r.must(err)
	pay, err := r.sdk.TRC20Send(me, him, at, big.NewInt(40), 100*trx)
	r.must(err)
	info := r.mustSend(alice.sign(pay.Transaction))
	if info.Receipt.EnergyUsageTotal != estimate.EnergyRequired || len(info.Log) != 1 {
		t.Errorf("estimated %d energy: %v", estimate.EnergyRequired, info)
	}
	has, err := r.sdk.TriggerConstantContract("", at, "balanceOf(address)", `[{"address":"`+him+`"}]`)
	r.must(err)
	if new(big.Int).SetBytes(has.ConstantResult[0]).Int64() != 40 {
		t.Errorf("bob has %v", has)
	}
}
