// Command everseed is the poster's tool: it puts money in the vault, posts bounties and watches
// what becomes of them.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

const (
	keyVariable    = "EVERSEED_KEY"
	marketVariable = "EVERSEED_MARKET"
	tronVariable   = "EVERSEED_TRON_GRPC"
	apiKeyVariable = "TRON_PRO_API_KEY" // #nosec G101 -- the name of a variable
)

func main() { os.Exit(terminal.Main(command(os.Getenv))) }

// session is what the flags and the environment say, for one run of the tool.
type session struct {
	getenv func(string) string
	market string
	tron   string
	key    string
	json   bool
}

func command(getenv func(string) string) *cobra.Command {
	s := &session{getenv: getenv}
	root := &cobra.Command{
		Use:   "everseed",
		Short: "Keep torrents alive with BTT",
		Long: `everseed posts bounties for torrents that need seeders and pays the agents that keep them
alive, through a vault contract on TRON.

A first bounty takes four steps:

  everseed wallet new                                 make a key; send it BTT and some TRX
  everseed wallet deposit 500000 --mandate 30d        put BTT in the vault, let the auditors pay
  everseed torrent add debian.torrent                 tell the market what to keep alive
  everseed bounty post INFOHASH --replicas 3 --price-max 700 --keep-for 30d

Then watch it with ` + "`everseed bounty show ID`" + ` or ` + "`everseed watch`" + `.`,
		Args: cobra.NoArgs,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.market, "market", or(getenv(marketVariable), "http://localhost:8080"),
		"the market's address, or "+marketVariable)
	flags.StringVar(&s.tron, "tron", or(getenv(tronVariable), "grpc.trongrid.io:50051"),
		"TRON nodes, the favourite first: host:port,grpcs://host:port?solid=50061; or "+tronVariable)
	flags.StringVar(&s.key, "key", defaultKey(), "file with the private key, bare or encrypted; "+
		keyVariable+" goes before it")
	flags.BoolVar(&s.json, "json", false, "print JSON")
	root.AddCommand(s.walletCommand(), s.torrentCommand(), s.bountyCommand(), s.chequeCommand(),
		s.marketCommand(), s.watchCommand(), s.nodesCommand(), s.verifyCommand())
	return root
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

func defaultKey() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "wallet.key"
	}
	return filepath.Join(dir, "everseed", "wallet.key")
}

// wallet returns the poster's key.
func (s *session) wallet() (escrow.Key, error) {
	return terminal.Key(s.getenv, keyVariable, s.key, "everseed wallet new")
}

// visitor returns a client for what needs no sign-in.
func (s *session) visitor() *client.Client { return client.New(s.market) }

// trader returns a client that is signed in as the wallet.
func (s *session) trader(cmd *cobra.Command) (*client.Client, escrow.Key, error) {
	key, err := s.wallet()
	if err != nil {
		return nil, key, err
	}
	c := client.New(s.market)
	if err := c.Login(cmd.Context(), key); err != nil {
		return nil, key, fmt.Errorf("sign in to %s: %w", s.market, err)
	}
	return c, key, nil
}

// show prints v as JSON when that was asked for, else by draw.
func (s *session) show(w io.Writer, v any, draw func(io.Writer) error) error {
	if s.json {
		return terminal.JSON(w, v)
	}
	return draw(w)
}

// parseFlag reads a flag's text into a noun and names the flag when it cannot.
func parseFlag(name, text string, into interface{ UnmarshalText([]byte) error }) error {
	if err := into.UnmarshalText([]byte(text)); err != nil {
		return marketplace.Invalid.Errorf("--%s: %v", name, err)
	}
	return nil
}
