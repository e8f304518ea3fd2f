package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
)

func (s *session) bountyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bounty",
		Short: "Quote, post, fund, show and cancel bounties",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(s.quoteCommand(), s.postCommand(), s.fundCommand(), s.takeBackCommand(),
		s.listCommand(), s.showCommand(), s.cancelCommand())
	return cmd
}

// termFlags are a bounty's terms as flags.
type termFlags struct {
	replicas int
	priceMax string
	keepFor  string
	goodFor  string
	mandate  string
	regions  []string
	rateMin  int64
	fund     string
}

func (f *termFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.replicas, "replicas", 3, "agents that shall hold the whole torrent")
	flags.StringVar(&f.priceMax, "price-max", "", "most BTT per GiB-day and replica (required)")
	flags.StringVar(&f.keepFor, "keep-for", "30d", "term, like 30d")
	flags.StringVar(&f.goodFor, "good-for", "7d", "replicas nobody takes in this time expire")
	flags.StringVar(&f.mandate, "mandate", "", "mandate that pays (default: your newest)")
	flags.StringSliceVar(&f.regions, "region", nil, "regions that will do (default: any)")
	flags.Int64Var(&f.rateMin, "rate-min", 0, "least upload rate of an agent, bytes/s")
	flags.StringVar(&f.fund, "fund", "", "BTT you pledge yourself; others add the rest (default: all)")
	if err := cmd.MarkFlagRequired("price-max"); err != nil {
		panic(err)
	}
}

func (f *termFlags) terms(infohash string) (t marketplace.BountyTerms, err error) {
	t = marketplace.BountyTerms{Instrument: marketplace.Keepalive, Replicas: f.replicas,
		Regions: f.regions, RateMin: f.rateMin}
	if t.Infohash, err = marketplace.ParseInfohash(infohash); err != nil {
		return t, err
	}
	if err := parseFlag("price-max", f.priceMax, &t.PriceMax); err != nil {
		return t, err
	}
	if err := parseFlag("keep-for", f.keepFor, &t.KeepFor); err != nil {
		return t, err
	}
	if err := parseFlag("good-for", f.goodFor, &t.GoodFor); err != nil {
		return t, err
	}
	if f.fund != "" {
		if err := parseFlag("fund", f.fund, &t.Fund); err != nil {
			return t, err
		}
	}
	if f.mandate != "" {
		return t, parseFlag("mandate", f.mandate, &t.Mandate)
	}
	return t, nil
}

// order signs in and completes the terms that the flags gave.
func (s *session) order(cmd *cobra.Command, f termFlags, infohash string) (
	*client.Client, marketplace.BountyTerms, error) {
	t, err := f.terms(infohash)
	if err != nil {
		return nil, t, err
	}
	c, key, err := s.trader(cmd)
	if err != nil {
		return nil, t, err
	}
	err = chooseMandate(cmd, c, key.Address(), &t.Mandate)
	return c, t, err
}

// chooseMandate fills in the poster's mandate that runs longest, when none was named.
func chooseMandate(
	cmd *cobra.Command, c *client.Client, self marketplace.Address, chosen *marketplace.Hash,
) error {
	if !chosen.IsZero() {
		return nil
	}
	account, err := c.Account(cmd.Context(), self)
	if err != nil {
		return err
	}
	var best marketplace.Mandate
	for _, m := range account.Mandates {
		if m.Expiry.After(best.Expiry) {
			best = m
		}
	}
	if best.ID.IsZero() {
		return marketplace.Insufficient.Errorf("you have no mandate that the market has seen; open" +
			" one with `everseed wallet deposit AMOUNT --mandate 30d` and wait a minute")
	}
	*chosen = best.ID
	return nil
}

func (s *session) quoteCommand() *cobra.Command {
	var f termFlags
	cmd := &cobra.Command{
		Use:   "quote INFOHASH",
		Short: "What a bounty would cost and how much of it would be filled now",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, t, err := s.order(cmd, f, args[0])
			if err != nil {
				return err
			}
			q, err := c.Quote(cmd.Context(), t)
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), q, func(w io.Writer) error {
				return printQuote(w, q, t)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func printQuote(w io.Writer, q marketplace.Quote, t marketplace.BountyTerms) error {
	fmt.Fprintf(w, "at most %s BTT, %s of it fee\n%d offers meet your terms; %d of %d replicas"+
		" would be filled now\n", terminal.BTT(q.WorstCase), terminal.BTT(q.Fee),
		q.Eligible, q.Fillable, t.Replicas)
	if !q.BestAsk.IsZero() {
		fmt.Fprintf(w, "cheapest of them asks %s BTT per GiB-day; you bid %s\n",
			terminal.BTT(q.BestAsk), t.PriceMax)
	}
	for constraint, n := range q.Without {
		fmt.Fprintf(w, "without %s there would be %d\n", constraint, n)
	}
	if !q.Sufficient {
		fmt.Fprintln(w, "your free BTT in the vault or your mandate do not cover this yet")
	}
	return nil
}

func (s *session) postCommand() *cobra.Command {
	var f termFlags
	var once string
	cmd := &cobra.Command{
		Use:   "post INFOHASH",
		Short: "Post a bounty",
		Long: `Posts a keepalive bounty. The most that it can cost is reserved from your free BTT in the vault;
what is not earned by agents comes back. Prices are BTT per GiB-day and replica.

With --fund you pledge only a part, and the bounty opens when others have pledged the rest with
everseed bounty fund. All pay, and get back, pro rata to their pledges.

Posting is safe to repeat with the same --once: the market then answers with the first bounty.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, t, err := s.order(cmd, f, args[0])
			if err != nil {
				return err
			}
			b, err := c.PostBounty(cmd.Context(), or(once, uuid.NewString()), t)
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), b, func(w io.Writer) error {
				fmt.Fprintf(w, "bounty %d is %s: %d replicas of %s for %s at most %s BTT per GiB-day\n",
					b.ID, b.State, t.Replicas, b.Name, t.KeepFor, t.PriceMax)
				printFunding(w, b)
				return nil
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&once, "once", "", "any text; a repeat with the same text posts nothing new")
	return cmd
}

func (s *session) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "End a bounty",
		Long: `Ends a bounty. What no agent took is refunded at once and free; agents under lease are paid for
the notice that the market's rules give them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			c, _, err := s.trader(cmd)
			if err != nil {
				return err
			}
			b, err := c.CancelBounty(cmd.Context(), uuid.NewString(), id)
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), b, func(w io.Writer) error {
				fmt.Fprintf(w, "bounty %d is %s; %d agents still under notice\n", b.ID, b.State, b.Leased)
				return nil
			})
		},
	}
}

func parseID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, marketplace.Invalid.Errorf("%q is not an id like 17", text)
	}
	return id, nil
}
