package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/redeem"
	"github.com/everseed/everseed/marketplace"
	cheques "github.com/everseed/everseed/seederagent/purse"
)

func (s *session) chequeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cheque",
		Short: "Bring signed cheques to the vault",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(s.redeemCommand())
	return cmd
}

func (s *session) redeemCommand() *cobra.Command {
	var options redeem.Options
	var vault, token string
	cmd := &cobra.Command{
		Use:   "redeem FILE...",
		Short: "Redeem signed cheques from files",
		Long: `Redeems signed cheques on TRON: files of an agent's purse, or cheques as the market's API gives
them (GET /v1/cheques). A cheque pays its payee whoever brings it; your key pays the fee.

A purse's file says where its vault is. For others give --vault and --token; without them the
market is asked. Each transaction is written down beside its file before it is sent, and the next
run carries on with it.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := s.wallet()
			if err != nil {
				return err
			}
			at, err := place(vault, token)
			if err != nil {
				return err
			}
			var held []cheques.Held
			for _, path := range args {
				h, err := cheques.Read(path)
				if err != nil {
					return err
				}
				if h.Place.Vault.IsZero() || !at.Vault.IsZero() {
					if h.Place, err = s.placeOf(cmd, at); err != nil {
						return fmt.Errorf("%s does not say where its vault is: %w", path, err)
					}
				}
				held = append(held, h)
			}
			options.TRON, options.APIKey = s.tron, s.getenv(apiKeyVariable)
			options.JSON = s.json
			return options.Run(cmd, s.getenv, key, held)
		},
	}
	cmd.Flags().StringVar(&vault, "vault", "", "the vault's address, if no file says it")
	cmd.Flags().StringVar(&token, "token", "", "its token's address")
	options.Flags(cmd)
	return cmd
}

// place is where --vault and --token say that the cheques are redeemed, if they do.
func place(vault, token string) (at cheques.Place, err error) {
	if vault == "" && token == "" {
		return at, nil
	}
	if at.Vault, err = marketplace.ParseAddress(vault); err != nil {
		return at, marketplace.Invalid.Errorf("--vault: %v", err)
	}
	if at.Token, err = marketplace.ParseAddress(token); err != nil {
		return at, marketplace.Invalid.Errorf("--token: %v", err)
	}
	return at, nil
}

// placeOf asks the market where its vault is, unless that is known.
func (s *session) placeOf(cmd *cobra.Command, at cheques.Place) (cheques.Place, error) {
	if !at.Vault.IsZero() {
		return at, nil
	}
	info, err := s.visitor().Rules(cmd.Context())
	if err != nil {
		return at, fmt.Errorf("ask %s, or give --vault and --token: %w", s.market, err)
	}
	return cheques.Place{ChainID: info.ChainID, Vault: info.Vault, Token: info.Token}, nil
}
