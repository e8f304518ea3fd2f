package contract_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// A mutant is the vault broken in one place. If the rules do not notice, they would not notice that
// fault in the vault either. What the mutants compile to is committed, so that all of them are
// judged on every run; MUTANTS.md tells what each would let somebody do, and which rule kills it.
type mutant [3]string // name, find, replace

// A litter is what node build.mjs --mutants writes.
type litter struct {
	sources  string            // hash of what it was made of
	bytecode map[string][]byte // by name
}

const litterPath = "testdata/mutants.bin.gz"

// mutantsVariable asks for the mutants to be compiled anew, which takes minutes.
const mutantsVariable = "EVERSEED_MUTANTS"

func readMutants(t *testing.T) (all []mutant) {
	t.Helper()
	text, err := os.ReadFile("testdata/mutants.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func readLitter(t *testing.T, path string) (l litter) {
	t.Helper()
	f, err := os.Open(path) // #nosec G304 -- of this folder, or of the test's own
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(plain)
	head, err := body.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sources string            `json:"sources"`
		Sizes   []json.RawMessage `json:"sizes"` // pairs of name and size
	}
	if err := json.Unmarshal(head, &file); err != nil {
		t.Fatal(err)
	}
	l = litter{file.Sources, map[string][]byte{}}
	for _, pair := range file.Sizes {
		var name string
		var size int
		if err := json.Unmarshal(pair, &[]any{&name, &size}); err != nil {
			t.Fatal(err)
		}
		code := make([]byte, size)
		if _, err := io.ReadFull(body, code); err != nil {
			t.Fatal(err)
		}
		l.bytecode[name] = code
	}
	return l
}

// row is a line of the table in MUTANTS.md: what it is, what it would allow, what kills it.
var row = regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)

// killers reads the table, by mutant. Its two first rows are its head.
func killers(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("MUTANTS.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, cells := range row.FindAllStringSubmatch(string(text), -1)[1:] {
		if _, twice := out[cells[1]]; twice {
			t.Errorf("%q has two rows", cells[1])
		}
		out[cells[1]] = cells[3]
	}
	return out
}

func TestMutantsAreMadeOfTheVaultAsItIs(t *testing.T) {
	t.Parallel()
	hash := sha256.New()
	for _, path := range []string{"Administered.sol", "EverseedVault.sol", "testdata/mutants.json"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(text)
	}
	committed := readLitter(t, litterPath)
	if got := hex.EncodeToString(hash.Sum(nil)); got != committed.sources {
		t.Errorf("%s was made of other sources; run npm run mutants", litterPath)
	}
	if os.Getenv(mutantsVariable) == "" {
		return
	}
	openInputs(t)
	out := t.TempDir()
	node(t, "--out", out, "--mutants")
	again := readLitter(t, filepath.Join(out, litterPath))
	for _, m := range readMutants(t) {
		if !bytes.Equal(again.bytecode[m[0]], committed.bytecode[m[0]]) {
			t.Errorf("mutant %q is not what its source compiles to; run npm run mutants", m[0])
		}
	}
}

func TestEveryMutantIsKilledByTheRuleThatItsTableNames(t *testing.T) {
	t.Parallel()
	killer, made := killers(t), readLitter(t, litterPath).bytecode
	all := readMutants(t)
	if len(killer) != len(all) || len(made) != len(all) {
		t.Errorf("%d mutants, %d compiled, %d in MUTANTS.md", len(all), len(made), len(killer))
	}
	for _, m := range all {
		t.Run(m[0], func(t *testing.T) {
			t.Parallel()
			rule := rules[killer[m[0]]]
			if rule == nil {
				t.Fatalf("MUTANTS.md says it is killed by %q, which is no rule", killer[m[0]])
			}
			code := made[m[0]]
			if len(code) == 0 {
				t.Fatal("is not compiled")
			}
			if len(judge(build{theVault.abi, code}, theToken, rule)) == 0 {
				t.Errorf("%q does not notice", killer[m[0]])
			}
		})
	}
}
