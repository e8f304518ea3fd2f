package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent"
	"github.com/everseed/everseed/seederagent/swarm"
)

// programs is where the five programs were built for this run.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "everseed-programs-")
	if err != nil {
		return "", err
	}
	args := []string{"build", "-o", dir}
	for _, p := range []string{"", "-agent", "-auditor", "-devnet", "-market"} {
		args = append(args, "github.com/everseed/everseed/cmd/everseed"+p)
	}
	build := exec.Command("go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// storyWithin bounds a script.
const storyWithin = 4 * time.Minute

// A story is the devnet of one script and who plays in it.
type story struct {
	*devnet
	ctx      context.Context
	poster   *poster
	seeder   *swarm.Engine
	trackers trackers
	bounty   marketplace.Bounty
}

// TestStories runs testdata/*.txtar, each on a devnet of its own. After every script the books
// must balance.
func TestStories(t *testing.T) {
	t.Parallel()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			dir := filepath.Join(env.WorkDir, ".devnet")
			ctx, cancel := context.WithTimeout(context.Background(), storyWithin)
			s := &story{ctx: ctx}
			env.Defer(func() {
				cancel()
				if err := s.end(); err != nil {
					t.Error(err)
				}
			})
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
			s.devnet, err = startDevnet(ctx, dir, bin, func(string, ...any) {})
			if err != nil {
				return err
			}
			if s.poster, err = s.aPoster(ctx, marketplace.BTT(1000)); err != nil {
				return err
			}
			env.Values["story"] = s
			env.Setenv("EVERSEED_MARKET", s.web)
			env.Setenv("EVERSEED_TRON_GRPC", s.tron)
			env.Setenv("EVERSEED_KEY", s.poster.key.Hex())
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"torrent": verb((*story).makeTorrent), "hostile": verb((*story).makeHostile),
			"credited": verb((*story).awaitCredit), "agent": verb((*story).hire),
			"await": verb((*story).await), "kill9": verb((*story).kill9),
			"restart": verb((*story).restart), "books": verb((*story).books),
			"thawed": verb((*story).awaitThaw),
		},
	})
}

// verb makes a script command of a method.
func verb(do func(*story, *testscript.TestScript, []string) error) func(*testscript.TestScript,
	bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		s := ts.Value("story").(*story)
		err := do(s, ts, args)
		if neg && err == nil {
			ts.Fatalf("it worked, and should not")
		}
		if !neg && err != nil {
			ts.Fatalf("%v\n%s", err, s.market.tail())
		}
	}
}

func (s *story) end() error {
	var errs []error
	if s.seeder != nil {
		errs = append(errs, s.seeder.Close())
	}
	errs = append(errs, s.trackers.close())
	if s.devnet != nil {
		errs = append(errs, s.stop())
	}
	return errors.Join(errs...)
}

// makeTorrent FILE SIZE makes content, a .torrent of it and a seeder, and sets $HASH.
func (s *story) makeTorrent(ts *testscript.TestScript, args []string) error {
	var size seederagent.Size
	if err := size.UnmarshalText([]byte(args[1])); err != nil {
		return err
	}
	h, err := s.seed(ts.MkAbs(args[0]), size)
	ts.Setenv("HASH", h.String())
	return err
}

func (s *story) seed(file string, size seederagent.Size) (h marketplace.Infohash, err error) {
	path := filepath.Join(s.dir, "content", "archive")
	if err := makeContent(path, int64(size), 7); err != nil {
		return h, err
	}
	raw, err := metainfo.Build(s.ctx, path, 0, nil)
	if err != nil {
		return h, err
	}
	t, err := parse(raw)
	if err != nil {
		return h, err
	}
	s.seeder, err = swarm.Open(swarm.Config{Dir: filepath.Join(s.dir, "seeder"), NoDHT: true,
		Listen: fmt.Sprintf("127.%d.9.1:0", s.net), AllowLoopback: true})
	if err != nil {
		return h, err
	}
	if _, err := s.seeder.Adopt(raw, filepath.Dir(path)); err != nil {
		return h, err
	}
	if err := s.seeder.Wait(s.ctx, t.Infohash); err != nil {
		return h, err
	}
	announce, err := s.trackers.open(s.ctx, t.Infohash, s.seeder.Addr())
	if err != nil {
		return h, err
	}
	if raw, err = metainfo.WithTracker(raw, announce); err != nil {
		return h, err
	}
	return t.Infohash, os.WriteFile(file, raw, 0o600)
}

// makeHostile KIND FILE writes a .torrent that wants to do harm.
func (s *story) makeHostile(ts *testscript.TestScript, args []string) error {
	piece := strings.Repeat("x", 20)
	info := func(files, length, pieces string) string {
		return "d4:info" + "d" + files + "4:name4:evil12:piece length" + length + "6:pieces" + pieces +
			"ee"
	}
	var raw string
	switch args[0] {
	case "nested":
		raw = strings.Repeat("l", 2<<20) + strings.Repeat("e", 2<<20)
	case "traversal":
		raw = info("5:filesld6:lengthi5e4:pathl2:..2:..6:passwdeee", "i16384e", "20:"+piece)
	case "pieces":
		n := 1 << 22
		raw = info("6:lengthi"+strconv.Itoa(n*16384)+"e", "i16384e",
			strconv.Itoa(20*n)+":"+strings.Repeat(piece, n))
	default:
		return fmt.Errorf("no kind %q", args[0])
	}
	return os.WriteFile(ts.MkAbs(args[1]), []byte(raw), 0o600)
}

// awaitCredit waits until the poster's deposit is solid.
func (s *story) awaitCredit(*testscript.TestScript, []string) error {
	return s.market.until(s.ctx, "the deposit is solid", func() bool {
		a, err := s.client.Account(s.ctx, s.poster.key.Address())
		return err == nil && !a.Free.IsZero() && len(a.Mandates) > 0
	})
}

// hire NAME PRICE [torrent_max=SIZE] starts an agent and waits until its offer is up.
func (s *story) hire(_ *testscript.TestScript, args []string) error {
	price, err := marketplace.ParseAmount(args[1])
	if err != nil {
		return err
	}
	_, err = s.addAgent(args[0], price, func(c *seederagent.Config) {
		for _, arg := range args[2:] {
			if arg == "deny" {
				c.DenyPosters = []marketplace.Address{s.poster.key.Address()}
			}
			if arg == "full" { // the disk has less free than the owner wants to keep
				c.KeepFree = 1 << 60
			}
		}
	})
	if err != nil {
		return err
	}
	return s.awaitOffers(s.ctx)
}

// await bounty|lease STATE [N]: a bounty's state, or N leases in a state.
func (s *story) await(_ *testscript.TestScript, args []string) error {
	want := 1
	if len(args) > 2 {
		var err error
		if want, err = strconv.Atoi(args[2]); err != nil {
			return err
		}
	}
	err := s.market.until(s.ctx, strings.Join(args, " "), func() bool {
		all, err := s.client.Bounties(s.ctx, bountiesOf(s.poster.key.Address()))
		if err != nil || len(all) == 0 {
			return false
		}
		s.bounty = all[0]
		if args[0] == "bounty" {
			return string(s.bounty.State) == args[1]
		}
		leases, err := s.client.LeasesOf(s.ctx, s.bounty.ID)
		n := 0
		for _, l := range leases {
			if string(l.State) == args[1] {
				n++
			}
		}
		return err == nil && n >= want
	})
	if err != nil {
		return fmt.Errorf("%w\nbounty is %s: %s", err, s.bounty.State, s.bounty.Reason)
	}
	return nil
}

// awaitThaw waits until the poster's thaw is over.
func (s *story) awaitThaw(*testscript.TestScript, []string) error {
	_, ends, err := s.vault.ThawOf(s.ctx, s.poster.key.Address())
	if err != nil {
		return err
	}
	return s.market.until(s.ctx, "the thaw is over", func() bool {
		b, err := s.vault.SolidHead(s.ctx)
		return err == nil && b.Time.After(ends)
	})
}

func (s *story) named(name string) *agent {
	for _, a := range s.agents {
		if a.name == name {
			return a
		}
	}
	return nil
}

// kill9 ends market, postgres, chain or an agent as a power cut would.
func (s *story) kill9(_ *testscript.TestScript, args []string) error {
	switch args[0] {
	case "market":
		return s.market.kill()
	case "postgres":
		return s.postgres.Kill()
	case "chain":
		return s.chain.kill()
	default:
		return s.named(args[0]).kill()
	}
}

// restart starts again what was killed. The market is started again too when it ended for want
// of what was killed: that is its supervisor's work.
func (s *story) restart(_ *testscript.TestScript, args []string) error {
	switch args[0] {
	case "market":
	case "postgres":
		if err := s.postgres.Start(s.ctx); err != nil {
			return err
		}
	case "chain":
		if err := s.startChainAgain(s.ctx); err != nil {
			return err
		}
	default:
		return s.named(args[0]).start()
	}
	if s.market.ended() {
		return s.startMarketAgain(s.ctx)
	}
	return s.market.until(s.ctx, "it is ready", func() bool { return s.ready(s.ctx) })
}

// books waits until everything payable was redeemed, and then holds the books against the chain:
// the ledger against its lines, the vault against the ledger, every payee against its leases.
func (s *story) books(*testscript.TestScript, []string) error {
	var sol marketplace.Solvency
	if err := s.market.until(s.ctx, "everything payable is redeemed", func() (ok bool) {
		var err error
		sol, err = s.client.Solvency(s.ctx)
		return err == nil && sol.Payable.IsZero() && sol.Difference == ""
	}); err != nil {
		return fmt.Errorf("%w\n%+v", err, sol)
	}
	if err := s.booksAreRight(s.ctx); err != nil {
		return err
	}
	var errs []error
	if err := s.market.until(s.ctx, "ledger and chain say the same", func() bool {
		owed, err := s.vault.Obligations(s.ctx)
		sol, err2 := s.client.Solvency(s.ctx)
		return err == nil && err2 == nil && owed == sol.Ledger && sol.LedgerDebit == sol.LedgerCred
	}); err != nil {
		errs = append(errs, err)
	}
	for _, a := range s.agents {
		errs = append(errs, s.paidWhatWasEarned(a))
	}
	return errors.Join(errs...)
}

// paidWhatWasEarned reads from the chain what an agent got and compares it with its leases.
func (s *story) paidWhatWasEarned(a *agent) error {
	leases, err := s.client.LeasesOf(s.ctx, s.bounty.ID)
	if err != nil {
		return err
	}
	var earned, paid marketplace.Amount
	for _, l := range leases {
		if l.Agent != a.key.Address() {
			continue
		}
		due := l.Earned.Sub(l.Held)
		if l.State == marketplace.Failed {
			due = due.Sub(marketplace.DevnetRules().Split(marketplace.Amount{}, l.Earned).Holdback)
		}
		earned = earned.Add(due)
		if paid, err = s.vault.Paid(s.ctx, l.Poster, l.Mandate, l.Payee); err != nil {
			return err
		}
	}
	if paid != earned {
		return fmt.Errorf("%s was paid %s BTT on the chain for %s", a.name, paid, earned)
	}
	return nil
}

func bountiesOf(who marketplace.Address) client.BountyFilter {
	return client.BountyFilter{Poster: who}
}
