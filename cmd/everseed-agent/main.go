// Command everseed-agent sells spare disk and upload to torrents that need seeders.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/seederagent"
	"github.com/everseed/everseed/seederagent/swarm"
)

const (
	keyVariable    = "EVERSEED_AGENT_KEY"
	canaryVariable = "EVERSEED_CANARY_SECRET" // #nosec G101 -- likewise
	apiKeyVariable = "TRON_PRO_API_KEY"       // #nosec G101 -- the name of a variable
)

func main() { os.Exit(terminal.Main(command(os.Getenv))) }

// memoryLimit keeps an agent a quiet guest: Go collects harder before it takes more.
const memoryLimit = 256 << 20

func command(getenv func(string) string) *cobra.Command {
	var path string
	root := &cobra.Command{
		Use:   "everseed-agent",
		Short: "Sell spare disk and upload to torrents that need seeders",
		Long: `everseed-agent keeps torrents alive for pay. It puts up an offer on a market, downloads
the torrents it is given a lease for, seeds them, and collects signed cheques that are
redeemed in BTT on TRON.

  everseed-agent init       write a configuration and a key, then edit the configuration
  everseed-agent run        serve until stopped
  everseed-agent status     what the running agent holds and has earned
  everseed-agent cheques    the signed cheques on disk, and how far each has come
  everseed-agent redeem     bring them to the vault yourself, with or without the market
  everseed-agent statement  every movement of what it earned, in the market's ledger`,
		Args: cobra.NoArgs,
	}
	root.PersistentFlags().StringVarP(&path, "config", "c", defaultConfig(), "configuration file")
	root.AddCommand(
		initCommand(&path),
		runCommand(&path, getenv),
		statusCommand(&path),
		chequesCommand(&path),
		redeemCommand(&path, getenv),
		statementCommand(&path),
	)
	return root
}

func defaultConfig() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "agent.toml"
	}
	return filepath.Join(dir, "everseed-agent", "agent.toml")
}

func keyFile(c seederagent.Config) string { return filepath.Join(c.Dir, "agent.key") }

func initCommand(path *string) *cobra.Command {
	config := seederagent.DefaultConfig()
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration and a key",
		Long: `Writes a configuration with a comment above each setting, and a new private key into the
data folder. Nothing is overwritten. The key signs in to markets; what the agent earns goes to
the payee of the configuration, whose key can stay on another machine.

The agent also lends a little of its line to auditors that visit other agents, as other agents' lines
bring them to this one: that is how who serves auditors only is found out. It is ordinary BitTorrent
traffic to peers of the market, up to what the configuration says (carry); '0 B' there turns it off.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := terminal.MakeKey(keyFile(config))
			if err != nil {
				return err
			}
			config.Payee = key.Address()
			if err := config.Write(*path); err != nil {
				return err
			}
			cmd.Printf("Configuration: %s\nKey:           %s\nAgent:         %s\n\n"+
				"Edit the configuration (storage, price, region, peer, payee), then run\n"+
				"  everseed-agent run\n", *path, keyFile(config), key.Address())
			return nil
		},
	}
	cmd.Flags().StringVar(&config.Market, "market", config.Market, "the market's address")
	cmd.Flags().StringVar(&config.Dir, "dir", config.Dir, "where torrents, cheques and the key go")
	return cmd
}

func runCommand(path *string, getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Serve until stopped",
		Long: `Puts up the offer, answers leases, fetches, seeds and collects cheques until it is stopped.
Stopping it with Ctrl-C or kill -9 loses nothing: it takes up its leases again at the next start.

The private key is read from EVERSEED_AGENT_KEY (64 hex digits) or from agent.key in the data
folder, bare or encrypted. An encrypted one takes EVERSEED_PASSPHRASE, or EVERSEED_PASSPHRASE_FILE.
` + "`everseed-agent init`" + ` does not encrypt it: the agent must start again when nobody is there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			debug.SetMemoryLimit(memoryLimit)
			config, err := seederagent.ReadConfig(*path)
			if err != nil {
				return err
			}
			key, err := terminal.Key(getenv, keyVariable, keyFile(config), "everseed-agent init")
			if err != nil {
				return err
			}
			canary, err := canarySecret(getenv, config)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), config, key, canary, getenv(apiKeyVariable),
				terminal.Log(cmd.ErrOrStderr()))
		},
	}
}

// canarySecret reads what a canary shares with its market.
func canarySecret(getenv func(string) string, c seederagent.Config) (
	canary marketplace.Canaries, err error) {
	if !c.Canary {
		return canary, nil
	}
	canary.Secret, err = marketplace.ParseHash(getenv(canaryVariable))
	if err != nil || !canary.On() {
		return canary, marketplace.Invalid.Errorf("the configuration says canary, and %s is not the 64 hex"+
			" digits that the market has", canaryVariable)
	}
	return canary, nil
}

// serve wires an agent and runs it until ctx is done.
func serve(
	ctx context.Context, config seederagent.Config, key escrow.Key, canary marketplace.Canaries,
	apiKey string, log *slog.Logger,
) error {
	market := client.New(config.Market)
	info, err := market.Rules(ctx)
	if err != nil {
		return fmt.Errorf("read the rules of %s: %w", config.Market, err)
	}
	engine, err := swarm.Open(swarm.Config{
		Dir: config.Dir, Listen: config.Listen, UploadLimit: int64(config.UploadRate),
		KeepFree: int64(config.KeepFree), NoUTP: !config.UTP,
		AllowLoopback: info.Rules.AllowLoopback, Log: log,
	})
	if err != nil {
		return err
	}
	defer engine.Close()
	agent := &seederagent.Agent{
		Config: config, Key: key, Market: market, Engine: engine, Canary: canary, Log: log,
	}
	if config.TronGRPC != "" {
		agent.Vault, err = escrow.Dial(ctx, escrow.Config{
			GRPC: config.TronGRPC, APIKey: apiKey, Vault: info.Vault, Token: info.Token, Log: log,
		})
		if err != nil {
			return err
		}
		defer agent.Vault.Close()
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return agent.Run(ctx) })
	group.Go(func() error { return agent.ServeStatus(ctx) })
	return group.Wait()
}

func statementCommand(path *string) *cobra.Command {
	return terminal.StatementCommand(func() (*client.Client, error) {
		config, err := seederagent.ReadConfig(*path)
		return client.New(config.Market), err
	}, func() (marketplace.Address, error) {
		config, err := seederagent.ReadConfig(*path)
		return config.Payee, err
	})
}

func statusCommand(path *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running agent holds and has earned",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := seederagent.ReadConfig(*path)
			if err != nil {
				return err
			}
			s, err := seederagent.AskStatus(cmd.Context(), config.Dir)
			if err != nil {
				return err
			}
			if asJSON {
				return terminal.JSON(cmd.OutOrStdout(), s)
			}
			return printStatus(cmd, s)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(cmd *cobra.Command, s seederagent.Status) error {
	cmd.Printf("agent %s, paid to %s\nmarket %s, last answer %s\non signed cheques %s BTT;"+
		" %s of disk free\n", s.Agent, s.Payee, s.Market, s.SteppedAt.Local().Format("15:04:05"),
		terminal.BTT(s.OnCheque), seederagent.Size(s.DiskFree))
	if s.Quiet > 0 {
		cmd.Printf("%d quiet windows since its start, in which it served a torrent to auditors only\n",
			s.Quiet)
	}
	if s.Lent.Most > 0 {
		cmd.Printf("visits carried to other agents today: %d; they took %s of the %s that you lend a day\n",
			s.Lent.Visits, seederagent.Size(s.Lent.Bytes), seederagent.Size(s.Lent.Most))
	}
	if s.Trouble != "" {
		cmd.Printf("trouble: %s\n", s.Trouble)
	}
	if s.Offer.ID != 0 {
		terminal.PrintStanding(cmd.OutOrStdout(), s.Offer)
	}
	if len(s.Torrents) == 0 {
		cmd.Println("\nNo leases yet. The market calls every few seconds; when nothing comes, look at" +
			"\nthe reason beside your offer on the market's page: most often it is the price.")
		return nil
	}
	cmd.Println()
	table := terminal.Table{Header: []string{"LEASE", "INFOHASH", "STATE", ">HELD", ">SIZE",
		">PRICE", ">EARNED", ">PASSED", ">MISSED", ">PEERS", ">SENT", "REASON"}}
	for _, t := range s.Torrents {
		l := t.Lease
		table.Add(l.ID, l.Infohash.String()[:12], l.State, seederagent.Size(t.Bytes),
			seederagent.Size(l.Size), l.Price, terminal.BTT(l.Earned), l.Passed, l.Missed, t.Peers,
			seederagent.Size(t.Uploaded), l.Reason)
	}
	return table.Write(cmd.OutOrStdout())
}
