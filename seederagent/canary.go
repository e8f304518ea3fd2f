package seederagent

import (
	"context"
	"sync"
	"time"
)

// sing lets a canary, which is silent when it starts, serve in the epochs that its secret does not draw,
// until ctx is done. It returns a function that waits for that.
func (a *Agent) sing(ctx context.Context) (wait func()) {
	var loop sync.WaitGroup
	loop.Go(func() {
		tick := time.NewTicker(max(10*time.Millisecond, min(a.info.Rules.Epoch.Duration()/100, time.Second)))
		defer tick.Stop()
		quiet := true
		for {
			if now := a.Canary.Quiet(a.info.Rules, a.Key.Address(), time.Now()); now != quiet {
				quiet = now
				a.Engine.Hush(quiet)
				a.Log.InfoContext(ctx, "canary changes", "quiet", quiet,
					"epoch", a.info.Rules.EpochAt(time.Now()))
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return loop.Wait
}
