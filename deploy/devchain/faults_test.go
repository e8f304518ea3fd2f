package devchain

import (
	"strings"
	"testing"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"google.golang.org/protobuf/proto"
)

func TestAReorganisationTakesBackWhatIsNotSolid(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.blocks(SolidAfter)
	at := r.deploy(counterCode)
	tx := r.transfer(5 * trx)
	r.mustSend(tx)
	r.Stale(true)
	n, id := r.Head()
	before, err := r.solid.GetNowBlock2(t.Context(), &api.EmptyMessage{})
	r.must(err)
	r.must(r.Reorg(1000, false))
	if now, newID := r.Head(); now != n-SolidAfter || newID == id {
		t.Errorf("head went from %d to %d", n, now)
	}
	r.has(bob, 0)
	r.has(alice, aliceHas)
	got, err := r.sdk.Client.GetContract(t.Context(), &api.BytesMessage{Value: at})
	if err != nil || got.Bytecode != nil {
		t.Errorf("a contract of a block that was taken back: %v, %v", got, err)
	}
	after, err := r.solid.GetNowBlock2(t.Context(), &api.EmptyMessage{})
	if err != nil || string(after.Blockid) != string(before.Blockid) {
		t.Errorf("a solid block was taken back: %v", err)
	}
	r.mustTake(tx) // it was lost, so it may come again
	r.Stale(false)
	r.confirm(tx)
	r.has(bob, 5*trx)
	b, err := r.sdk.GetBlockByNum(n)
	for ; err == nil && b.BlockHeader == nil; b, err = r.sdk.GetBlockByNum(n) {
		r.blocks(1)
	}
	if err != nil || string(b.Blockid) == string(id[:]) {
		t.Errorf("block %d has its old id %x again (%v)", n, id, err)
	}
}

func TestABlockThatReplacesAnotherHasAnotherId(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Stale(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.head().at + 1
	var ids []string
	for range 2 {
		b, err := r.next(at, 0, nil)
		r.must(err)
		r.append(b, 0)
		r.cut(1, true)
		ids = append(ids, b.id.Hex())
	}
	if ids[0] == ids[1] {
		t.Errorf("two forks have block %s", ids[0])
	}
}

func TestAReorganisationCanGiveTransactionsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	tx := r.transfer(5 * trx)
	r.mustSend(tx)
	r.Stale(true)
	r.must(r.Reorg(SolidAfter, true))
	r.has(bob, 0)
	if _, err := r.sdk.GetTransactionInfoByID(txID(tx).Hex()); err == nil {
		t.Error("it has an info, but is in no block")
	}
	r.refuses(tx, api.Return_DUP_TRANSACTION_ERROR)
	r.Stale(false)
	r.confirm(tx)
	r.has(bob, 5*trx)
	r = r.restart()
	r.has(bob, 5*trx)
}

func TestATransactionCanBeLostOnBothSidesOfTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	tx := r.transfer(2 * trx)
	r.Drop(1)
	r.mustTake(tx) // acknowledged, and lost
	r.Mute(1)
	if out, err := r.sdk.Client.BroadcastTransaction(t.Context(), tx); err == nil {
		t.Errorf("answered %v", out) // taken, and the answer lost
	}
	r.confirm(tx)
	r.refuses(proto.CloneOf(tx), api.Return_DUP_TRANSACTION_ERROR)
	r.mustSend(r.transfer(trx)) // only one answer was to be lost
	r.has(bob, 3*trx)
}

func TestABusyNodeSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Busy(2)
	tx := r.transfer(2 * trx)
	r.refuses(tx, api.Return_SERVER_BUSY)
	r.refuses(tx, api.Return_SERVER_BUSY)
	r.mustSend(tx)
}

func TestAHeldTransactionComesLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Stale(true)
	r.Hold(7)
	n, _ := r.Head()
	tx := r.transfer(2 * trx)
	r.mustTake(tx)
	r.Stale(false)
	if got := r.confirm(tx).BlockNumber; got != n+8 {
		t.Errorf("head was %d, the transaction came in block %d", n, got)
	}
}

func TestAnOutageFailsEveryCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.Outage(true)
	if _, err := r.sdk.GetNowBlock(); err == nil || !strings.Contains(err.Error(), "outage") {
		t.Errorf("in an outage: %v", err)
	}
	if _, err := r.solid.GetNowBlock2(t.Context(), &api.EmptyMessage{}); err == nil {
		t.Error("the solid service answers in an outage")
	}
	r.Outage(false)
	r.now()
}
