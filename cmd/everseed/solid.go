package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace/escrow"
)

// solidWith is how many blocks make a transaction solid on TRON, its own among them: 19 of the 27
// witnesses have then built on it.
const solidWith = 19

// awaitSolid waits until a transaction is solid. On a screen it counts the blocks.
func (v purse) awaitSolid(cmd *cobra.Command, what string, tx escrow.Staged) (escrow.Receipt, error) {
	ctx, stop := context.WithCancel(cmd.Context())
	counted := make(chan struct{})
	go func() {
		defer close(counted)
		if w := cmd.ErrOrStderr(); terminal.IsTerminal(w) {
			v.count(ctx, w, what, tx)
		}
	}()
	r, err := v.Await(ctx, tx, true)
	stop()
	<-counted
	return r, err
}

// count writes how many blocks there are since the transaction's, until ctx is done. What cannot be
// read is left out: it is only to look at.
func (v purse) count(ctx context.Context, w io.Writer, what string, tx escrow.Staged) {
	const clear = "\r\x1b[K"
	in, err := v.Await(ctx, tx, false)
	for err == nil && in.Block > 0 {
		head, failed := v.Head(ctx)
		if n := head.Number - in.Block + 1; failed == nil && n > 0 {
			fmt.Fprintf(w, clear+"%s: in block %d, %d of %d blocks", what, in.Block, min(n, solidWith), solidWith)
		}
		select {
		case <-ctx.Done():
			fmt.Fprint(w, clear)
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}
