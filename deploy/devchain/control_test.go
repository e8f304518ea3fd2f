package devchain

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// order sends the control port a body and reads its answer.
func (r *rig) order(method, path, body string, out any) (code int) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, "http://"+r.control+path,
		strings.NewReader(body))
	r.must(err)
	resp, err := http.DefaultClient.Do(req)
	r.must(err)
	text, err := io.ReadAll(resp.Body)
	r.must(err)
	r.must(resp.Body.Close())
	r.must(json.Unmarshal(text, out))
	return resp.StatusCode
}

// obeys sends an order that is followed.
func (r *rig) obeys(method, path, body string, out any) {
	r.Helper()
	if code := r.order(method, path, body, out); code != http.StatusOK {
		r.Fatalf("%s %s %s: status %d: %v", method, path, body, code, out)
	}
}

// misbehaves replaces the faults.
func (r *rig) misbehaves(body string) (f Faults) {
	r.Helper()
	r.obeys("PUT", "/faults", body, &f)
	return f
}

func TestTheControlPortSetsAndTellsFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.misbehaves(`{"stale":true,"busy":1,"mute":1}`)
	tx := r.transfer(trx)
	r.refuses(tx, api.Return_SERVER_BUSY)
	if out, err := r.sdk.Client.BroadcastTransaction(t.Context(), tx); err == nil {
		t.Errorf("answered %v", out)
	}
	r.refuses(tx, api.Return_DUP_TRANSACTION_ERROR)
	var left Faults
	r.obeys("GET", "/faults", "", &left)
	if left != (Faults{Stale: true}) {
		t.Errorf("left are %+v", left)
	}
	r.misbehaves(`{}`)
	r.confirm(tx)
}

func TestOrdersThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	for _, o := range []struct{ method, path, body, says string }{
		{"PUT", "/faults", `{"busy":-1}`, "busy is -1"},
		{"PUT", "/faults", `{"drop_rate":1.5}`, "from 0 to 1"},
		{"PUT", "/faults", `{"behind":19}`, "from 0 to 18"},
		{"PUT", "/faults", `{"delay_ms":60001}`, "delay_ms"},
		{"PUT", "/faults", `{"bussy":1}`, "bussy"},
		{"PUT", "/faults", `{"busy":1}{}`, "more than one"},
		{"PUT", "/faults", `{"busy":1` + strings.Repeat(" ", orderMax), "too large"},
		{"POST", "/reorg", `{}`, "at least one"},
		{"POST", "/mine", `{"blocks":10001}`, "10000"},
		{"POST", "/fund", `{"trx":5}`, "address is missing"},
		{"POST", "/fund", `{"address":"Tx","trx":5}`, "not a TRON address"},
		{"POST", "/fund", `{"address":"` + bob.address().String() + `"}`, "trx is 0"},
	} {
		var out struct{ Error string }
		code := r.order(o.method, o.path, o.body, &out)
		if code != http.StatusBadRequest || !strings.Contains(out.Error, o.says) {
			t.Errorf("%s %.60s: %d %s", o.path, o.body, code, out.Error)
		}
	}
	if f := r.misbehaving(); f != (Faults{}) {
		t.Errorf("what was refused has an effect: %+v", f)
	}
}

func TestAForeignPageCommandsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+r.ControlAddr()+"/reorg", strings.NewReader(`{"depth":1}`))
	r.must(err)
	req.Header.Set("Origin", "https://example.org")
	resp, err := http.DefaultClient.Do(req)
	r.must(err)
	r.must(resp.Body.Close())
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestTheControlPortIsOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.Control = "0.0.0.0:0"
	if err := cannotStart(t, o); !strings.Contains(err, "loopback") {
		t.Error(err)
	}
	o.Control = "127.0.0.1:0"
	c, err := Start(t.Context(), o) // nothing was left open
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestFaultsEndAfterTheirBlocks(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.misbehaves(`{"stale":true,"outage":true,"blocks":3}`)
	var now condition
	r.obeys("POST", "/mine", `{"blocks":2}`, &now) // also while the head stands still
	if _, err := r.sdk.GetNowBlock(); err == nil {
		t.Error("after two of three blocks the outage is over")
	}
	head := now.Head.Number
	r.obeys("POST", "/mine", `{"blocks":1}`, &now)
	if now.Head.Number != head+1 {
		t.Errorf("mined one block from %d to %d", head, now.Head.Number)
	}
	r.blocks(1)
}

func TestAReorganisationIsOrderedAndEndsAtTheSolidBlock(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.blocks(SolidAfter)
	r.misbehaves(`{"stale":true}`)
	tx := r.transfer(trx)
	r.mustTake(tx)
	var before, after struct {
		condition
		Depth int
	}
	r.obeys("POST", "/mine", `{"blocks":1}`, &before)
	r.obeys("POST", "/reorg", `{"depth":1}`, &after)
	if after.Depth != 1 || after.Pending != 1 || after.Head.Number != before.Head.Number-1 {
		t.Errorf("took back one: %+v, before %+v", after, before)
	}
	r.obeys("POST", "/reorg", `{"depth":1000,"lose":true}`, &after)
	if after.Head != after.Solid || after.Solid != before.Solid || after.Reorgs != 2 {
		t.Errorf("took back %d: %+v, before %+v", after.Depth, after, before)
	}
	r.misbehaves(`{}`)
	r.confirm(tx) // it was pending, and that is not lost
}

func TestTheFaucetGivesWhateverTheFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.misbehaves(`{"busy_rate":1,"drop_rate":1,"mute_rate":1}`)
	for range 2 {
		var out struct{ TxID string }
		r.obeys("POST", "/fund", `{"address":"`+bob.address().String()+`","trx":7}`, &out)
		r.until("bob is funded", func() bool {
			_, err := r.sdk.GetTransactionInfoByID(out.TxID)
			return err == nil
		})
	}
	r.has(bob, 14*trx)
	r = r.restart()
	r.has(bob, 14*trx)
}

// Who looks at a node that is behind sees one whole chain, which is older.
func TestANodeThatIsBehindTellsOfThePast(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.blocks(2*SolidAfter + 2)
	r.misbehaves(`{"stale":true}`)
	r.mustTake(r.transfer(trx))
	var now condition
	r.obeys("POST", "/mine", `{"blocks":1}`, &now)
	r.has(bob, trx)
	r.misbehaves(`{"stale":true,"behind":18}`)
	if got := r.now().Number; got != now.Solid.Number {
		t.Errorf("head %d, 18 blocks behind it is at %d", now.Head.Number, got)
	}
	solid, err := r.solid.GetNowBlock2(t.Context(), &api.EmptyMessage{})
	r.must(err)
	if got := solid.BlockHeader.RawData.Number; got != now.Solid.Number-18 {
		t.Errorf("solid is %d, told is %d", now.Solid.Number, got)
	}
	r.has(bob, 0)
	if b, err := r.sdk.GetBlockByNum(now.Head.Number); err == nil && b.BlockHeader != nil {
		t.Errorf("it tells of block %d", now.Head.Number)
	}
	a, err := r.solid.GetAccount(t.Context(), &core.Account{Address: alice.address()})
	if err != nil || a.Balance != aliceHas {
		t.Errorf("what was solid then: %v, %v", a, err)
	}
	late := r.transfer(2 * trx) // what it builds, the chain takes
	r.misbehaves(`{}`)
	r.mustSend(late)
}

func TestEqualSeedsHaveEqualFates(t *testing.T) {
	t.Parallel()
	fates := func(seed uint64) (fates []bool) {
		m := newMood(Faults{DropRate: 0.5, Seed: seed})
		for range 64 {
			fates = append(fates, m.strikes(&m.Drop, m.DropRate))
		}
		return fates
	}
	if a, b := fates(7), fates(7); !slices.Equal(a, b) {
		t.Errorf("seed 7: %v, then %v", a, b)
	}
	if a, b := fates(7), fates(8); slices.Equal(a, b) {
		t.Errorf("seeds 7 and 8: %v", a)
	}
}

func TestACallWaitsAsLongAsItIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &Chain{mood: newMood(Faults{DelayMS: 300})}
		began := time.Now()
		if err := c.disturb(t.Context()); err != nil || time.Since(began) != 300*time.Millisecond {
			t.Errorf("waited %s: %v", time.Since(began), err)
		}
		gone, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := c.disturb(gone); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody waits for the answer: %v", err)
		}
	})
}

func TestAChainBeginsWithItsFaults(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.Faults = Faults{Busy: -1}
	if err := cannotStart(t, o); !strings.Contains(err, "busy") {
		t.Error(err)
	}
	o.Faults = Faults{Busy: 1}
	r := startRig(t, o)
	r.refuses(r.transfer(trx), api.Return_SERVER_BUSY)
}
