package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent"
	"github.com/everseed/everseed/seederagent/swarm"
)

// storyWithin bounds a script.
const storyWithin = 4 * time.Minute

// pocketMoney is what a script's poster has in the wallet at first.
var pocketMoney = marketplace.BTT(1000)

// A story is the devnet of one script and who plays in it.
type story struct {
	*devnet
	ctx      context.Context
	poster   *poster
	seeder   *swarm.Engine
	trackers trackers
	bounty   marketplace.Bounty
	recruits map[string]escrow.Key // who want to audit
	liar     context.CancelFunc    // ends one that invents
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
			s := &story{ctx: ctx, recruits: map[string]escrow.Key{}}
			env.Defer(func() {
				defer cancel()
				if err := errors.Join(s.settleUp(env), s.end()); err != nil {
					t.Errorf("%s: %v", filepath.Base(env.WorkDir), err)
				}
			})
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
			s.devnet, err = startDevnet(ctx, dir, bin, func(string, ...any) {})
			if err != nil {
				return err
			}
			if s.poster, err = s.aPoster(ctx, pocketMoney); err != nil {
				return err
			}
			env.Values["story"] = s
			env.Setenv("HOME", env.WorkDir)
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
			"thawed": verb((*story).awaitThaw), "quit": verb((*story).stopProcess),
			"request": verb((*story).request), "twins": verb((*story).twins),
			"storm": verb((*story).storm), "count": verb((*story).count),
			"cancel-all": verb((*story).cancelAll), "memory": verb((*story).memory),
			"broke": verb((*story).breakMarket), "rich": verb((*story).enrichMarket),
			"carrier": verb((*story).makeCarrier), "kept": verb((*story).awaitKept),
			"cut-short": verb((*story).cutShort), "replayable": verb((*story).awaitReplayable),
			"liar": verb((*story).startLiar), "recruit": verb((*story).recruit),
			"audit": verb((*story).startAuditor), "paid": verb((*story).awaitPaid),
			"canary": verb((*story).canary), "invent": verb((*story).invent),
			"pocketed":  verb((*story).awaitPocketed),
			"convicted": verb((*story).convicted), "seeder-leaves": verb((*story).seederLeaves),
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

// settleUp checks the books after a script that held so far.
func (s *story) settleUp(env *testscript.Env) error {
	if s.poster == nil || env.T().(interface{ Failed() bool }).Failed() {
		return nil
	}
	return errors.Join(s.books(nil, nil), s.keepsSecrets())
}

func (s *story) end() error {
	var errs []error
	if s.liar != nil {
		s.liar()
	}
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
	h, err := s.seed(metainfo.V1, ts.MkAbs(args[0]), size)
	ts.Setenv("HASH", h.String())
	return err
}

func (s *story) seed(format metainfo.Format, file string, size seederagent.Size) (h marketplace.Infohash, err error) {
	path := filepath.Join(s.dir, "content", "archive")
	if err := makeContent(path, int64(size), 7); err != nil {
		return h, err
	}
	raw, err := format.Build(s.ctx, path, 0, nil)
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

// seederLeaves takes the seeder off the net: from then on there are only agents.
func (s *story) seederLeaves(*testscript.TestScript, []string) error {
	err := s.seeder.Close()
	s.seeder = nil
	return err
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
	case "pieces": // 80 MB of hashes
		raw = info("6:lengthi"+strconv.Itoa(1<<22*16384)+"e", "i16384e",
			strconv.Itoa(20<<22)+":"+strings.Repeat(piece, 1<<22))
	case "hashes": // as many as fit into the largest file that is read at all
		n := 1<<18 + 1
		raw = info("6:lengthi"+strconv.Itoa(n*16384)+"e", "i16384e",
			strconv.Itoa(20*n)+":"+strings.Repeat(piece, n))
	case "boast": // says 2²² pieces and brings one
		raw = info("6:lengthi"+strconv.Itoa(1<<22*16384)+"e", "i16384e", "20:"+piece)
	default:
		return fmt.Errorf("no kind %q", args[0])
	}
	return os.WriteFile(ts.MkAbs(args[1]), []byte(raw), 0o600)
}

// awaitCredit waits until the poster's deposit is solid, and sets $MANDATE.
func (s *story) awaitCredit(ts *testscript.TestScript, _ []string) error {
	a, err := s.credit()
	if err == nil {
		ts.Setenv("MANDATE", a.Mandates[0].ID.String())
	}
	return err
}

func (s *story) credit() (a marketplace.Account, err error) {
	return a, s.market.until(s.ctx, "the deposit is solid", func() bool {
		a, err = s.client.Account(s.ctx, s.poster.key.Address())
		return err == nil && !a.Free.IsZero() && len(a.Mandates) > 0
	})
}

// hire NAME PRICE [deny] [full] starts an agent, waits until its offer is up and sets $NAME to its
// address.
func (s *story) hire(ts *testscript.TestScript, args []string) error {
	price, err := marketplace.ParseAmount(args[1])
	if err != nil {
		return err
	}
	a, err := s.addAgent(args[0], price, func(c *seederagent.Config) {
		for _, arg := range args[2:] {
			if arg == "deny" {
				c.DenyPosters = []marketplace.Address{s.poster.key.Address()}
			}
			if arg == "full" { // the disk has less free than the owner wants to keep
				c.KeepFree = 1 << 60
			}
			if arg == "nat" { // nobody is told where it listens
				c.Peer = ""
			}
		}
	})
	if err != nil {
		return err
	}
	name := strings.ToUpper(a.name)
	ts.Setenv(name, a.key.Address().String())
	ts.Setenv(name+"_CONFIG", filepath.Join(a.config.Dir, "agent.toml"))
	ts.Setenv(name+"_PURSE", a.config.Purse())
	return s.awaitOffers(s.ctx)
}

// await bounty|lease|cheque STATE [N]: a bounty's state, or N leases or cheques in a state.
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
		n, err := s.inState(args[0], args[1])
		return err == nil && n >= want
	})
	if err != nil {
		return fmt.Errorf("%w\nbounty is %s: %s", err, s.bounty.State, s.bounty.Reason)
	}
	return nil
}

// inState counts the bounty's leases, or all cheques, in a state; or the solid cheques to a lease's payee.
func (s *story) inState(what, state string) (n int, err error) {
	if what == "paid" {
		cheques, err := s.client.Cheques(s.ctx, client.ChequeFilter{State: marketplace.ChequeSolid})
		for _, c := range cheques {
			if id, convErr := strconv.ParseInt(state, 10, 64); convErr != nil {
				return 0, convErr
			} else if l, leaseErr := s.client.Lease(s.ctx, id); leaseErr == nil && l.Payee == c.Cheque.To {
				n++
			}
		}
		return n, err
	}
	if what == "cheque" {
		cheques, err := s.client.Cheques(s.ctx, client.ChequeFilter{
			State: marketplace.ChequeState(state)})
		return len(cheques), err
	}
	leases, err := s.client.LeasesOf(s.ctx, s.bounty.ID)
	for _, l := range leases {
		if string(l.State) == state {
			n++
		}
	}
	return n, err
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

// named returns the process of an agent or auditor.
func (s *story) named(name string) (*process, error) {
	all := append([]*process{s.market}, s.auditors...)
	for _, a := range s.agents {
		all = append(all, a.process)
	}
	for _, p := range all {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("nobody is called %q", name)
}

// stopProcess makes "quit NAME": market, an agent or an auditor ends in order. (testscript has a
// stop of its own, which ends the script.)
func (s *story) stopProcess(_ *testscript.TestScript, args []string) error {
	p, err := s.named(args[0])
	if err != nil {
		return err
	}
	return p.stop()
}

// kill9 ends market, postgres, chain, an agent or an auditor as a power cut would.
func (s *story) kill9(_ *testscript.TestScript, args []string) error {
	switch args[0] {
	case "postgres":
		return s.postgres.Kill()
	case "chain":
		return s.chain.kill()
	}
	p, err := s.named(args[0])
	if err != nil {
		return err
	}
	return p.kill()
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
		p, err := s.named(args[0])
		if err != nil {
			return err
		}
		return p.start()
	}
	if s.market.ended() {
		return s.startMarketAgain(s.ctx)
	}
	return s.market.until(s.ctx, "it is ready", func() bool { return s.ready(s.ctx) })
}

func bountiesOf(who marketplace.Address) client.BountyFilter {
	return client.BountyFilter{Poster: who}
}
