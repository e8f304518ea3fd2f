package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
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
	t.Log(out.String())
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
	h, err := s.seed(metainfo.V1, file, seederagent.Size(1<<20))
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
	if _, err := s.credit(); err != nil {
		return err
	}
	if err := s.poster.run(s.ctx, nil, "bounty", "post", h.String(), "--price-max", "10000",
		"--keep-for", "10m", "--good-for", "10m", "--replicas", "2"); err != nil {
		return err
	}
	return s.await(nil, []string{"lease", "active", "2"})
}

// memory NAME MAX reads what the kernel says of a process's memory, where there is a /proc.
func (s *story) memory(ts *testscript.TestScript, args []string) error {
	p, err := s.named(args[0])
	if err != nil {
		return err
	}
	var most seederagent.Size
	if err := most.UnmarshalText([]byte(args[1])); err != nil {
		return err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if errors.Is(err, fs.ErrNotExist) && !p.ended() {
		ts.Logf("no /proc on this system: the memory of %s stays unmeasured", p.name)
		return nil
	}
	if err != nil {
		return err
	}
	for _, line := range []string{"VmRSS", "RssAnon"} { // the second leaves the program's file out
		_, rest, _ := strings.Cut(string(status), line+":")
		var kB int
		if _, err := fmt.Sscan(rest, &kB); err != nil {
			return fmt.Errorf("read %s: %w", line, err)
		}
		size := seederagent.Size(kB << 10)
		ts.Logf("%s of %s: %d MiB", line, p.name, size>>20)
		if size >= most {
			return fmt.Errorf("%s of %s is %s", line, p.name, size)
		}
	}
	return nil
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
