package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/seederagent"
)

// recruit NAME makes the key of somebody who wants to audit, which has some TRX, and of its purse, and
// sets $NAME, $NAME_PURSE, $AUDITORS, the key for everseed-auditor, and the database for the operator's
// commands.
func (s *story) recruit(ts *testscript.TestScript, args []string) error {
	key, err := escrow.NewKey()
	if err != nil {
		return err
	}
	purse, err := escrow.NewKey()
	if err != nil {
		return err
	}
	s.recruits[args[0]] = key
	name := strings.ToUpper(args[0])
	ts.Setenv(name, key.Address().String())
	ts.Setenv(name+"_PURSE", purse.Address().String())
	ts.Setenv("EVERSEED_AUDITOR_KEY", key.Hex())
	ts.Setenv("DATABASE_URL", s.postgres.URL("everseed"))
	ts.Setenv("AUDITORS", s.auditorsDir())
	return s.giveTRX(s.ctx, key.Address())
}

// auditorsDir is where recruits keep their things.
func (s *story) auditorsDir() string { return filepath.Join(s.dir, "auditors") }

// awaitPocketed NAME waits until a recruit has kept a cheque to its purse.
func (s *story) awaitPocketed(_ *testscript.TestScript, args []string) error {
	dir := filepath.Join(s.auditorsDir(), s.recruits[args[0]].Address().String(), "cheques")
	return s.market.until(s.ctx, args[0]+" has a cheque", func() bool {
		_, kept := inPurse(dir, `"signatures"`)
		return kept
	})
}

// startAuditor NAME runs one as its owner would.
func (s *story) startAuditor(_ *testscript.TestScript, args []string) error {
	p := s.process(args[0], "everseed-auditor", "run", "--market", s.web, "--listen", "127.0.0.1:0",
		"--dir", s.auditorsDir())
	p.env = []string{"EVERSEED_AUDITOR_KEY=" + s.recruits[args[0]].Hex()}
	if err := p.start(); err != nil {
		return err
	}
	s.auditors = append(s.auditors, p)
	return nil
}

// paid ADDRESS waits until somebody has BTT on the chain.
func (s *story) awaitPaid(_ *testscript.TestScript, args []string) error {
	who, err := marketplace.ParseAddress(args[0])
	if err != nil {
		return err
	}
	return s.market.until(s.ctx, args[0]+" is paid", func() bool {
		has, err := s.vault.TokenBalance(s.ctx, who)
		return err == nil && !has.IsZero()
	})
}

// canary NAME PRICE starts an agent that is silent in the epochs that a secret draws, and tells the
// market of it. The secret is one that draws silence soon.
func (s *story) canary(ts *testscript.TestScript, args []string) error {
	key, err := escrow.NewKey()
	if err != nil {
		return err
	}
	c := marketplace.Canaries{Agents: []marketplace.Address{key.Address()}}
	now := marketplace.DevnetRules().EpochAt(time.Now())
	silences := func(from, to int64) (n int) {
		for k := now + from; k < now+to; k++ {
			if c.Silent(k, key.Address()) {
				n++
			}
		}
		return n
	}
	// It has to be heard until it has its lease and has proven it, also on a busy machine.
	for ok := false; !ok; ok = silences(0, 14) == 0 && silences(14, 26) >= 3 {
		if _, err := rand.Read(c.Secret[:]); err != nil {
			return err
		}
	}
	s.agentEnv = []string{"EVERSEED_CANARY_SECRET=" + c.Secret.String()}
	price, err := marketplace.ParseAmount(args[1])
	if err != nil {
		return err
	}
	if _, err := s.addAgentAs(key, args[0], price,
		func(c *seederagent.Config) { c.Canary = true }); err != nil {
		return err
	}
	ts.Setenv(strings.ToUpper(args[0]), key.Address().String())
	s.market.env = append(s.market.env, s.agentEnv[0], "EVERSEED_CANARIES="+key.Address().String())
	if err := s.market.stop(); err != nil {
		return err
	}
	if err := s.startMarketAgain(s.ctx); err != nil {
		return err
	}
	return s.awaitOffers(s.ctx)
}

// invent NAME runs an auditor that passes whatever it is sent to, and looks at nothing.
func (s *story) invent(_ *testscript.TestScript, args []string) error {
	key, market := s.recruits[args[0]], client.New(s.web)
	if err := market.Login(s.ctx, key); err != nil {
		return err
	}
	info, err := market.Rules(s.ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(s.ctx)
	s.liar = stop
	go func() {
		for last := int64(0); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			k := info.Rules.EpochAt(time.Now())
			if k == last {
				continue
			}
			e, err := market.AuditEpoch(ctx, k)
			if err != nil {
				continue
			}
			last = k
			for _, part := range e.Parts {
				go vouch(ctx, market, key, part.Lease, k)
			}
		}
	}()
	return nil
}

// vouch commits to a pass that nobody saw, and reveals it when reports are taken. What goes wrong is a
// lie less.
func vouch(ctx context.Context, market *client.Client, key escrow.Key, lease, epoch int64) {
	rep := marketplace.Report{Lease: lease, Epoch: epoch, Auditor: key.Address(),
		Outcome: marketplace.Pass, Tries: []marketplace.Outcome{marketplace.Pass},
		At: time.Now().UTC().Truncate(time.Microsecond)}
	var err error
	if rep.Signature, err = key.SignText(rep.Text()); err != nil {
		return
	}
	if _, err := market.Commit(ctx, epoch, []marketplace.Commitment{rep.Sealed()}); err != nil {
		return
	}
	last := marketplace.DevnetRules().ReportBy(epoch)
	for ctx.Err() == nil && time.Now().Before(last) {
		if refused, err := market.Reveal(ctx, []marketplace.Report{rep}); err == nil && len(refused) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// convicted NAME waits until an auditor is disqualified, and looks whether everybody can see what
// for and nobody else was hurt.
func (s *story) convicted(_ *testscript.TestScript, args []string) error {
	liar, began := s.recruits[args[0]].Address(), time.Now()
	err := s.market.until(s.ctx, args[0]+" is out", func() bool {
		a, err := s.client.Auditor(s.ctx, liar)
		return err == nil && a.Standing == marketplace.Disqualified
	})
	if err != nil {
		return err
	}
	all, err := s.client.Auditors(s.ctx, "")
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Terms.Auditor != liar && a.Standing == marketplace.Disqualified {
			return fmt.Errorf("the honest auditor %s is out too", a.Terms.Auditor)
		}
	}
	rules, open := marketplace.DevnetRules(), 0
	for k := rules.EpochAt(began) - 20; k <= rules.EpochAt(time.Now()); k++ {
		e, err := s.client.AuditEpoch(s.ctx, k)
		if err != nil || len(e.Canaries) == 0 {
			continue
		}
		if open++; marketplace.Seal(e.Canaries, e.CanarySalt) != e.CanarySeal {
			return fmt.Errorf("epoch %d: %v do not fit the seal", k, e.Canaries)
		}
	}
	if open == 0 {
		return errors.New("nobody can see what it is out for")
	}
	return nil
}
