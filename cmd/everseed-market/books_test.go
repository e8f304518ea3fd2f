package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// aMarket is the environment of one whose vault nobody has used, on a chain of its own.
func aMarket(t *testing.T) map[string]string {
	t.Helper()
	admin, err := escrow.NewKey()
	must(t, err)
	chain, err := devchain.Start(t.Context(), devchain.Options{Dir: t.TempDir(),
		BlockTime: 10 * time.Millisecond,
		Genesis:   map[string]int64{string(admin.Address().Tron()): 1_000_000 * escrow.Sun}})
	must(t, err)
	t.Cleanup(func() { must(t, chain.Close()) })
	c := escrow.Config{GRPC: chain.Addr(), PerSecond: 5000}
	token, vault, err := escrow.Deploy(t.Context(), c, admin, time.Second)
	must(t, err)
	c.Token, c.Vault = token, vault
	v, err := escrow.Dial(t.Context(), c)
	must(t, err)
	for _, err = v.Obligations(t.Context()); err != nil; _, err = v.Obligations(t.Context()) {
		time.Sleep(10 * time.Millisecond) // not solid yet
	}
	must(t, v.Close())
	return map[string]string{"DATABASE_URL": devstack.TestDatabase(t), "TRON_GRPC": chain.Addr(),
		"EVERSEED_TOKEN": token.String(), "EVERSEED_VAULT": vault.String(),
		"EVERSEED_MARKET_KEY": admin.Hex(), "EVERSEED_AUDITORS": admin.Address().String(),
		"EVERSEED_QUORUM": "1", "EVERSEED_RULES": "devnet"}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs the program and returns what it prints.
func run(t *testing.T, environment map[string]string, args ...string) (string, error) {
	t.Helper()
	cmd := command(func(name string) string { return environment[name] })
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestAuditBooksFailsAndNamesWhatTheChainDoesNotKnow(t *testing.T) {
	t.Parallel()
	market := aMarket(t)
	if out, err := run(t, market, "audit-books"); err != nil || !strings.Contains(out, "0 differences") {
		t.Fatalf("%q, %v", out, err)
	}
	book, err := orderbook.Open(t.Context(), market["DATABASE_URL"], orderbook.Options{})
	must(t, err)
	defer book.Close()
	must(t, book.Apply(t.Context(), []orderbook.ChainBlock{{Number: 1, At: time.Now(),
		Events: []orderbook.ChainEvent{{Kind: orderbook.ChainDeposit, Tx: "none", Account: marketplace.Address{1},
			Amount: marketplace.BTT(3)}}}}, time.Now()))
	out, err := run(t, market, "audit-books")
	if !errors.Is(err, marketplace.Conflict) || !strings.Contains(out, "differs") ||
		!strings.Contains(out, "WRONG: transfer number 1") {
		t.Errorf("%q, %v", out, err)
	}
	out, err = run(t, market, "audit-books", "--json")
	var a orderbook.Audit
	if err == nil || json.Unmarshal([]byte(out), &a) != nil || len(a.Wrong) != 2 ||
		a.Rows[0].Ledger != marketplace.BTT(3) {
		t.Errorf("%q, %v", out, err)
	}
	only := map[string]string{"DATABASE_URL": market["DATABASE_URL"]}
	if out, err := run(t, only, "audit-books", "--entries"); err != nil {
		t.Errorf("%q, %v", out, err)
	}
}
