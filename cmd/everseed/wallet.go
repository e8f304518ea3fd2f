package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

func (s *session) walletCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wallet",
		Short: "Your key, and your money in the vault",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(s.newCommand(), s.importCommand(), s.exportCommand(), s.balanceCommand(),
		s.depositCommand(), s.thawCommand(), s.cancelThawCommand(), s.withdrawCommand(),
		s.revokeCommand(), s.followCommand(), s.statementCommand())
	return cmd
}

func (s *session) statementCommand() *cobra.Command {
	return terminal.StatementCommand(
		func() (*client.Client, error) { return s.visitor(), nil },
		func() (marketplace.Address, error) {
			key, err := s.wallet()
			return key.Address(), err
		})
}

// A purse is the poster's key at the vault that the market settles on.
type purse struct {
	*escrow.Vault
	key  escrow.Key
	info marketplace.MarketInfo
	live bool // the market answers, so that info is what it says today
}

// atVault reads the key, connects to the vault and does something there.
func (s *session) atVault(cmd *cobra.Command, do func(purse) error) error {
	key, err := s.wallet()
	if err != nil {
		return err
	}
	info, live, err := s.vaultOf(cmd)
	if err != nil {
		return err
	}
	v, err := escrow.Dial(cmd.Context(), escrow.Config{GRPC: s.tron,
		APIKey: s.getenv(apiKeyVariable), Token: info.Token, Vault: info.Vault})
	if err != nil {
		return err
	}
	return errors.Join(do(purse{v, key, info, live}), v.Close())
}

// send stores nothing: it sends one transaction and waits until it is solid. A run that is cut
// short is told apart by looking at the balance.
func (v purse) send(cmd *cobra.Command, what string, tx escrow.Staged, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	cmd.PrintErrf("%s: sent %s, waiting until it is solid\n", what, tx.ID)
	if err := v.Send(cmd.Context(), tx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	r, err := v.awaitSolid(cmd, what, tx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch r.Outcome {
	case escrow.Confirmed:
		cmd.PrintErrf("%s: done in block %d, fee %.2f TRX\n", what, r.Block, float64(r.Fee)/escrow.Sun)
		return nil
	case escrow.Reverted:
		return marketplace.Conflict.Errorf("%s: the contract refused (%s)", what, r.Reason)
	default:
		return marketplace.Unavailable.Errorf("%s: the transaction came into no block; nothing happened,"+
			" run it again", what)
	}
}

func (s *session) depositCommand() *cobra.Command {
	var term string
	cmd := &cobra.Command{
		Use:   "deposit BTT",
		Short: "Put BTT in the vault and let the market's auditors pay agents from it",
		Long: `Moves BTT from your wallet into your account in the vault, and opens a mandate: a permission, on
chain, for the market's auditors to sign cheques of at most that amount until it expires. Nobody
else can draw on it, and the market alone cannot.

What is not reserved for a bounty can be taken back with ` + "`everseed wallet thaw`" + `.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			amount, err := marketplace.ParseAmount(args[0])
			if err != nil {
				return err
			}
			var open marketplace.Span
			if err := parseFlag("mandate", term, &open); err != nil {
				return err
			}
			return s.atVault(cmd, func(v purse) error {
				return s.deposit(cmd, v, amount, open.Duration())
			})
		},
	}
	cmd.Flags().StringVar(&term, "mandate", "120d", "how long the auditors may sign cheques on it")
	return cmd
}

func (s *session) deposit(cmd *cobra.Command, v purse, amount marketplace.Amount,
	open time.Duration) error {
	if !v.live {
		return marketplace.Unavailable.Errorf("a mandate names the market's auditors of today; deposit when" +
			" it answers again")
	}
	have, err := v.TokenBalance(cmd.Context(), v.key.Address())
	if err != nil {
		return fmt.Errorf("read your balance: %w", err)
	}
	if have.Cmp(amount) < 0 {
		return marketplace.Insufficient.Errorf("%s has %s BTT; it takes %s", v.key.Address(), have,
			amount)
	}
	m := marketplace.Mandate{Poster: v.key.Address(), Signers: v.info.Auditors,
		Threshold: v.info.Quorum, Cap: amount, Expiry: time.Now().Add(open)}
	_, _ = rand.Read(m.ID[:]) // never fails
	tx, err := v.BuildApprove(cmd.Context(), v.key, amount)
	if err := v.send(cmd, "allow the vault to take the BTT", tx, err); err != nil {
		return err
	}
	tx, err = v.BuildDepositAndOpen(cmd.Context(), v.key, amount, m)
	if err := v.send(cmd, "deposit and open a mandate", tx, err); err != nil {
		return err
	}
	return s.show(cmd.OutOrStdout(), m, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s BTT in the vault; mandate %s until %s\n", amount, m.ID,
			when(m.Expiry))
		return err
	})
}

func (s *session) balanceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "balance",
		Short: "What you have: in the wallet, in the vault, reserved, spent",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := s.wallet()
			if err != nil {
				return err
			}
			account, err := s.visitor().Account(cmd.Context(), key.Address())
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), account, func(w io.Writer) error {
				t := terminal.Table{Header: []string{"ACCOUNT " + key.Address().String(), ">BTT"}}
				t.Add("free", terminal.BTT(account.Free))
				t.Add("reserved for bounties", terminal.BTT(account.Reserved))
				t.Add("thawing, of what is free", terminal.BTT(account.Thawing))
				t.Add("spent", terminal.BTT(account.Spent))
				t.Add("earned, to be redeemed", terminal.BTT(account.Payable))
				t.Add("earned, held back", terminal.BTT(account.Held))
				t.Add("redeemed", terminal.BTT(account.Redeemed))
				return t.Write(w)
			})
		},
	}
}
