package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/marketplace"
)

const chainHelp = `Runs a TRON node for one machine: the real node's gRPC and HTTP API, real
bytecode, a block every --block-time, solid when 18 more follow. Point any TRON client at it:
gotron-sdk at --listen, tronweb or TronLink at --http, which is full node and solidity node in one.
State is kept in --dir; a chain that is started again in the same folder goes on where it was, also
after kill -9.

Every new chain has a faucet that gives TRX to whom you like. The control port, which is on loopback
only, gives money, makes blocks, takes them back, and says how the node misbehaves:

  curl -d '{"address":"T…","trx":1000}' http://127.0.0.1:50052/fund
  curl -d '{"blocks":20}'               http://127.0.0.1:50052/mine
  curl -d '{"depth":5}'                 http://127.0.0.1:50052/reorg
  curl http://127.0.0.1:50052/chain

Faults are replaced all at once; what is left out does not happen, and {} ends them all:

  curl -X PUT -d '{"busy":3}'                   http://127.0.0.1:50052/faults
  curl -X PUT -d '{"outage":true,"blocks":10}'  http://127.0.0.1:50052/faults
  curl -X PUT -d '{}'                           http://127.0.0.1:50052/faults
  curl http://127.0.0.1:50052/faults

  drop, mute, busy  so many of the next broadcasts are acknowledged and lost, taken but their
                    answer is lost, or answered with SERVER_BUSY
  drop_rate, …      the same by chance, 0 to 1; equal seeds have equal fates
  slow              so many of the next contract calls end OUT_OF_TIME, all energy burnt
  hold              so many of the next blocks stay empty
  stale             no block is made unless mined
  behind            every answer is of the chain as it was so many blocks ago (0 to 18)
  outage            every call fails
  delay_ms          every call waits
  blocks            all of that ends after so many blocks

The same can be said by flags from the start.`

func chainCommand() *cobra.Command {
	var o devchain.Options
	var fund []string
	var delay time.Duration
	cmd := &cobra.Command{
		Use:   "chain",
		Short: "Run the TRON dev chain alone",
		Long:  chainHelp,
		Example: `  everseed-devnet chain
  everseed-devnet chain --block-time 200ms --fund TJRabPrwbZy45sbavfcjinPJC18kjpRTv8=1000
  everseed-devnet chain --drop-rate 0.1 --busy-rate 0.2 --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Genesis, err = genesis(fund); err != nil {
				return err
			}
			o.Log, o.Faults.DelayMS = terminal.Log(cmd.ErrOrStderr()), delay.Milliseconds()
			return runChain(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Dir, "dir", "everseed-chain", "folder for the chain's log")
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:50051", "gRPC address")
	flags.StringVar(&o.HTTP, "http", "127.0.0.1:8090",
		"address of the HTTP API, of full node and solidity node in one; empty: none")
	flags.StringVar(&o.Control, "control", "127.0.0.1:50052",
		"address of the control port, on loopback; port 0: a free one; empty: none")
	flags.DurationVar(&o.BlockTime, "block-time", 3*time.Second, "time between blocks")
	flags.StringSliceVar(&fund, "fund", nil, "T…=TRX of the first block; may be repeated")
	faultFlags(cmd, &o.Faults)
	flags.DurationVar(&delay, "delay", 0, "how long every call waits, up to 1m")
	return cmd
}

func faultFlags(cmd *cobra.Command, f *devchain.Faults) {
	flags := cmd.Flags()
	flags.IntVar(&f.Drop, "drop", 0, "broadcasts to acknowledge and lose")
	flags.IntVar(&f.Mute, "mute", 0, "broadcasts to take, and lose the answer")
	flags.IntVar(&f.Busy, "busy", 0, "broadcasts to answer with SERVER_BUSY")
	flags.Float64Var(&f.DropRate, "drop-rate", 0, "share of broadcasts to lose, 0 to 1")
	flags.Float64Var(&f.MuteRate, "mute-rate", 0, "share of broadcasts whose answer is lost")
	flags.Float64Var(&f.BusyRate, "busy-rate", 0, "share of broadcasts answered with SERVER_BUSY")
	flags.Uint64Var(&f.Seed, "seed", 0, "of the dice that the rates are decided with")
	flags.IntVar(&f.Slow, "slow", 0, "contract calls that run out of time")
	flags.IntVar(&f.Hold, "hold", 0, "blocks to leave empty")
	flags.IntVar(&f.Behind, "behind", 0, "blocks that every answer is behind, 0 to 18")
	flags.BoolVar(&f.Stale, "stale", false, "make no block unless the control port says so")
	flags.BoolVar(&f.Outage, "outage", false, "fail every call")
	flags.IntVar(&f.Blocks, "fault-blocks", 0, "blocks after which all faults end; 0: never")
}

// genesis reads what accounts have in the first block.
func genesis(fund []string) (map[string]int64, error) {
	out := map[string]int64{}
	for _, text := range fund {
		name, trx, _ := strings.Cut(text, "=")
		who, err := marketplace.ParseAddress(name)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(trx, 10, 40)
		if err != nil || n < 1 {
			return nil, marketplace.Invalid.Errorf("--fund %s is not like T…=1000 (whole TRX)", text)
		}
		out[string(who.Tron())] = n * 1_000_000
	}
	return out, nil
}

// runChain serves a chain until ctx ends.
func runChain(ctx context.Context, o devchain.Options) error {
	chain, err := devchain.Start(ctx, o)
	if err != nil {
		return err
	}
	number, id := chain.Head()
	o.Log.InfoContext(ctx, "dev chain runs", "dir", o.Dir, "chain_id", chain.ChainID(),
		"block", number, "id", id.Hex()[2:])
	o.Log.InfoContext(ctx, "dev chain serves gRPC", "addr", chain.Addr())
	if addr := chain.HTTPAddr(); addr != "" {
		o.Log.InfoContext(ctx, "dev chain serves HTTP", "addr", "http://"+addr)
	}
	if addr := chain.ControlAddr(); addr != "" {
		o.Log.InfoContext(ctx, "dev chain obeys", "addr", "http://"+addr)
	}
	<-ctx.Done()
	return chain.Close()
}
