package marketplace

import (
	"testing"
	"time"
)

func TestACanaryIsSilentInOneEpochOfSixAndNeverTwiceInARow(t *testing.T) {
	t.Parallel()
	c, silent, last := Canaries{Secret: Hash{1}}, 0, false
	const epochs = 60_000
	for k := range int64(epochs) {
		now := c.Silent(k, Address{2})
		if now && last {
			t.Fatalf("silent in epochs %d and %d", k-1, k)
		}
		if last = now; now {
			silent++
		}
	}
	if silent < epochs/6-400 || silent > epochs/6+400 {
		t.Errorf("silent in %d of %d epochs", silent, epochs)
	}
}

func TestACanaryStaysQuietUntilTheLastTryOfItsSilentEpochIsOver(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Rules{"market": DefaultRules(), "devnet": DevnetRules()} {
		c, who, k := Canaries{Secret: Hash{1}}, Address{2}, int64(1000)
		for !c.Silent(k, who) {
			k++
		}
		lead := min(r.Epoch.Duration()/5, 2*time.Minute) // when the first tries of an epoch come
		for at, want := range map[time.Time]bool{
			r.EpochStart(k).Add(-1000):     false,
			r.EpochStart(k):                true,
			r.EpochStart(k + 1).Add(-1000): true,
			r.EpochStart(k + 1).Add(1000):  true,
			r.EpochStart(k + 1).Add(lead):  false,
		} {
			if got := c.Quiet(r, who, at); got != want {
				t.Errorf("%s: %s after the silent epoch began it is quiet: %v", name,
					at.Sub(r.EpochStart(k)), got)
			}
		}
	}
}

func TestASealBindsToEveryCanaryAndTellsNothing(t *testing.T) {
	t.Parallel()
	c := Canaries{Secret: Hash{1}, Agents: []Address{{2}, {3}}}
	e := AuditEpoch{Epoch: 7, Leases: []Lease{{ID: 2, Agent: Address{2}}, {ID: 1, Agent: Address{3}},
		{ID: 3, Agent: Address{4}}}}
	table := c.Table(e)
	if len(table) != 2 || table[0].Lease != 1 {
		t.Fatalf("table is %v", table)
	}
	seal := Seal(table, c.Salt(7))
	other := []Canary{table[0], table[1]}
	other[1].Silent = !other[1].Silent
	for name, h := range map[string]Hash{"another state": Seal(other, c.Salt(7)),
		"one less": Seal(table[:1], c.Salt(7)), "no salt": Seal(table, Hash{}),
		"another epoch's salt": Seal(table, c.Salt(8))} {
		if h == seal {
			t.Errorf("%s has the same seal", name)
		}
	}
	if len((Canaries{Agents: c.Agents}).Table(e)) != 0 {
		t.Error("without a secret there are no canaries")
	}
}
