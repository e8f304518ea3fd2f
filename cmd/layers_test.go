package cmd

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file is the law of imports. Edit it in the commit that moves a wall, never to silence it.

// ours is the module's path; what follows it names a room.
const ours = "github.com/everseed/everseed"

// rooms says which of our rooms a room may import. A room that is not listed may not exist. Only
// everseed-devnet and tests open deploy/: a program that holds real money cannot contain the
// pretend chain.
var rooms = map[string][]string{
	"marketplace":                 {},
	"marketplace/metainfo":        {"marketplace"},
	"marketplace/orderbook":       {"marketplace"},
	"marketplace/escrow":          {"marketplace", "marketplace/escrow/contract"},
	"marketplace/escrow/contract": {},
	"marketplace/settlement":      {"marketplace", "marketplace/orderbook", "marketplace/escrow"},
	"marketplace/audit":           {"marketplace", "marketplace/metainfo"},
	"marketplace/audit/trial":     {"marketplace", "marketplace/metainfo", "marketplace/audit"},
	"marketplace/health":          {"marketplace", "marketplace/metainfo"},
	"marketplace/feed":            {"marketplace"},

	"matcher": {"marketplace", "marketplace/orderbook"},
	"api": {"marketplace", "marketplace/orderbook", "marketplace/escrow", "marketplace/metainfo",
		"marketplace/audit", "api/client"},
	"api/client": {"marketplace"},
	"seederagent": {"marketplace", "marketplace/escrow", "marketplace/metainfo", "api/client",
		"seederagent/swarm", "seederagent/delivery", "seederagent/purse"},
	"seederagent/purse":    {"marketplace", "marketplace/escrow"},
	"seederagent/swarm":    {"marketplace", "marketplace/metainfo"},
	"seederagent/delivery": {"marketplace", "marketplace/escrow"},
	"migrations":           {},
	"web":                  {},

	"deploy":                  {},
	"deploy/devchain":         {"marketplace"},
	"deploy/devstack":         {"migrations", "deploy/devstack/tracker"},
	"deploy/devstack/tracker": {"marketplace"},
	"deploy/devstack/line":    {},

	"cmd":          {},
	"cmd/terminal": {"marketplace", "marketplace/escrow", "api/client"},
	"cmd/redeem": {"marketplace", "marketplace/escrow", "api/client", "seederagent/purse",
		"cmd/terminal"},
	"cmd/everseed": {"marketplace", "marketplace/escrow", "marketplace/metainfo", "marketplace/audit",
		"api/client",
		"seederagent", "seederagent/swarm", "seederagent/delivery", "seederagent/purse",
		"cmd/redeem", "cmd/terminal"},
	"cmd/everseed-agent": {"marketplace", "marketplace/escrow", "api/client", "seederagent",
		"seederagent/swarm", "seederagent/delivery", "seederagent/purse", "cmd/redeem",
		"cmd/terminal"},
	"cmd/everseed-auditor": {"marketplace", "marketplace/escrow", "marketplace/metainfo",
		"marketplace/audit", "api/client", "seederagent/purse", "cmd/redeem", "cmd/terminal"},
	"cmd/everseed-market": {"marketplace", "marketplace/escrow", "marketplace/metainfo",
		"marketplace/orderbook", "marketplace/settlement", "marketplace/audit", "marketplace/health",
		"marketplace/feed", "matcher", "api", "api/client", "web", "migrations", "cmd/terminal"},
	"cmd/everseed-devnet": {"marketplace", "marketplace/escrow", "marketplace/escrow/contract",
		"marketplace/metainfo", "marketplace/audit/trial", "api/client", "deploy/devstack",
		"deploy/devstack/tracker", "deploy/devchain", "seederagent", "seederagent/swarm",
		"cmd/terminal"},
}

// testRooms says what a room's tests may import besides, and why. Every test may use deploy/.
var testRooms = map[string][]string{
	// The probe is held against the engine that agents run, and replays against signed reports.
	"marketplace/audit": {"seederagent/swarm", "marketplace/escrow"},
	// The contract is held against the cheques that Go signs.
	"marketplace/escrow/contract": {"marketplace", "marketplace/escrow"},
	// The client is held against the server that it is for.
	"api/client":  {"api", "marketplace/orderbook", "marketplace/escrow", "marketplace/metainfo"},
	"seederagent": {"api", "marketplace/orderbook", "marketplace/audit"},
	// The ledger is measured on a server that waits for its disk.
	"marketplace/orderbook": {"migrations"},
	// The desk signs what the real market judged.
	"cmd/everseed-auditor": {"api", "marketplace/orderbook"},
	// The relay reads the real book.
	"marketplace/feed": {"marketplace/orderbook"},
	// The configurations that are handed out are read by those who will.
	"deploy": {"seederagent"},
}

// A home is where a library lives: the rooms that may import it, and those whose tests may.
// The entry with the longest matching path counts.
type home struct{ rooms, tests []string }

var homes = map[string]home{
	"github.com/go-chi/chi":         {rooms: []string{"api"}},
	"github.com/yuin/goldmark":      {rooms: []string{"api"}},
	"github.com/danielgtaylor/huma": {rooms: []string{"api"}},
	"github.com/prometheus":         {rooms: []string{"api", "cmd/everseed-market"}},
	"github.com/jackc/pgx": {rooms: []string{"marketplace/orderbook", "deploy/devstack"},
		tests: []string{"migrations"}},
	"github.com/golang-migrate": {rooms: []string{"migrations"}},
	"github.com/nats-io/nats.go": {rooms: []string{"marketplace/feed"},
		tests: []string{"deploy/devstack"}},
	"github.com/nats-io/nats-server":  {rooms: []string{"deploy/devstack"}},
	"github.com/compose-spec":         {tests: []string{"deploy"}},
	"github.com/pelletier/go-toml":    {rooms: []string{"seederagent"}},
	"github.com/caarlos0/env":         {rooms: []string{"cmd"}},
	"github.com/spf13/cobra":          {rooms: []string{"cmd"}},
	"github.com/vbauerster/mpb":       {rooms: []string{"cmd"}},
	"github.com/mattn/go-isatty":      {rooms: []string{"cmd"}},
	"golang.org/x/net/proxy":          {rooms: []string{"marketplace/audit"}},
	"golang.org/x/term":               {rooms: []string{"cmd"}},
	"github.com/rogpeppe/go-internal": {tests: []string{"cmd"}},
	"database/sql":                    {},
	"database/sql/driver":             {rooms: []string{"marketplace"}},

	"github.com/fbsobreira/gotron-sdk": {rooms: []string{"marketplace/escrow"},
		tests: []string{"deploy/devchain"}},
	"github.com/fbsobreira/gotron-sdk/pkg/proto": {
		rooms: []string{"marketplace/escrow", "deploy/devchain"}},
	"google.golang.org/grpc":     {rooms: []string{"marketplace/escrow", "deploy/devchain"}},
	"google.golang.org/protobuf": {rooms: []string{"marketplace/escrow", "deploy/devchain"}},
	"github.com/decred/dcrd": {
		rooms: []string{"marketplace/escrow", "deploy/devchain", "cmd/terminal"}},
	// Key files and mnemonics are read at the edge to a person: what the market's rooms are given
	// is a key.
	"github.com/fbsobreira/gotron-sdk/pkg/keystore": {rooms: []string{"cmd/terminal"}},
	"github.com/fbsobreira/gotron-sdk/pkg/keys/hd":  {rooms: []string{"cmd/terminal"}},
	"github.com/fbsobreira/go-bip39":                {rooms: []string{"cmd/terminal"}},
	"github.com/tyler-smith/go-bip39":               {tests: []string{"cmd/terminal"}},
	"github.com/btcsuite/btcd/btcutil":              {tests: []string{"cmd/terminal"}},
	"github.com/btcsuite/btcd/chaincfg":             {tests: []string{"cmd/terminal"}},
	"github.com/ethereum/go-ethereum": {rooms: []string{"deploy/devchain"},
		tests: []string{"marketplace/escrow/contract"}},
	"github.com/ethereum/go-ethereum/accounts/abi": {rooms: []string{"marketplace/escrow"},
		tests: []string{"marketplace/escrow/contract"}},
	"github.com/ethereum/go-ethereum/common": {
		rooms: []string{"marketplace/escrow", "deploy/devchain"},
		tests: []string{"marketplace/escrow/contract"}},

	// everseed-devnet downloads with a plain client, as a stranger would.
	"github.com/anacrolix/torrent": {
		rooms: []string{"seederagent/swarm", "seederagent/delivery", "cmd/everseed-devnet"}},
	"github.com/anacrolix/torrent/metainfo": {
		rooms: []string{"seederagent/swarm", "seederagent/delivery", "cmd/everseed-devnet"},
		tests: []string{"marketplace/metainfo", "deploy/devstack/tracker"}},
	"github.com/anacrolix/torrent/bencode": {
		rooms: []string{"marketplace/health"},
		tests: []string{"marketplace/metainfo", "deploy/devstack/tracker"}},
	"github.com/anacrolix/torrent/peer_protocol": {
		rooms: []string{"marketplace/audit", "seederagent/swarm", "seederagent/delivery"}},
	// uTP streams: the engine's lanes, and the audit that meets agents there.
	"github.com/anacrolix/go-utp": {rooms: []string{"seederagent/swarm", "marketplace/audit"}},
	// Obfuscated handshakes that are received outside of the library.
	"github.com/anacrolix/torrent/mse": {rooms: []string{"marketplace/audit", "seederagent/swarm"},
		tests: []string{"seederagent"}},
	"github.com/anacrolix/torrent/tracker": {rooms: []string{"marketplace/health"},
		tests: []string{"deploy/devstack/tracker"}},

	// Small and harmless: anywhere.
	"github.com/google/uuid":     anywhere,
	"github.com/holiman/uint256": anywhere,
	"github.com/mr-tron/base58":  anywhere,
	"golang.org/x/crypto":        anywhere,
	"golang.org/x/sync":          anywhere,
	"golang.org/x/sys":           anywhere,
	"golang.org/x/time":          anywhere,
	"go.uber.org/goleak":         {tests: anywhere.rooms},
	"pgregory.net/rapid":         {tests: anywhere.rooms},
}

var anywhere = home{rooms: []string{"."}}

// impure is what the nouns and rules may not touch: they do no I/O, keep no time, run nothing.
var impure = []string{"context", "io", "log", "net", "os", "sync", "syscall"}

// topLevel are the names that the root of the repository may hold; names with a dot in front are
// free.
var topLevel = []string{"api", "cmd", "deploy", "marketplace", "matcher", "migrations",
	"seederagent", "web", "bin", "go.mod", "go.sum", "docker-compose.yml", "Makefile", "LICENSE",
	"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}

func TestEveryImportGoesDownwardsAndEachLibraryHasItsHome(t *testing.T) {
	t.Parallel()
	for _, fault := range faults(t, os.DirFS("..")) {
		t.Error(fault)
	}
}

func TestTheRootHoldsOnlyTheFixedNames(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s does not belong at the top; see ARCHITECTURE.md for the rooms", e.Name())
		}
	}
}

// faults returns a sentence for each import in the tree that breaks the law.
func faults(t *testing.T, tree fs.FS) (found []string) {
	t.Helper()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(tree, name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		more, err := faultsOf(tree, name)
		found = append(found, more...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// skip leaves out folders that are not packages of this module.
func skip(tree fs.FS, dir string) error {
	base := path.Base(dir)
	if dir != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(dir, "go.mod")); err == nil && dir != "." {
		return fs.SkipDir
	}
	return nil
}

func faultsOf(tree fs.FS, name string) (found []string, err error) {
	source, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	room, isTest := path.Dir(name), strings.HasSuffix(name, "_test.go")
	if _, known := rooms[room]; !known {
		return []string{fmt.Sprintf("%s: there is no room %s in cmd/layers_test.go", name, room)}, nil
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if why := refuse(room, imported, isTest); why != "" {
			found = append(found, name+": "+why)
		}
	}
	return found, nil
}

// refuse says why a room may not import a package, or "".
func refuse(room, imported string, isTest bool) string {
	if other, mine := strings.CutPrefix(imported, ours+"/"); mine {
		return refuseRoom(room, other, isTest)
	}
	library, h := homeOf(imported)
	if library == "" {
		if strings.Contains(strings.Split(imported, "/")[0], ".") {
			return imported + " has no home in cmd/layers_test.go"
		}
		if first, _, _ := strings.Cut(imported, "/"); room == "marketplace" && !isTest &&
			slices.Contains(impure, first) && imported != "net/netip" {
			return "the nouns and rules are pure: no " + imported
		}
		return ""
	}
	if within(room, h.rooms) || isTest && within(room, h.tests) {
		return ""
	}
	return fmt.Sprintf("%s lives in %s (tests: %s)", library, h.rooms, h.tests)
}

func refuseRoom(room, other string, isTest bool) string {
	allowed := room == other || slices.Contains(rooms[room], other)
	if isTest {
		allowed = allowed || within(other, []string{"deploy"}) ||
			slices.Contains(testRooms[room], other)
	}
	if allowed {
		return ""
	}
	return fmt.Sprintf("%s may not import %s", room, other)
}

// homeOf finds the entry of the longest path that holds the package.
func homeOf(imported string) (library string, h home) {
	for path, candidate := range homes {
		if within(imported, []string{path}) && len(path) > len(library) {
			library, h = path, candidate
		}
	}
	return library, h
}

// within says whether a path is one of the folders or below one.
func within(name string, folders []string) bool {
	for _, folder := range folders {
		if folder == "." || name == folder || strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}

func TestTheLawFindsEachKindOfBreach(t *testing.T) {
	t.Parallel()
	for file, c := range map[string]struct{ imported, fault string }{
		"marketplace/orderbook/a.go":     {ours + "/marketplace/escrow", "may not import"},
		"marketplace/b.go":               {ours + "/marketplace/metainfo", "may not import"},
		"marketplace/c.go":               {"net/http", "pure"},
		"cmd/everseed-market/d.go":       {ours + "/deploy/devchain", "may not import"},
		"cmd/everseed-market/d_test.go":  {ours + "/deploy/devchain", ""},
		"api/e.go":                       {"github.com/jackc/pgx/v5", "lives in"},
		"api/e_test.go":                  {"github.com/jackc/pgx/v5", "lives in"},
		"api/f.go":                       {"github.com/stranger/library", "no home"},
		"marketplace/escrow/g.go":        {"github.com/ethereum/go-ethereum/core/vm", "lives in"},
		"marketplace/escrow/h.go":        {"github.com/ethereum/go-ethereum/accounts/abi", ""},
		"marketplace/audit/i.go":         {"go.uber.org/goleak", "lives in"},
		"marketplace/audit/i_test.go":    {"go.uber.org/goleak", ""},
		"pkg/util/j.go":                  {"fmt", "there is no room"},
		"seederagent/k.go":               {"github.com/anacrolix/torrent", "lives in"},
		"matcher/l.go":                   {"database/sql", "lives in"},
		"matcher/testdata/ignored/m.go":  {"database/sql", ""},
		"web/node_modules/a/b/ignore.go": {"database/sql", ""},
	} {
		dir := t.TempDir()
		full := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		source := fmt.Sprintf("package p\n\nimport _ %q\n", c.imported)
		if err := os.WriteFile(full, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(faults(t, os.DirFS(dir)), "\n")
		if c.fault == "" && got != "" || !strings.Contains(got, c.fault) {
			t.Errorf("%s importing %s: got %q, want %q", file, c.imported, got, c.fault)
		}
	}
}
