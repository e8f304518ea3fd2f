package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/seederagent"
)

// TestTheDemoHolds runs the program that newcomers run.
func TestTheDemoHolds(t *testing.T) {
	t.Parallel()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	demo := exec.CommandContext(t.Context(), filepath.Join(bin, "everseed-devnet"), "demo", "--once",
		"--size", "8 MiB", "--dir", t.TempDir())
	var out bytes.Buffer
	demo.Stdout, demo.Stderr = &out, &out
	if err := demo.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"served wrong data", "missed audits", "redeemed on the chain",
		"SHA-256 as the original's", "✓ the vault holds", "✓ the ledger sums to zero"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "✗") {
		t.Errorf("an invariant is broken:\n%s", out.String())
	}
}

// TestAnIdleAgentIsSmall reads what the kernel says of an agent with an offer and no lease.
func TestAnIdleAgentIsSmall(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("no /proc on this system: the agent's memory stays unmeasured")
	}
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d, err := startDevnet(t.Context(), dir, bin, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()
	a, err := d.addAgent("idle", marketplace.BTT(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.awaitOffers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !listens(a.config.Listen) {
		t.Errorf("agent does not listen on %s", a.config.Listen)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var kb int
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS:") {
			if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("idle agent: %d MiB resident", kb>>10)
	if kb == 0 || kb > 80<<10 {
		t.Errorf("an idle agent takes %d MiB", kb>>10)
	}
}

// TestThePageShowsTheMarket opens the page of a live market in a real Chromium and holds it
// against the API.
func TestThePageShowsTheMarket(t *testing.T) {
	t.Parallel()
	chromium := lookChromium()
	if chromium == "" {
		t.Skip("no Chromium: set EVERSEED_CHROMIUM or run `make test`, which brings one")
	}
	for _, need := range []string{"../../web/dist/index.html", "../../web/node_modules"} {
		if _, err := os.Stat(need); err != nil {
			t.Skipf("%s is missing: run `make web` first", need)
		}
	}
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), storyWithin)
	defer cancel()
	s := &story{ctx: ctx}
	defer func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	}()
	if s.devnet, err = startDevnet(ctx, t.TempDir(), bin, t.Logf); err != nil {
		t.Fatal(err)
	}
	if err := s.trade(); err != nil {
		t.Fatal(err)
	}
	page := exec.CommandContext(ctx, "node", "e2e/market.mjs", s.web)
	page.Dir = "../../web"
	page.Env = append(os.Environ(), "EVERSEED_CHROMIUM="+chromium)
	if out, err := page.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// trade has two agents prove a bounty that runs for long enough to be looked at.
func (s *story) trade() (err error) {
	if s.poster, err = s.aPoster(s.ctx, marketplace.BTT(1000)); err != nil {
		return err
	}
	if err := s.poster.run(s.ctx, nil, "wallet", "deposit", "100", "--mandate", "1d"); err != nil {
		return err
	}
	file := filepath.Join(s.dir, "page.torrent")
	h, err := s.seed(file, seederagent.Size(1<<20))
	if err != nil {
		return err
	}
	if err := s.poster.run(s.ctx, nil, "torrent", "add", file); err != nil {
		return err
	}
	for i := range 2 {
		if _, err := s.addAgent(fmt.Sprint("agent-", i), marketplace.BTT(1000), nil); err != nil {
			return err
		}
	}
	if err := s.awaitOffers(s.ctx); err != nil {
		return err
	}
	if err := s.awaitCredit(nil, nil); err != nil {
		return err
	}
	if err := s.poster.run(s.ctx, nil, "bounty", "post", h.String(), "--price-max", "10000",
		"--keep-for", "10m", "--good-for", "10m", "--replicas", "2"); err != nil {
		return err
	}
	return s.await(nil, []string{"lease", "active", "2"})
}

func lookChromium() string {
	if named := os.Getenv("EVERSEED_CHROMIUM"); named != "" {
		return named
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		return ""
	}
	return path
}
