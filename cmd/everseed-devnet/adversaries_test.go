package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent"
)

const (
	// cheatsWithin bounds the trial: some twelve epochs of five seconds on quiet cores.
	cheatsWithin = 4 * time.Minute
	// cheatsMax is what a cheat may be paid, in per cent of an honest agent beside it.
	cheatsMax = 25
	// keptLong is how many seconds the honest agent is paid for before the two are compared.
	keptLong = 60
)

// A bench is a devnet on which an honest agent and cheats keep one torrent.
type bench struct {
	*story
	t       *metainfo.Torrent
	data    []byte
	who     map[string]marketplace.Address
	cut     map[string]int64 // epochs until its lease was lost
	nextNet int
}

// TestCheatsEarnLittleBesideAnHonestAgent runs cheats against the real programs, on the wire: each takes
// a replica of one bounty beside an honest agent.
func TestCheatsEarnLittleBesideAnHonestAgent(t *testing.T) {
	t.Parallel()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), cheatsWithin)
	defer cancel()
	b := &bench{story: &story{ctx: ctx}, who: map[string]marketplace.Address{},
		cut: map[string]int64{}, nextNet: 101}
	defer func() {
		cancel()
		if err := b.end(); err != nil {
			t.Error(err)
		}
	}()
	if b.devnet, err = startDevnet(ctx, t.TempDir(), bin, func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	if err := b.cast(); err != nil {
		t.Fatal(err)
	}
	leases, err := b.watch()
	if err != nil {
		t.Fatalf("%v\n%s", err, b.market.tail())
	}
	honest := paid(leases["honest"])
	for _, cheat := range cheats {
		l := leases[cheat]
		share := 100 * paid(l).Float() / honest.Float()
		t.Logf("%s: lease %s (%s) after %d epochs, paid %.1f %% of the honest agent's %s BTT", cheat,
			l.State, l.Cause, b.cut[cheat], share, honest)
		if l.State != marketplace.Failed || share > cheatsMax {
			t.Errorf("%s: its lease is %s: %s; it was paid %.1f %%", cheat, l.State, l.Reason, share)
		}
	}
	if l := leases["relay"]; l.Passed == 0 {
		t.Error("the relay never passed: it was not put on trial")
	}
	if l := leases["chooser"]; l.Passed == 0 && l.Missed == 0 {
		t.Error("the chooser was never audited")
	}
	if in := b.quietWindows(t); in.Visits == 0 || in.Served.Good == 0 {
		t.Errorf("the honest agent's quiet windows: %+v", in)
	}
	// The comparison is of the last solid block that was looked at, the ledger is of now: a cheque may
	// become solid between the two.
	var books marketplace.Solvency
	if err := b.market.until(ctx, "the vault is the ledger", func() bool {
		books, err = b.client.Solvency(ctx)
		return err == nil && (books.LedgerDebit != books.LedgerCred || books.Vault == books.Ledger)
	}); err != nil || books.LedgerDebit != books.LedgerCred || books.Difference != "" {
		t.Errorf("the books: %+v, %v", books, err)
	}
}

// quietWindows returns what quiet windows showed of the honest agent.
func (b *bench) quietWindows(t *testing.T) (w marketplace.Windows) {
	t.Helper()
	offers, err := b.client.Offers(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range offers {
		if o.Agent == b.who["honest"] && o.Outlook != nil && o.Outlook.Windows != nil {
			w = *o.Outlook.Windows
		}
	}
	return w
}

// paid is what an agent has of a lease for good.
func paid(l marketplace.Lease) marketplace.Amount {
	if l.State == marketplace.Failed { // a quarter was held back, and is lost
		return l.Earned.MulDiv(3, 4)
	}
	return l.Earned
}

// cast posts a bounty, and brings the agent and the cheats up.
func (b *bench) cast() (err error) {
	if b.poster, err = b.aPoster(b.ctx, pocketMoney); err != nil {
		return err
	}
	if err := b.poster.run(b.ctx, nil, "wallet", "deposit", "100", "--mandate", "1d"); err != nil {
		return err
	}
	file := filepath.Join(b.dir, "archive.torrent")
	// Of a hybrid nobody has to commit to a root, and who proves nothing is asked for whole pieces.
	if _, err := b.seed(metainfo.Hybrid, file, seederagent.Size(4<<20)); err != nil {
		return err
	}
	if _, err := b.credit(); err != nil {
		return err
	}
	if err := b.poster.run(b.ctx, nil, "torrent", "add", file); err != nil {
		return err
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if b.t, err = parse(raw); err != nil {
		return err
	}
	if b.data, err = held(b.t, filepath.Join(b.dir, "content")); err != nil {
		return err
	}
	// The neighbours are too dear to get a replica: they lend their lines.
	for name, price := range map[string]uint64{"honest": 1000, "neighbour-1": 20_000, "neighbour-2": 20_000} {
		a, err := b.addAgent(name, marketplace.BTT(price), nil)
		if err != nil {
			return err
		}
		b.who[name] = a.key.Address()
	}
	if err := b.awaitOffers(b.ctx); err != nil {
		return err
	}
	if err := b.hireCheats(); err != nil {
		return err
	}
	return b.poster.run(b.ctx, &b.bounty, "bounty", "post", b.t.Infohash.String(), "--price-max", "10000",
		"--keep-for", "10m", "--good-for", "5m", "--replicas", "5")
}

// cheats are who is on trial beside the honest agent.
var cheats = []string{"relay", "spoiler", "hider", "chooser"}

// hireCheats brings up who holds nothing and relays from a seeder that nobody pays, who spoils 8 % of the
// blocks that it sends, who is silent about a fifth of the pieces, and who serves the auditors' own address
// and nobody else.
func (b *bench) hireCheats() error {
	var mu sync.Mutex // guards chance
	chance := rand.New(rand.NewPCG(1, 2))
	block := func(piece, begin, length int) []byte {
		at := int64(piece)*b.t.PieceLength + int64(begin)
		return append([]byte(nil), b.data[at:at+int64(length)]...)
	}
	for name, sends := range map[string]func(piece, begin, length int) []byte{
		"chooser": block,
		"relay":   relayed(b.t, b.seeder.Addr().String()),
		"spoiler": func(piece, begin, length int) []byte {
			sent := block(piece, begin, length)
			mu.Lock()
			defer mu.Unlock()
			if chance.Float64() < 0.08 {
				sent[chance.IntN(len(sent))] ^= 1
			}
			return sent
		},
		"hider": func(piece, begin, length int) []byte {
			if piece%5 == 0 {
				return nil
			}
			return block(piece, begin, length)
		},
	} {
		key, err := escrow.NewKey()
		if err != nil {
			return err
		}
		r := &rogue{name: name, key: key, market: client.New(b.web), torr: b.t, block: sends}
		if name == "chooser" {
			r.serves = func(from netip.Addr) bool { return from == netip.MustParseAddr("127.0.0.1") }
		}
		b.nextNet++
		listen := fmt.Sprintf("127.%d.%d.1:6881", b.net, b.nextNet)
		if err := r.open(b.ctx, listen, marketplace.BTT(1000)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.who[name] = key.Address()
	}
	return nil
}

// fetched says whether an agent has no more need of the seeder.
func fetched(l marketplace.Lease) bool {
	return l.ID != 0 && l.State != marketplace.Reserved && l.State != marketplace.Fetching
}

// watch waits until the honest agent was paid for long enough and no cheat has a lease. The relay's
// source leaves when the relay has passed.
func (b *bench) watch() (leases map[string]marketplace.Lease, err error) {
	leases = map[string]marketplace.Lease{}
	err = b.market.until(b.ctx, "the cheats are cut off", func() bool {
		all, err := b.client.LeasesOf(b.ctx, b.bounty.ID)
		if err != nil {
			return false
		}
		cut := 0
		for _, l := range all {
			for name, agent := range b.who {
				if l.Agent == agent {
					leases[name] = l
				}
			}
		}
		now := marketplace.DevnetRules().EpochAt(time.Now())
		for _, name := range cheats {
			l := leases[name]
			if l.ID == 0 || l.State.Live() {
				continue
			}
			cut++
			if b.cut[name] == 0 {
				b.cut[name] = now - marketplace.DevnetRules().EpochAt(l.ReservedAt)
			}
		}
		if b.seeder != nil && leases["relay"].Passed > 0 && fetched(leases["honest"]) {
			_ = b.seederLeaves(nil, nil) // a seeder that does not go is seen in what the relay is paid
		}
		return cut == len(cheats) && leases["honest"].Verified >= keptLong
	})
	return leases, err
}
