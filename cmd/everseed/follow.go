package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

const (
	followEvery = time.Second
	followMost  = 100 // blocks at a time
)

// A vaultLine is one event of an account in the vault, and how certain it is.
type vaultLine struct {
	Block  int64              `json:"block"`
	At     time.Time          `json:"at"`
	State  escrow.BlockState  `json:"state"`
	Kind   escrow.EventKind   `json:"kind"`
	Amount marketplace.Amount `json:"amount"`
	Tx     marketplace.Hash   `json:"tx"`
}

func (s *session) followCommand() *cobra.Command {
	var from int64
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch your account in the vault, block by block, until stopped",
		Long: `Prints what happens to your account in the vault as soon as a block has it: first as seen, later
as solid, or as taken_back when the chain changed its mind. The market counts solid blocks only.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.atVault(cmd, func(v purse) error {
				if from == 0 {
					head, err := v.SolidHead(cmd.Context())
					if err != nil {
						return err
					}
					from = head.Number
				}
				return s.follow(cmd, v, v.Follow(from))
			})
		},
	}
	cmd.Flags().Int64Var(&from, "from", 0, "block to begin with (default: the newest solid one)")
	return cmd
}

// follow prints until it is stopped. A node that does not answer is waited for.
func (s *session) follow(cmd *cobra.Command, v purse, f *escrow.Follower) error {
	ctx := cmd.Context()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		steps, err := f.Next(ctx, followMost)
		for _, step := range steps {
			if err := s.printStep(cmd, v.key.Address(), step); err != nil {
				return err
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, marketplace.Unavailable) {
			return err
		}
		if len(steps) >= followMost {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *session) printStep(cmd *cobra.Command, who marketplace.Address, step escrow.Step) error {
	for _, e := range step.Events {
		if e.Account != who && e.Cheque.To != who {
			continue
		}
		line := vaultLine{Block: step.Number, At: step.Time, State: step.State, Kind: e.Kind,
			Amount: e.Amount, Tx: e.Tx}
		if s.json {
			if err := terminal.JSON(cmd.OutOrStdout(), line); err != nil {
				return err
			}
			continue
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "block %d  %-10s  %s %s BTT  tx %s\n", line.Block,
			line.State, line.Kind, terminal.BTT(line.Amount), line.Tx)
		if err != nil {
			return err
		}
	}
	return nil
}
