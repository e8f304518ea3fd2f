package contract_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// node runs build.mjs, after npm ci if its modules are missing. Where there is no Node, or no way
// to get the modules, the test is skipped with a word that says so.
func node(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIPPED, the contract is not compiled anew: there is no node on PATH")
	}
	if _, err := os.Stat("node_modules/solc/package.json"); errors.Is(err, fs.ErrNotExist) {
		out, err := exec.CommandContext(t.Context(), "npm", "ci").CombinedOutput()
		if err != nil {
			t.Skipf("SKIPPED, the contract is not compiled anew: npm ci: %v\n%s", err, out)
		}
	}
	args = append([]string{"build.mjs"}, args...)
	out, err := exec.CommandContext(t.Context(), "node", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("node build.mjs: %v\n%s", err, out)
	}
}

// inputs are opened by the tests themselves, because go test keeps a result as long as no file
// changed that the test opened, and does not see what a child reads.
var inputs = []string{"build.mjs", "package-lock.json", "EverseedVault.sol", "Administered.sol", "TestBTT.sol",
	"testdata/Tokens.sol", "testdata/mutants.json"}

func openInputs(t *testing.T) {
	t.Helper()
	for _, path := range inputs {
		if _, err := os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
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

// mutantsVariable asks for the mutants, which take a minute or two to compile.
const mutantsVariable = "EVERSEED_MUTANTS"

// TestEveryMutantIsKilled breaks the vault in one place at a time. If the rules do not notice, they
// would not notice that fault in the vault either.
func TestEveryMutantIsKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv(mutantsVariable) == "" {
		t.Skipf("SKIPPED, no mutants: set %s=1 to compile and judge them", mutantsVariable)
	}
	openInputs(t)
	text, err := os.ReadFile("testdata/mutants.json")
	if err != nil {
		t.Fatal(err)
	}
	var mutants [][3]string
	if err := json.Unmarshal(text, &mutants); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	node(t, "--out", out, "--mutants", "testdata/mutants.json")
	for i, mutant := range mutants {
		t.Run(mutant[0], func(t *testing.T) {
			t.Parallel()
			b, err := readBuild(filepath.Join(out, strconv.Itoa(i)+".json"))
			if err != nil {
				t.Fatal(err)
			}
			for name, rule := range rules {
				if complaints := judge(b, theToken, rule); len(complaints) > 0 {
					t.Logf("killed by %q: %s", name, complaints[0])
					return
				}
			}
			t.Error("no rule notices")
		})
	}
}
