package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent"
)

func (s *session) torrentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "torrent",
		Short: "Make .torrent files and register them with the market",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(s.addCommand(), s.makeCommand())
	return cmd
}

func (s *session) addCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "add FILE.torrent",
		Short: "Register a torrent, so that bounties can name it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := os.ReadFile(args[0])
			if err != nil {
				return marketplace.Invalid.Errorf("read torrent: %v", err)
			}
			if _, err := metainfo.Parse(raw, metainfo.DefaultLimits()); err != nil {
				return err
			}
			c, _, err := s.trader(cmd)
			if err != nil {
				return err
			}
			t, err := c.AddTorrent(cmd.Context(), raw)
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), t, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s  %s (%s, %d files, %d pieces)\n", t.Infohash, t.Name,
					seederagent.Size(t.Size), t.Files, t.Pieces)
				return err
			})
		},
	}
}

func (s *session) makeCommand() *cobra.Command {
	var out, format string
	var trackers []string
	cmd := &cobra.Command{
		Use:   "make PATH",
		Short: "Make a .torrent file for a file or folder",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := metainfo.Format(format).Build(cmd.Context(), args[0], 0, trackers)
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, raw, 0o600); err != nil {
				return fmt.Errorf("write torrent: %w", err)
			}
			t, err := metainfo.Parse(raw, metainfo.DefaultLimits())
			if err != nil {
				return err
			}
			cmd.Printf("%s  %s\n", t.Infohash, out)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "out.torrent", "file to write")
	cmd.Flags().StringVar(&format, "format", string(metainfo.V1), "v1, v2 or hybrid")
	cmd.Flags().StringSliceVar(&trackers, "tracker", nil, "announce address; may be repeated")
	return cmd
}

func (s *session) marketCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "market",
		Short: "Look at the market: offers, calls, solvency",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(s.offersCommand(), s.agentCommand(), s.callsCommand(), s.solvencyCommand())
	return cmd
}

func (s *session) offersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "offers",
		Short: "What agents sell",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			offers, err := s.visitor().Offers(cmd.Context())
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), offers, func(w io.Writer) error {
				t := terminal.Table{Header: []string{">OFFER", "AGENT", "STATE", "STANDING",
					">PRICE MIN", ">FREE", ">LEASES", "REGION"}}
				for _, o := range offers {
					t.Add(o.ID, o.Agent, o.State, o.Standing, o.Terms.PriceMin,
						seederagent.Size(o.Terms.Storage-o.Used), o.Leases, o.Terms.Region)
				}
				return t.Write(w)
			})
		},
	}
}

func (s *session) agentCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "agent ADDRESS",
		Short: "How an agent stands, why, and what it keeps",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var who marketplace.Address
			if err := who.UnmarshalText([]byte(args[0])); err != nil {
				return err
			}
			offers, err := s.visitor().Offers(cmd.Context())
			if err != nil {
				return err
			}
			i := slices.IndexFunc(offers, func(o marketplace.Offer) bool { return o.Agent == who })
			if i < 0 {
				return marketplace.NotFound.Errorf("%s has no offer among the newest %d", who, len(offers))
			}
			return s.show(cmd.OutOrStdout(), offers[i], func(w io.Writer) error {
				o := offers[i]
				fmt.Fprintf(w, "offer %d of %s: %s, asks %s BTT per GiB-day, %s free, %d leases\n", o.ID, who,
					o.State, o.Terms.PriceMin, seederagent.Size(o.Terms.Storage-o.Used), o.Leases)
				terminal.PrintStanding(w, o)
				return nil
			})
		},
	}
}

func (s *session) callsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "calls",
		Short: "The matcher's last calls and their clearing prices",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			calls, err := s.visitor().Calls(cmd.Context())
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), calls, func(w io.Writer) error {
				t := terminal.Table{Header: []string{">CALL", "AT", ">BOUNTIES", ">OFFERS", ">FILLS",
					"CLEARED"}}
				for _, c := range calls {
					var cleared string
					for _, p := range c.Clearings {
						cleared += fmt.Sprintf("%d at %s ", p.Replicas, p.Price)
					}
					for _, f := range c.Fills {
						if f.Replaces != 0 {
							cleared += fmt.Sprintf("(bounty %d: lease %d %s) ", f.Bounty, f.Replaces, f.Why)
						}
					}
					t.Add(c.ID, when(c.At), c.Bounties, c.Offers, len(c.Fills), cleared)
				}
				return t.Write(w)
			})
		},
	}
}

func (s *session) solvencyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "solvency",
		Short: "What the market owes against what the vault holds",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sol, err := s.visitor().Solvency(cmd.Context())
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), sol, func(w io.Writer) error {
				t := terminal.Table{Header: []string{"AT SOLID BLOCK " + fmt.Sprint(sol.Block), ">BTT"}}
				t.Add("vault, on chain", terminal.BTT(sol.Vault))
				t.Add("vault, in the ledger", terminal.BTT(sol.Ledger))
				t.Add("  free", terminal.BTT(sol.Free))
				t.Add("  reserved", terminal.BTT(sol.Reserved))
				t.Add("  payable", terminal.BTT(sol.Payable))
				t.Add("  held back", terminal.BTT(sol.Held))
				if err := t.Write(w); err != nil {
					return err
				}
				if sol.Difference != "" {
					_, err = fmt.Fprintln(w, "DIFFERENCE:", sol.Difference)
				}
				return err
			})
		},
	}
}

func (s *session) watchCommand() *cobra.Command {
	var mine bool
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print what happens on the market as it happens",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var who marketplace.Address
			if mine {
				key, err := s.wallet()
				if err != nil {
					return err
				}
				who = key.Address()
			}
			for e := range s.visitor().Stream(cmd.Context(), who, "") {
				if s.json {
					if err := terminal.JSON(cmd.OutOrStdout(), e); err != nil {
						return err
					}
					continue
				}
				cmd.Printf("%s  %-18s %d\n", e.At.Local().Format("15:04:05"), e.Kind, e.Thing)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&mine, "mine", false, "only what concerns your wallet")
	return cmd
}
