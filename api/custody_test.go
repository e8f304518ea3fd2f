package api

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testNamed   = regexp.MustCompile("`(Test[A-Za-z0-9]+)(?:/([^`]+))?`")
	testDefined = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
)

// TestEverySentenceAboutMoneyHasATest reads docs/money.md: behind every row stand tests that are
// there, with the part of them that is named.
func TestEverySentenceAboutMoneyHasATest(t *testing.T) {
	t.Parallel()
	text, err := docsFiles.ReadFile("docs/money.md")
	if err != nil {
		t.Fatal(err)
	}
	sources, rows := testSources(t), 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| key |") ||
			strings.HasPrefix(line, "| | held by") {
			continue
		}
		rows++
		named := testNamed.FindAllStringSubmatch(line, -1)
		if len(named) == 0 {
			t.Errorf("no test stands behind: %s", line)
		}
		for _, n := range named {
			source, ok := sources[n[1]]
			part := n[2]
			if n[1] == "TestStories" {
				_, err := os.Stat("../cmd/everseed-devnet/testdata/" + part + ".txtar")
				ok, part = err == nil, ""
			}
			if !ok || !strings.Contains(source, part) {
				t.Errorf("there is no %s", n[0])
			}
		}
	}
	if rows < 20 {
		t.Errorf("only %d sentences were read", rows)
	}
}

// testSources returns the text of the package that each test of the project is in.
func testSources(t *testing.T) map[string]string {
	t.Helper()
	packages := map[string]string{} // by folder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == "node_modules" {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		packages[filepath.Dir(path)] += string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, text := range packages {
		for _, m := range testDefined.FindAllStringSubmatch(text, -1) {
			found[m[1]] = text
		}
	}
	return found
}
