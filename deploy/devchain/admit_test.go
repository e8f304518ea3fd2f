package devchain

import (
	"slices"
	"testing"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func TestATransferArrivesOnceAndCostsWhatItDoesOnTRON(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	tx := r.transfer(7 * trx)
	info := r.mustSend(tx)
	r.refuses(tx, api.Return_DUP_TRANSACTION_ERROR)
	if info.Fee != 1_100_000 || info.Receipt.NetFee != 100_000 {
		t.Errorf("activation: %v", info)
	}
	if info.Receipt.Result != core.Transaction_Result_DEFAULT {
		t.Errorf("a transfer runs no contract, but its receipt says %s", info.Receipt.Result)
	}
	again := r.mustSend(r.transfer(3 * trx))
	if want := int64(proto.Size(tx)+64) * 1000; again.Fee != want || again.Receipt.NetFee != want {
		t.Errorf("a transfer of %d bytes: %v, want %d", proto.Size(tx), again, want)
	}
	r.has(bob, 10*trx)
	r.has(alice, aliceHas-10*trx-info.Fee-again.Fee)
}

func TestBadTransactionsAreRefusedAsTheNodeDoes(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.mustSend(r.transfer(trx))
	for name, c := range map[string]struct {
		code  api.ReturnResponseCode
		spoil func(*core.Transaction)
	}{
		"another's signature": {api.Return_SIGERROR, func(tx *core.Transaction) { bob.sign(tx) }},
		"no signature":        {api.Return_SIGERROR, func(tx *core.Transaction) { tx.Signature = nil }},
		"short signature": {api.Return_SIGERROR, func(tx *core.Transaction) {
			tx.Signature[0] = tx.Signature[0][:64]
		}},
		"changed after signing": {api.Return_SIGERROR, func(tx *core.Transaction) {
			tx.RawData.Expiration++
		}},
		"unknown block": {api.Return_TAPOS_ERROR, func(tx *core.Transaction) {
			tx.RawData.RefBlockHash = make([]byte, 8)
			alice.sign(tx)
		}},
		"no block": {api.Return_TAPOS_ERROR, func(tx *core.Transaction) {
			tx.RawData.RefBlockBytes = nil
			alice.sign(tx)
		}},
		"expired": {api.Return_TRANSACTION_EXPIRATION_ERROR, func(tx *core.Transaction) {
			tx.RawData.Expiration = r.now().Timestamp
			alice.sign(tx)
		}},
		"lives too long": {api.Return_TRANSACTION_EXPIRATION_ERROR, func(tx *core.Transaction) {
			tx.RawData.Expiration = r.now().Timestamp + 25*3600*1000
			alice.sign(tx)
		}},
		"empty": {api.Return_CONTRACT_VALIDATE_ERROR, func(tx *core.Transaction) {
			tx.RawData.Contract = nil
			alice.sign(tx)
		}},
		"fee limit": {api.Return_CONTRACT_VALIDATE_ERROR, func(tx *core.Transaction) {
			tx.RawData.FeeLimit = 15_000*trx + 1
			alice.sign(tx)
		}},
		"too big": {api.Return_TOO_BIG_TRANSACTION_ERROR, func(tx *core.Transaction) {
			tx.RawData.Data = make([]byte, 501<<10)
			alice.sign(tx)
		}},
	} {
		tx := r.transfer(2 * trx)
		c.spoil(tx)
		if out := r.send(tx); out.Result || out.Code != c.code {
			t.Errorf("%s: answered %s %s, want %s", name, out.Code, out.Message, c.code)
		}
	}
	r.blocks(2)
	r.has(bob, trx)
}

// asked puts another call into a transaction of alice's.
func (r *rig) asked(
	msg proto.Message, kind core.Transaction_Contract_ContractType,
) *core.Transaction {
	r.Helper()
	tx := r.transfer(trx)
	param, err := anypb.New(msg)
	r.must(err)
	tx.RawData.Contract[0] = &core.Transaction_Contract{Type: kind, Parameter: param}
	tx.RawData.FeeLimit = 100 * trx
	return alice.sign(tx)
}

func TestImpossibleCallsAreRefusedWhenSentAndWhenBuilt(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	at, me := r.deploy(counterCode), alice.address()
	for name, m := range map[string]*core.TransferContract{
		"nothing":       {OwnerAddress: me, ToAddress: bob.address()},
		"less":          {OwnerAddress: me, ToAddress: bob.address(), Amount: -1},
		"to herself":    {OwnerAddress: me, ToAddress: me, Amount: 1},
		"to a contract": {OwnerAddress: me, ToAddress: at, Amount: 1},
		"to 20 bytes":   {OwnerAddress: me, ToAddress: bob.address()[1:], Amount: 1},
		"too much":      {OwnerAddress: me, ToAddress: bob.address(), Amount: aliceHas + 1},
	} {
		r.Log(name)
		r.refuses(r.asked(m, core.Transaction_Contract_TransferContract),
			api.Return_CONTRACT_VALIDATE_ERROR)
		out, err := r.sdk.Client.CreateTransaction2(t.Context(), m)
		r.must(err)
		if out.Result.Code != api.Return_CONTRACT_VALIDATE_ERROR || out.Transaction != nil {
			t.Errorf("%s was built: %v", name, out)
		}
	}
	for name, m := range map[string]*core.TriggerSmartContract{
		"no contract":    {OwnerAddress: me, ContractAddress: bob.address()},
		"negative value": {OwnerAddress: me, ContractAddress: at, CallValue: -1},
		"too much value": {OwnerAddress: me, ContractAddress: at, CallValue: aliceHas},
		"TRC-10 tokens":  {OwnerAddress: me, ContractAddress: at, CallTokenValue: 1, TokenId: 1_000_001},
	} {
		r.Log(name)
		r.refuses(r.asked(m, core.Transaction_Contract_TriggerSmartContract),
			api.Return_CONTRACT_VALIDATE_ERROR)
	}
	r.refuses(r.asked(&core.CreateSmartContract{OwnerAddress: me, NewContract: &core.SmartContract{
		OriginAddress: bob.address(), Bytecode: counterCode}},
		core.Transaction_Contract_CreateSmartContract), api.Return_CONTRACT_VALIDATE_ERROR)
}

func TestWhoIsNotActivatedCannotSend(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	tx := r.transfer(trx)
	param, err := anypb.New(&core.TransferContract{OwnerAddress: bob.address(),
		ToAddress: alice.address(), Amount: 1})
	r.must(err)
	tx.RawData.Contract[0].Parameter = param
	r.refuses(bob.sign(tx), api.Return_CONTRACT_VALIDATE_ERROR)

	r.mustSend(r.transfer(1000)) // bob exists now, but cannot pay for the bytes
	param, err = anypb.New(&core.TransferContract{OwnerAddress: bob.address(),
		ToAddress: alice.address(), Amount: 1})
	r.must(err)
	tx.RawData.Contract[0].Parameter = param
	r.refuses(bob.sign(tx), api.Return_BANDWITH_ERROR)
}

func TestMoneyCannotBeSpentTwiceBeforeItIsInABlock(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Hold(1 << 30)
	first := r.transfer(aliceHas / 10 * 9)
	r.mustTake(first)
	r.refuses(r.transfer(aliceHas/10*9), api.Return_CONTRACT_VALIDATE_ERROR)
	r.Hold(0)
	r.confirm(first)
	r.has(bob, aliceHas/10*9)
}

// Who pays again when a transaction has lapsed relies on this.
func TestATransactionThatExpiresInTheQueueIsInNoBlock(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Hold(1 << 30)
	tx := r.transfer(2 * trx)
	tx.RawData.Expiration = r.now().Timestamp + 60
	r.mustTake(alice.sign(tx))
	r.until("it has expired", func() bool { return r.now().Timestamp >= tx.RawData.Expiration })
	r.Hold(0)
	r.blocks(3)
	r.has(bob, 0)
	r.refuses(tx, api.Return_TRANSACTION_EXPIRATION_ERROR)
	if r = r.restart(); r.now().Number == 0 {
		t.Error("the chain began anew")
	}
	r.has(bob, 0)
}

func TestWhatIsPendingIsFoundOnlyAmongThePending(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Hold(1 << 30)
	tx := r.transfer(trx)
	r.mustTake(tx)
	id := txID(tx)
	if _, err := r.sdk.GetTransactionByID(id.Hex()); err == nil {
		t.Error("a pending transaction is found as if it were in a block")
	}
	pending, err := r.sdk.Client.GetTransactionFromPending(t.Context(),
		&api.BytesMessage{Value: id[:]})
	r.must(err)
	if !proto.Equal(pending, tx) {
		t.Errorf("pending is %v", pending)
	}
	list, err := r.sdk.Client.GetTransactionListFromPending(t.Context(), &api.EmptyMessage{})
	r.must(err)
	if len(list.TxId) != 1 || list.TxId[0] != id.Hex()[2:] {
		t.Errorf("pending are %v", list.TxId)
	}
	r.Hold(0)
	r.confirm(tx)
	done, err := r.sdk.GetTransactionByID(id.Hex())
	r.must(err)
	if len(done.Ret) != 1 || done.Ret[0].ContractRet != core.Transaction_Result_SUCCESS {
		t.Errorf("in its block it has the result %v", done.Ret)
	}
}

func TestQueueAndBlockHaveLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Stale(true)
	tx := r.transfer(trx)
	r.mu.Lock()
	r.pending = slices.Repeat([]signed{{size: blockBytesMax / 4}}, pendingMax)
	fitting := r.fitting()
	r.mu.Unlock()
	if fitting != 4 {
		t.Errorf("%d transactions of a quarter block fit into a block", fitting)
	}
	r.refuses(tx, api.Return_SERVER_BUSY)
	r.mu.Lock()
	r.pending = nil
	r.mu.Unlock()
	r.mustTake(tx)
}
