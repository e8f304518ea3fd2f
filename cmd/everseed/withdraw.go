package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/marketplace"
)

func (s *session) thawCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "thaw BTT",
		Short: "Ask for BTT back; it can be withdrawn when the thaw is over",
		Long: `Starts the thaw of BTT in your vault account. If you thaw more than is free, your bounties are
cancelled with their notice. A thaw replaces the one before and starts its time anew. When it is
over, run ` + "`everseed wallet withdraw`" + `.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			amount, err := marketplace.ParseAmount(args[0])
			if err != nil {
				return err
			}
			return s.atVault(cmd, func(v purse) error { return v.thaw(cmd, amount) })
		},
	}
}

func (v purse) thaw(cmd *cobra.Command, amount marketplace.Amount) error {
	have, err := v.Balance(cmd.Context(), v.key.Address())
	if err != nil {
		return fmt.Errorf("read your account in the vault: %w", err)
	}
	if have.Cmp(amount) < 0 {
		return marketplace.Insufficient.Errorf("you have %s BTT in the vault; %s cannot thaw", have,
			amount)
	}
	tx, err := v.BuildThaw(cmd.Context(), v.key, amount)
	if err := v.send(cmd, "thaw", tx, err); err != nil {
		return err
	}
	_, ends, err := v.ThawOf(cmd.Context(), v.key.Address())
	if err != nil {
		return fmt.Errorf("read thaw: %w", err)
	}
	cmd.Printf("%s BTT can be withdrawn from %s, less what cheques draw until then\n", amount,
		when(ends))
	return nil
}

func (s *session) cancelThawCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel-thaw",
		Short: "Leave thawing BTT in the vault after all",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.atVault(cmd, func(v purse) error {
				amount, _, err := v.thawing(cmd.Context())
				if err != nil {
					return err
				}
				tx, err := v.BuildCancelThaw(cmd.Context(), v.key)
				if err := v.send(cmd, "cancel the thaw", tx, err); err != nil {
					return err
				}
				cmd.Printf("%s BTT stay in the vault\n", amount)
				return nil
			})
		},
	}
}

func (s *session) revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke MANDATE",
		Short: "End a mandate: its signers can draw on you no more after the thaw period",
		Long: `Brings the end of a mandate forward to one thaw period from now. Cheques that are under way stay
redeemable until then. Bounties that would outlast the mandate are cancelled with their notice.
` + "`everseed wallet balance --json`" + ` lists your mandates.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var id marketplace.Hash
			if err := id.UnmarshalText([]byte(args[0])); err != nil {
				return marketplace.Invalid.Errorf("%q is no mandate: %v", args[0], err)
			}
			return s.atVault(cmd, func(v purse) error { return v.revoke(cmd, id) })
		},
	}
}

func (v purse) revoke(cmd *cobra.Command, id marketplace.Hash) error {
	ctx, me := cmd.Context(), v.key.Address()
	before, err := v.MandateOf(ctx, me, id)
	if err != nil {
		return fmt.Errorf("read mandate: %w", err)
	}
	if before.Threshold == 0 {
		return marketplace.NotFound.Errorf("%s has no mandate %s in the vault", me, id)
	}
	period, err := v.ThawPeriod(ctx)
	if err != nil {
		return fmt.Errorf("read the thaw period: %w", err)
	}
	if !before.Expiry.After(time.Now().Add(period)) {
		return marketplace.Conflict.Errorf("mandate %s ends %s, within one thaw period, anyway", id,
			when(before.Expiry))
	}
	tx, err := v.BuildRevoke(ctx, v.key, id)
	if err := v.send(cmd, "revoke", tx, err); err != nil {
		return err
	}
	after, err := v.MandateOf(ctx, me, id)
	if err != nil {
		return fmt.Errorf("read mandate: %w", err)
	}
	cmd.Printf("mandate %s ends %s; until then cheques on it are paid\n", id, when(after.Expiry))
	return nil
}

func (s *session) withdrawCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "withdraw",
		Short: "Take thawed BTT out of the vault",
		Long: `Pays what has thawed to your wallet, less what cheques drew meanwhile. With --wait it waits until
the thaw is over; it may be stopped and run again at any time.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.atVault(cmd, func(v purse) error { return v.withdraw(cmd, wait) })
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the thaw is over")
	return cmd
}

// thawing returns what thaws, or says that nothing does.
func (v purse) thawing(ctx context.Context) (marketplace.Amount, time.Time, error) {
	amount, ends, err := v.ThawOf(ctx, v.key.Address())
	if err != nil {
		return amount, ends, fmt.Errorf("read thaw: %w", err)
	}
	if amount.IsZero() {
		return amount, ends, marketplace.Conflict.Errorf("nothing is thawing in a solid block; start" +
			" with `everseed wallet thaw`, and wait about a minute")
	}
	return amount, ends, nil
}

func (v purse) withdraw(cmd *cobra.Command, wait bool) error {
	amount, ends, err := v.thawing(cmd.Context())
	if err != nil {
		return err
	}
	left := time.Until(ends)
	if left > 0 && !wait {
		return marketplace.Conflict.Errorf("%s BTT are thawing until %s; come back in %s, or run it with"+
			" --wait", amount, when(ends), left.Round(time.Second))
	}
	if err := v.thawed(cmd, ends); err != nil {
		return err
	}
	before, err := v.TokenBalance(cmd.Context(), v.key.Address())
	if err != nil {
		return fmt.Errorf("read your balance: %w", err)
	}
	tx, err := v.BuildWithdraw(cmd.Context(), v.key)
	if err := v.send(cmd, "withdraw", tx, err); err != nil {
		return err
	}
	after, err := v.TokenBalance(cmd.Context(), v.key.Address())
	if err != nil {
		return fmt.Errorf("read your balance: %w", err)
	}
	cmd.Printf("%s BTT came to %s\n", after.SubFloor(before), v.key.Address())
	return nil
}

// askEvery is how often the chain is asked for its time while a thaw is waited for.
const askEvery = 2 * time.Second

// thawed waits until the chain's own clock is past the end of a thaw, and tells how long that is.
func (v purse) thawed(cmd *cobra.Command, ends time.Time) error {
	var told time.Duration
	for {
		head, err := v.Head(cmd.Context())
		if err != nil && !errors.Is(err, marketplace.Unavailable) {
			return err
		}
		left := ends.Sub(head.Time)
		if err == nil && left < 0 {
			return nil
		}
		if step := progressStep(left); err == nil && (told == 0 || told-left >= step) {
			cmd.PrintErrf("thawing until %s: %s left\n", when(ends), left.Round(time.Second))
			told = left
		}
		select {
		case <-cmd.Context().Done():
			return fmt.Errorf("wait for the thaw: %w", cmd.Context().Err())
		case <-time.After(min(askEvery, max(left/2, 300*time.Millisecond))):
		}
	}
}

// progressStep is how much time passes between two lines of progress.
func progressStep(left time.Duration) time.Duration {
	switch {
	case left > time.Hour:
		return time.Hour
	case left > 2*time.Minute:
		return 5 * time.Minute
	default:
		return 10 * time.Second
	}
}
