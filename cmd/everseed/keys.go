package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

func (s *session) newCommand() *cobra.Command {
	var bare bool
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a key, unless there is one",
		Long: `Makes a key and writes it to the file of --key, encrypted under a passphrase that you type: a
keystore, version 3, which other wallets can read too. Without a keyboard the passphrase comes from
EVERSEED_PASSPHRASE, or from the file that EVERSEED_PASSPHRASE_FILE names.

With --no-passphrase the file holds the bare key. That is for daemons, which must start when
nobody is there; whoever reads the file has the money.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(s.key); err == nil {
				key, err := terminal.Key(nothing, "", s.key, "")
				if err != nil {
					key, err = s.wallet()
				}
				if err != nil {
					return err
				}
				return s.kept(cmd, key)
			}
			key, err := escrow.NewKey()
			if err != nil {
				return err
			}
			return s.keep(cmd, key, bare)
		},
	}
	cmd.Flags().BoolVar(&bare, "no-passphrase", false, "do not encrypt the file")
	return cmd
}

func nothing(string) string { return "" }

func (s *session) importCommand() *cobra.Command {
	var bare bool
	var index uint32
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Take a key from another wallet",
		Long: `Reads a key and writes it to the file of --key, as ` + "`everseed wallet new`" + ` does. What is
read is one of

  64 hex digits, a private key
  12 to 24 words, a mnemonic; --index says which of its accounts (path m/44'/195'/0'/0/INDEX)
  a keystore in JSON, as TronLink exports it; its passphrase also guards the new file

It is typed at a prompt that does not show it, or comes through stdin. It is never an argument:
other users of the machine could see it there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := terminal.ReadSecret(cmd.InOrStdin(), "Key, mnemonic or keystore (not shown): ")
			if err != nil {
				return err
			}
			key, err := terminal.ReadKey(s.getenv, text, index)
			if err != nil {
				return err
			}
			return s.keep(cmd, key, bare)
		},
	}
	cmd.Flags().Uint32Var(&index, "index", 0, "which account of a mnemonic")
	cmd.Flags().BoolVar(&bare, "no-passphrase", false, "do not encrypt the file")
	return cmd
}

func (s *session) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print the bare private key, for another wallet",
		Long: `Prints the private key as 64 hex digits on stdout. Whoever sees them has the money, for ever. To
keep a copy, copy the file of --key instead: it is encrypted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := s.wallet()
			if err != nil {
				return err
			}
			cmd.PrintErrf("warning: whoever sees the next line has all the money of %s, for ever\n",
				key.Address())
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Hex())
			return err
		},
	}
}

// keep writes a key to the file of --key.
func (s *session) keep(cmd *cobra.Command, key escrow.Key, bare bool) error {
	if _, err := os.Stat(s.key); err == nil {
		return marketplace.Conflict.Errorf("%s is there already; name another file with --key", s.key)
	}
	passphrase := ""
	if !bare {
		var err error
		if passphrase, err = terminal.NewPassphrase(s.getenv); err != nil {
			return err
		}
	}
	if err := terminal.KeepKey(s.key, key, passphrase); err != nil {
		return err
	}
	return s.kept(cmd, key)
}

// kept says where a key is.
func (s *session) kept(cmd *cobra.Command, key escrow.Key) error {
	out := map[string]string{"address": key.Address().String(), "file": s.key}
	return s.show(cmd.OutOrStdout(), out, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "address %s\nkey     %s (who loses this file or its passphrase loses the"+
			" money; keep a copy)\n", key.Address(), s.key)
		return err
	})
}
