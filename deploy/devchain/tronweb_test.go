package devchain

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const tronwebDir = "testdata/tronweb"

// tronweb is what wallets are made of: it builds, signs, sends and reads here as it does on TRON.
func TestTronwebBuildsSignsSendsAndReads(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIPPED, tronweb was not tried: there is no node on PATH")
	}
	if _, err := os.Stat(tronwebDir + "/node_modules/.package-lock.json"); err != nil {
		t.Skip("SKIPPED, tronweb was not tried: run `npm ci --ignore-scripts` in " + tronwebDir +
			", or `make test`, which does")
	}
	// Opened here, so that the cache of test results sees when they change.
	for _, path := range []string{"/market.mjs", "/package-lock.json"} {
		if _, err := os.ReadFile(tronwebDir + path); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, t.TempDir())
	script := exec.CommandContext(t.Context(), "node", "market.mjs", "http://"+r.HTTPAddr(),
		"http://"+r.ControlAddr(), "../../../../marketplace/escrow/contract")
	script.Dir = tronwebDir
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("true with tronweb:\n  %s", strings.ReplaceAll(strings.TrimSpace(string(out)), "\n",
		"\n  "))
}
