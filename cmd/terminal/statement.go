package terminal

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

// statement is what the flags of StatementCommand say.
type statement struct {
	since, until string
	filter       client.StatementFilter
	csv, json    bool
}

// StatementCommand shows the ledger's lines of an account: the one that is named, else the caller's
// own. Where the market is and whose the account is are asked when the command runs.
func StatementCommand(
	market func() (*client.Client, error), own func() (marketplace.Address, error),
) *cobra.Command {
	s := &statement{}
	cmd := &cobra.Command{
		Use:   "statement [ADDRESS]",
		Short: "Every movement of your money in the market's ledger",
		Long: `Shows the lines of the market's ledger that touch an account, newest first, each with the balance
after it. It is public: any address can be asked for. --csv writes all lines for a spreadsheet, with
a header that keeps its names and their order.

  --since and --until take a day (2026-01-31), a moment (2026-01-31T12:00:00Z) or a length of time
  ago (30d).`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := named(args, own)
			if err != nil {
				return err
			}
			c, err := market()
			if err != nil {
				return err
			}
			return s.print(cmd, c, who)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.since, "since", "", "only lines from then on")
	f.StringVar(&s.until, "until", "", "only lines before then")
	f.StringVar(&s.filter.Account, "account", "", "only accounts of a kind: free, reserved, payable,"+
		" holdback")
	f.StringVar(&s.filter.Code, "code", "", "only lines with a code, like deposit or accrue")
	f.IntVar(&s.filter.Most, "most", 50, "newest lines at most; --csv writes all")
	f.BoolVar(&s.csv, "csv", false, "write all lines as CSV")
	f.BoolVar(&s.json, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("csv", "json")
	return cmd
}

func named(args []string, own func() (marketplace.Address, error)) (marketplace.Address, error) {
	if len(args) == 0 {
		return own()
	}
	return marketplace.ParseAddress(args[0])
}

func (s *statement) print(cmd *cobra.Command, c *client.Client, who marketplace.Address) error {
	f, err := s.filter, error(nil)
	now := time.Now()
	if f.Since, err = moment("since", s.since, now); err != nil {
		return err
	}
	if f.Until, err = moment("until", s.until, now); err != nil {
		return err
	}
	if f.Most < 1 {
		return marketplace.Invalid.Errorf("--most: at least 1")
	}
	if s.csv {
		return c.StatementCSV(cmd.Context(), who, f, cmd.OutOrStdout())
	}
	lines, err := c.Statement(cmd.Context(), who, f)
	if err != nil {
		return err
	}
	if s.json {
		return JSON(cmd.OutOrStdout(), lines)
	}
	return drawStatement(cmd.OutOrStdout(), lines)
}

func drawStatement(w io.Writer, lines []marketplace.StatementLine) error {
	t := Table{Header: []string{"WHEN", "WHAT", "ACCOUNT", ">IN", ">OUT", ">BALANCE", ">BOUNTY",
		">LEASE"}}
	for _, l := range lines {
		t.Add(l.At.Local().Format(time.DateTime), l.Code, l.Account, orDash(l.In), orDash(l.Out),
			BTT(l.Balance), number(l.Bounty), number(l.Lease))
	}
	return t.Write(w)
}

func orDash(a marketplace.Amount) string {
	if a.IsZero() {
		return ""
	}
	return BTT(a)
}

func number(id int64) any {
	if id == 0 {
		return ""
	}
	return id
}

// moment reads a day, a moment or a length of time before now.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	var ago marketplace.Span
	if err := ago.UnmarshalText([]byte(text)); err != nil {
		return time.Time{}, marketplace.Invalid.Errorf("--%s: %q is no day like 2026-01-31, no moment"+
			" like 2026-01-31T12:00:00Z and no length of time like 30d", flag, text)
	}
	return now.Add(-ago.Duration()), nil
}
