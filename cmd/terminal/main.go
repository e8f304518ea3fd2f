package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/everseed/everseed/marketplace"
)

// Exit statuses beyond 0 and 1.
const (
	exitUsage       = 2 // the command line or a configuration is wrong
	exitUnavailable = 69
)

// Main runs a command until it is done or the process is told to stop, and returns the exit status.
func Main(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return marketplace.Invalid.Errorf("%v\nSee `%s --help`.", err, c.CommandPath())
	})
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	Complain(root.ErrOrStderr(), err)
	switch {
	case errors.Is(err, marketplace.Invalid):
		return exitUsage
	case errors.Is(err, marketplace.Unavailable):
		return exitUnavailable
	default:
		return 1
	}
}

// Complain writes an error for a person: each refusal on a line of its own.
func Complain(w io.Writer, err error) {
	refusals := marketplace.Refusals(err)
	if len(refusals) < 2 {
		fmt.Fprintln(w, "error:", err)
		return
	}
	for _, r := range refusals {
		fmt.Fprintln(w, "error:", r)
	}
}

// IsTerminal says whether w is a screen that a person looks at.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// Log returns a logger: lines for a person on a terminal, JSON elsewhere.
func Log(w io.Writer) *slog.Logger {
	if IsTerminal(w) {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}
