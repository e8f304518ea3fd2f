package contract_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// forge returns the path of Foundry's forge, which npm has beside the compiler. Where there is no
// Node, or no forge for this machine, the test is skipped with a word that says so.
func forge(t *testing.T) string {
	t.Helper()
	needModules(t)
	system := map[string]string{"windows": "win32"}[runtime.GOOS]
	if system == "" {
		system = runtime.GOOS
	}
	all, err := filepath.Glob("node_modules/@foundry-rs/forge-" + system + "-" + runtime.GOARCH +
		"/bin/forge*")
	if err != nil || len(all) != 1 {
		t.Skipf("SKIPPED, Foundry's tests of the contract: node_modules has no forge; npm ci gets it"+
			" where there is one for %s %s (%v)", runtime.GOOS, runtime.GOARCH, err)
	}
	path, err := filepath.Abs(all[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// foundryTests must all be run: a suite that finds nothing would pass.
var foundryTests = []string{
	"invariant_TheVaultIsSolvent", "invariant_LockedIsTheSumOfWhatIsOpen",
	"invariant_PaidIsDrawnAndWithinTheCap", "invariant_NoTokenIsMadeOrLost",
	"test_EachWayToRedeemPays",
	"testFuzz_AForgedChequeIsRefused", "testFuzz_AChangedChequeIsRefused",
	"testFuzz_AReplayedChequeIsRefused", "testFuzz_AChequeOfAnotherChainIsRefused",
	"testFuzz_AChequeOfAnotherContractIsRefused", "testFuzz_ASecondFormOfASignatureIsRefused",
	"testFuzz_AnExpiredChequeIsRefused", "testFuzz_TooFewOrDisorderlySignaturesAreRefused",
	"testFuzz_APayoutNeedsThePayee", "testFuzz_AChequeBeatsAThawUntilItIsWithdrawn",
	"testFuzz_NobodyWithdrawsEarly", "testFuzz_AnotherThawStartsAnew",
	"testFuzz_ARevokedMandatePaysForOneThawPeriod",
}

// TestTheVaultHoldsItsInvariantsUnderFoundry runs foundry/*.t.sol: Foundry's own fuzzer and its own
// EVM, so that the vault is not judged by ours alone. Foundry's variables make it longer, as in
// FOUNDRY_INVARIANT_RUNS=1000 FOUNDRY_FUZZ_SEED=1 go test -run Foundry.
func TestTheVaultHoldsItsInvariantsUnderFoundry(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIPPED, Foundry's tests of the contract: -short")
	}
	path := forge(t)
	openInputs(t)
	cmd := exec.CommandContext(t.Context(), path, "test", "--json") // #nosec G204 -- found above
	var faults strings.Builder
	cmd.Stderr = &faults
	out, err := cmd.Output() // fails when a test fails, which is told below
	var suites map[string]struct {
		Results map[string]struct {
			Status string `json:"status"`
			Reason string `json:"reason"`
		} `json:"test_results"`
	}
	if jsonErr := json.Unmarshal(out, &suites); jsonErr != nil {
		t.Fatalf("forge test: %v (%v)\n%s%s", err, jsonErr, out, faults.String())
	}
	ran := map[string]bool{}
	for _, suite := range suites {
		for name, r := range suite.Results {
			name, _, _ = strings.Cut(name, "(")
			ran[name] = true
			if r.Status != "Success" {
				t.Errorf("%s: %s %s; forge test --match-test %s tells more", name, r.Status,
					r.Reason, name)
			}
		}
	}
	for _, name := range foundryTests {
		if !ran[name] {
			t.Errorf("%s was not run", name)
		}
	}
	if err != nil && !t.Failed() {
		t.Errorf("forge test: %v\n%s", err, faults.String())
	}
}

// openInputs opens what tests of this folder hand to other programs, because go test keeps a result
// as long as no file changed that the test itself opened.
func openInputs(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"*.sol", "*.mjs", "*.toml", "package-lock.json",
		"testdata/*.sol", "testdata/mutants.json", "foundry/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no %s (%v)", pattern, err)
		}
		for _, path := range paths {
			if _, err := os.ReadFile(path); err != nil { // #nosec G304 -- of this folder
				t.Fatal(err)
			}
		}
	}
}
