package audit

import (
	"context"
	"errors"

	"github.com/everseed/everseed/marketplace"
)

// errShut says that nobody can come to our own door: nothing of an agent that did not.
var errShut = errors.New("the market cannot connect to where we listen; see --listen and --public-address")

// Reached asks somebody outside whether a door of the lobby can be reached.
func (l *Lobby) Reached(ctx context.Context,
	ask func(ctx context.Context, address string) (bool, error)) (bool, error) {
	door, err := l.open(ctx)
	if err != nil {
		return false, err
	}
	reached, err := ask(ctx, l.told(door))
	return reached, errors.Join(err, door.Close())
}

// A threshold is what is known of our own door in an epoch.
type threshold struct {
	epoch int64
	shut  bool
}

// excused corrects what was found of an agent that we knocked for. That nobody came may be our own
// fault: a router that passes nothing on to us would let every such agent seem to be away. So before
// an epoch's first one is called unreachable, the market tries to connect to us as an agent would. Where
// it cannot say, the agent is what it seems to be.
func (a *Auditor) excused(ctx context.Context, epoch int64, f Finding) Finding {
	switch f.Outcome {
	case marketplace.AuditorFault:
		return f
	case marketplace.Unreachable:
	default: // it came
		a.setDoor(threshold{epoch, false})
		return f
	}
	if a.shut(ctx, epoch) {
		f.Outcome, f.Err, f.Answers = marketplace.AuditorFault, errors.Join(errShut, f.Err), nil
	}
	return f
}

// shut says whether nobody can come to our door, and has it tried if that is not known in an epoch.
func (a *Auditor) shut(ctx context.Context, epoch int64) bool {
	a.mu.Lock()
	known := a.door
	a.mu.Unlock()
	if known.epoch != epoch {
		reached, err := a.Lobby.Reached(ctx, a.Market.Reach)
		if err != nil {
			return false
		}
		known = threshold{epoch, !reached}
		a.setDoor(known)
	}
	return known.shut
}

// knownShut says whether it is known already that nobody can come.
func (a *Auditor) knownShut(epoch int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.door == threshold{epoch, true}
}

func (a *Auditor) setDoor(is threshold) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.door = is
}
