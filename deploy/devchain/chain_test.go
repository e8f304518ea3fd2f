package devchain

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

func TestBlocksAreChainedAndTheirTimesRise(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.mustSend(r.transfer(trx))
	r.blocks(5)
	top := r.now().Number
	list, err := r.sdk.GetBlockByLimitNext(0, top+1)
	r.must(err)
	if int64(len(list.Block)) != min(top+1, 100) {
		t.Fatalf("head %d, listed %d", top, len(list.Block))
	}
	for i, b := range list.Block {
		raw := b.BlockHeader.RawData
		if id := blockID(raw); !bytes.Equal(id[:], b.Blockid) || raw.Number != int64(i) {
			t.Errorf("block %d has number %d and id %x", i, raw.Number, b.Blockid)
		}
		if i == 0 {
			continue
		}
		before := list.Block[i-1]
		if !bytes.Equal(raw.ParentHash, before.Blockid) {
			t.Errorf("block %d hangs on %x", i, raw.ParentHash)
		}
		if raw.Timestamp <= before.BlockHeader.RawData.Timestamp {
			t.Errorf("block %d is not later than the one before", i)
		}
	}
	one := list.Block[3]
	same, err := r.sdk.GetBlockByID(common.Bytes2Hex(one.Blockid))
	if err != nil || same.BlockHeader.RawData.Number != 3 {
		t.Errorf("by id: %v, %v", same, err)
	}
	latest, err := r.sdk.GetBlockByLatestNum(2)
	if err != nil || len(latest.Block) != 2 || latest.Block[1].BlockHeader.RawData.Number < top {
		t.Errorf("latest: %v, %v", latest, err)
	}
}

func TestTheSolidServiceIsEighteenBlocksBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.blocks(SolidAfter + 2)
	tx := r.transfer(trx)
	info := r.mustSend(tx)
	r.Stale(true)
	n, _ := r.Head()
	now, err := r.solid.GetNowBlock2(t.Context(), &api.EmptyMessage{})
	r.must(err)
	if got := now.BlockHeader.RawData.Number; got != n-SolidAfter {
		t.Errorf("head %d, solid %d", n, got)
	}
	id := txID(tx)
	solid := func() (*core.TransactionInfo, *core.Account, *api.TransactionInfoList) {
		info, err := r.solid.GetTransactionInfoById(t.Context(), &api.BytesMessage{Value: id[:]})
		r.must(err)
		a, err := r.solid.GetAccount(t.Context(), &core.Account{Address: bob.address()})
		r.must(err)
		list, err := r.solid.GetTransactionInfoByBlockNum(t.Context(),
			&api.NumberMessage{Num: r.confirm(tx).BlockNumber})
		r.must(err)
		return info, a, list
	}
	if i, a, list := solid(); i.Id != nil || a.Balance != 0 || list.TransactionInfo != nil {
		t.Errorf("before it is solid: %v, %v, %v", i, a, list)
	}
	b, err := r.solid.GetBlockByNum2(t.Context(), &api.NumberMessage{Num: info.BlockNumber})
	if err != nil || b.BlockHeader != nil {
		t.Errorf("block %d is not solid: %v, %v", info.BlockNumber, b, err)
	}
	r.Stale(false)
	r.until("it is solid", func() bool { return r.now().Number >= info.BlockNumber+SolidAfter })
	if i, a, list := solid(); i.BlockNumber != info.BlockNumber || a.Balance != trx ||
		len(list.TransactionInfo) != 1 {
		t.Errorf("when it is solid: %v, %v, %v", i, a, list)
	}
}

func TestTheSDKReadsAccountsAndParameters(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	a, err := r.sdk.GetAccountDetailed(alice.address().String())
	if err != nil || a.Balance != aliceHas {
		t.Errorf("alice: %v, %v", a, err)
	}
	if _, err := r.sdk.GetAccount(bob.address().String()); err == nil {
		t.Error("bob is not activated, but exists")
	}
	info, err := r.sdk.GetNodeInfo()
	if err != nil || !strings.Contains(info.SolidityBlock, "Num:0,ID:") {
		t.Errorf("node: %v, %v", info, err)
	}
	next, err := r.sdk.GetNextMaintenanceTime()
	if err != nil || next.Num <= r.now().Timestamp || next.Num%(6*3600*1000) != 0 {
		t.Errorf("maintenance: %v, %v", next, err)
	}
	parameters, err := r.sdk.Client.GetChainParameters(t.Context(), &api.EmptyMessage{})
	r.must(err)
	got := map[string]int64{}
	for _, p := range parameters.ChainParameter {
		got[p.Key] = p.Value
	}
	if got["getEnergyFee"] != 100 || got["getTransactionFee"] != 1000 ||
		got["getAllowTvmCancun"] != 1 {
		t.Errorf("parameters are %v", got)
	}
	energy, err := r.sdk.GetEnergyPriceHistory()
	if err != nil || len(energy) != 1 || energy[0].Price != 100 {
		t.Errorf("price of energy: %v, %v", energy, err)
	}
}

func TestEverySpenderIsServedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	const spenders, each = 8, 12
	at := r.deploy(counterCode)
	var all sync.WaitGroup
	stop, done := context.WithCancel(t.Context())
	defer done()
	for range 4 { // readers, while all of that happens
		all.Go(func() {
			for stop.Err() == nil {
				r.ask(at, common.LeftPadBytes([]byte{3}, 32), false)
				r.now()
			}
		})
	}
	var writers sync.WaitGroup
	for i := range spenders {
		writers.Go(func() {
			for n := range each {
				tx := r.transfer(int64(1000 + i*each + n))
				r.mustTake(tx)
			}
		})
	}
	writers.Wait()
	r.until("all are in blocks", func() bool {
		n, err := r.sdk.Client.GetPendingSize(t.Context(), &api.EmptyMessage{})
		return err == nil && n.Num == 0
	})
	done()
	all.Wait()
	want := int64(0)
	for n := range int64(spenders * each) {
		want += 1000 + n
	}
	r.has(bob, want)
	r = r.restart()
	r.has(bob, want)
}

// What a chain forgets is freed: the tries of the newest blocks share what is the same.
func TestStatesOfOldBlocksAreForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	nodes := func() int {
		r.mu.RLock()
		defer r.mu.RUnlock()
		_, dirty, _ := r.world.tries.Size()
		return int(dirty)
	}
	at := r.deploy(counterCode)
	r.call(at, 5, 100*trx)
	before := nodes()
	for range 60 {
		r.call(at, 3, 100*trx)
		r.blocks(1)
	}
	r.must(r.Reorg(7, true))
	r.blocks(statesKept + 2)
	if after := nodes(); after > before+before/2 {
		t.Errorf("the tries grew from %d to %d bytes over 60 calls", before, after)
	}
	if got := sum(r.call(at, 2, 100*trx)); got != 5+60*3+2 {
		t.Errorf("sum is %d", got)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no folder":    {},
		"no time":      {Dir: t.TempDir(), BlockTime: time.Microsecond},
		"20 bytes":     {Dir: t.TempDir(), Genesis: map[string]int64{string(bob.address()[1:]): 1}},
		"negative sun": {Dir: t.TempDir(), Genesis: map[string]int64{string(bob.address()): -1}},
	} {
		t.Log(name, cannotStart(t, o))
	}
}
