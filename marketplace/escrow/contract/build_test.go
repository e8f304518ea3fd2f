package contract_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// needModules gets what npm has for this folder, once, where it is missing. Where there is no Node,
// or no way to get the modules, the test is skipped with a word that says so.
func needModules(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIPPED, what needs the compiler of the contract: there is no node on PATH")
	}
	modules.Lock()
	defer modules.Unlock()
	if _, err := os.Stat("node_modules/solc/package.json"); errors.Is(err, fs.ErrNotExist) {
		out, err := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts").CombinedOutput()
		if err != nil {
			t.Skipf("SKIPPED, what needs the compiler of the contract: npm ci: %v\n%s", err, out)
		}
	}
}

var modules sync.Mutex

// node runs build.mjs.
func node(t *testing.T, args ...string) {
	t.Helper()
	needModules(t)
	args = append([]string{"build.mjs"}, args...)
	out, err := exec.CommandContext(t.Context(), "node", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("node build.mjs: %v\n%s", err, out)
	}
}

func TestTheCommittedBytecodeIsWhatTheSourcesCompileTo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIPPED, the contract is not compiled anew: -short")
	}
	openInputs(t)
	out := t.TempDir()
	node(t, "--out", out)
	for _, name := range []string{"EverseedVault.json", "TestBTT.json", "testdata/Tokens.json"} {
		want, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what its source compiles to; run npm run build", name)
		}
	}
}
