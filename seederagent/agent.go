package seederagent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/seederagent/purse"
	"github.com/everseed/everseed/seederagent/swarm"
)

// stepEvery bounds how long the agent may be out of step when no event wakes it.
const stepEvery = 5 * time.Second

// An Agent is the daemon. Its fields are set before Run and not changed after.
type Agent struct {
	Config Config
	Key    escrow.Key
	Market *client.Client
	Engine *swarm.Engine
	Vault  *escrow.Vault        // nil: posters' mandates are taken on the market's word
	Canary marketplace.Canaries // without a secret: the agent is none
	Log    *slog.Logger

	info  marketplace.MarketInfo
	purse *purse.Purse
	state status

	doorman doorman
	roll    roll
	porter  *porter
	lent    lent
	work    sync.WaitGroup // that Run began beside its loop
}

// Run serves until ctx is done. It starts seeding what is on disk before it asks the market for
// anything, so that a market that is down costs no seeding.
func (a *Agent) Run(ctx context.Context) error {
	a.doorman, a.porter = newDoorman(), newPorter()
	defer a.work.Wait()
	if err := a.lent.open(a.Config.Dir); err != nil {
		return err
	}
	if a.Canary.On() { // until the market's rules say which epoch this is
		a.Engine.Hush(true)
	}
	if err := a.Engine.Resume(ctx); err != nil {
		return fmt.Errorf("resume torrents: %w", err)
	}
	if err := a.join(ctx); err != nil {
		return err
	}
	if a.Canary.On() {
		defer a.sing(ctx)()
	}
	if a.info.Rules.Quiet > 0 { // a market that has quiet windows, and we are in
		a.Engine.Admit(a.quiet)
	}
	wake := a.listen(ctx)
	tick := time.NewTicker(min(stepEvery, a.info.Rules.AcceptDeadline.Duration()/4))
	defer tick.Stop()
	for {
		_, err := a.Step(ctx, time.Now())
		a.note(err)
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-tick.C:
		}
	}
}

// join signs in and puts up the offer, trying until the market answers.
func (a *Agent) join(ctx context.Context) error {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := a.enter(ctx)
		var refusal *marketplace.Error
		if err == nil || ctx.Err() != nil {
			return err
		}
		if errors.As(err, &refusal) && !errors.Is(err, marketplace.Unavailable) &&
			!errors.Is(err, marketplace.TooMany) {
			return fmt.Errorf("the market refused: %w", err)
		}
		a.note(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (a *Agent) enter(ctx context.Context) error {
	info, err := a.Market.Rules(ctx)
	if err != nil {
		return fmt.Errorf("read the market's rules: %w", err)
	}
	a.info = info
	if a.purse, err = purse.Open(a.Config.Purse(), purse.Place{ChainID: info.ChainID,
		Vault: info.Vault, Token: info.Token, TRON: a.Config.TronGRPC}); err != nil {
		return err
	}
	if err := a.Market.Login(ctx, a.Key); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	terms := a.Config.Offer(a.Key.Address(), a.Engine.Complete())
	if err := terms.Check(info.Rules); err != nil {
		return err
	}
	offer, err := a.Market.PutOffer(ctx, terms)
	if err != nil {
		return fmt.Errorf("put up the offer: %w", err)
	}
	a.state.setOffer(offer, time.Now())
	a.Log.InfoContext(ctx, "offer is up", "offer", offer.ID, "agent", offer.Agent,
		"price", terms.PriceMin, "storage", terms.Storage, "peer", terms.Peer)
	return nil
}

// listen turns the market's events about this agent into wake-ups, opens to who knocks, and carries visits.
func (a *Agent) listen(ctx context.Context) <-chan struct{} {
	wake := make(chan struct{}, 1)
	a.work.Go(func() {
		for e := range a.Market.Stream(ctx, a.Key.Address(), "") {
			switch e.Kind {
			case marketplace.KnockKind:
				a.open(ctx, e)
			case marketplace.CarryKind:
				a.lend(ctx, e)
			default:
				select {
				case wake <- struct{}{}:
				default:
				}
			}
		}
	})
	return wake
}

// Step makes the machine agree with its leases and returns how many it moved.
func (a *Agent) Step(ctx context.Context, now time.Time) (int, error) {
	leases, err := a.Market.LiveLeases(ctx, a.Key.Address())
	if errors.Is(err, marketplace.Unauthorized) {
		err = a.Market.Login(ctx, a.Key)
	}
	if err != nil {
		return 0, fmt.Errorf("read my leases: %w", err)
	}
	moved := 0
	var errs []error
	for _, l := range leases {
		ok, err := a.advance(ctx, l, leases)
		if err != nil {
			errs = append(errs, fmt.Errorf("lease %d: %w", l.ID, err))
		}
		if ok {
			moved++
		}
	}
	errs = append(errs, a.release(ctx, leases), a.collect(ctx), a.look(ctx, now),
		a.callRoll(ctx, now, a.info.Rules.Epoch.Duration()))
	a.state.set(leases, now)
	return moved, errors.Join(errs...)
}

// look reads what the market thinks of this agent, about six times an epoch: it changes with epochs.
func (a *Agent) look(ctx context.Context, now time.Time) error {
	id, due := a.state.lookDue(now.Add(-a.info.Rules.Epoch.Duration() / 6))
	if !due {
		return nil
	}
	offer, err := a.Market.Offer(ctx, id)
	if err != nil {
		return fmt.Errorf("read my standing: %w", err)
	}
	a.state.setOffer(offer, now)
	return nil
}

// advance moves one lease a step on, if there is one to take.
func (a *Agent) advance(
	ctx context.Context, l marketplace.Lease, all []marketplace.Lease,
) (bool, error) {
	switch l.State {
	case marketplace.Reserved:
		return true, a.answer(ctx, l, all)
	case marketplace.Fetching:
		return a.fetch(ctx, l)
	default: // proving, active, grace: be there
		_, err := a.hold(ctx, l)
		return false, err
	}
}

// answer accepts a lease or declines it with the reason.
func (a *Agent) answer(ctx context.Context, l marketplace.Lease, all []marketplace.Lease) error {
	why := a.refuse(ctx, l, all)
	if why == nil {
		if _, err := a.Market.Accept(ctx, l.ID); err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		a.Log.InfoContext(ctx, "lease accepted", "lease", l.ID, "infohash", l.Infohash,
			"price", l.Price, "bytes", l.Size)
		_, err := a.hold(ctx, l)
		return err
	}
	var refusal *marketplace.Error
	if !errors.As(why, &refusal) {
		return why // could not find out; the lease waits for the next step
	}
	a.Log.InfoContext(ctx, "lease declined", "lease", l.ID, "infohash", l.Infohash, "why", why)
	if _, err := a.Market.Decline(ctx, l.ID, why.Error()); err != nil {
		return fmt.Errorf("decline: %w", err)
	}
	return nil
}

func (a *Agent) refuse(ctx context.Context, l marketplace.Lease, all []marketplace.Lease) error {
	var used int64
	for _, other := range all {
		if other.ID != l.ID && other.State != marketplace.Reserved {
			used += other.Size
		}
	}
	free, err := a.Engine.DiskFree()
	if err != nil {
		return fmt.Errorf("ask how much disk is free: %w", err)
	}
	if err := a.Config.Refuse(l, a.info.Rules, used, free); err != nil {
		return err
	}
	return a.checkMandates(ctx, l)
}

// fetch gets the torrent's data and says so when every piece is verified.
func (a *Agent) fetch(ctx context.Context, l marketplace.Lease) (bool, error) {
	whole, err := a.hold(ctx, l)
	if err != nil || !whole {
		return false, err
	}
	root, known, err := a.rootOf(ctx, l)
	if err != nil || !known {
		return false, err
	}
	if _, err := a.Market.Ready(ctx, l.ID, root); err != nil {
		return false, fmt.Errorf("say ready: %w", err)
	}
	a.Log.InfoContext(ctx, "torrent verified", "lease", l.ID, "infohash", l.Infohash)
	return true, nil
}

// rootWait is how long a step waits for a torrent's root, which is known at once unless it must be read anew.
const rootWait = time.Second

// rootOf returns what to commit to. When it is not known yet, a later step says ready.
func (a *Agent) rootOf(ctx context.Context, l marketplace.Lease) (
	root marketplace.Hash, known bool, err error,
) {
	within, stop := context.WithTimeout(ctx, rootWait)
	defer stop()
	root, err = a.Engine.Root(within, l.Infohash)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return root, false, nil
	}
	return root, err == nil, err
}

// hold makes sure that the torrent is in the engine, with the other replicas as peers, and
// reports whether all of it is here and verified.
func (a *Agent) hold(ctx context.Context, l marketplace.Lease) (bool, error) {
	if s, ok := a.Engine.Status(l.Infohash); ok && s.Complete {
		return true, nil
	}
	peers, err := a.replicas(ctx, l)
	if err != nil {
		return false, err
	}
	if _, ok := a.Engine.Status(l.Infohash); ok {
		return false, a.Engine.AddPeers(l.Infohash, peers)
	}
	raw, err := a.Market.Metainfo(ctx, l.Infohash)
	if err != nil {
		return false, fmt.Errorf("get metainfo: %w", err)
	}
	if err := a.Engine.Add(l.Infohash, raw, peers); err != nil {
		return false, fmt.Errorf("start torrent: %w", err)
	}
	return false, nil
}

// replicas returns where the bounty's other agents serve.
func (a *Agent) replicas(ctx context.Context, l marketplace.Lease) ([]netip.AddrPort, error) {
	others, err := a.Market.LeasesOf(ctx, l.Bounty)
	if err != nil {
		return nil, fmt.Errorf("read the bounty's leases: %w", err)
	}
	var peers []netip.AddrPort
	for _, o := range others {
		ap, err := netip.ParseAddrPort(o.Peer)
		switch {
		case err != nil || o.Agent == l.Agent || !o.State.Live():
		case ap.Port() == 0:
			a.knock(ctx, o, time.Now())
		default:
			peers = append(peers, ap)
		}
	}
	return peers, nil
}

// release drops torrents that no live lease holds, with their data.
func (a *Agent) release(ctx context.Context, leases []marketplace.Lease) error {
	held := map[marketplace.Infohash]bool{}
	for _, l := range leases {
		held[l.Infohash] = true
	}
	for _, h := range a.Engine.Torrents() {
		if held[h] {
			continue
		}
		if err := a.Engine.Remove(h); err != nil {
			return fmt.Errorf("drop torrent %s: %w", h, err)
		}
		a.Log.InfoContext(ctx, "torrent dropped: no lease holds it", "infohash", h)
	}
	return nil
}

// collect puts new signed cheques into the purse.
func (a *Agent) collect(ctx context.Context) error {
	payee := a.Config.Offer(a.Key.Address(), nil).Payee
	cheques, err := a.Market.ChequesTo(ctx, payee)
	if err != nil {
		return fmt.Errorf("read my cheques: %w", err)
	}
	kept, err := a.purse.Collect(cheques, func(c marketplace.Cheque) (marketplace.Mandate, error) {
		return a.mandate(ctx, c)
	})
	for _, sc := range kept {
		a.Log.InfoContext(ctx, "cheque kept", "cheque", sc.ID, "amount", sc.Cheque.Cumulative, "from",
			sc.Cheque.From)
	}
	return err
}

// mandate reads who may sign: from the chain if the agent has a node, else from the market.
func (a *Agent) mandate(
	ctx context.Context, c marketplace.Cheque,
) (marketplace.Mandate, error) {
	if a.Vault != nil {
		m, err := a.Vault.MandateOf(ctx, c.From, c.Mandate)
		if err != nil {
			return m, fmt.Errorf("read mandate: %w", err)
		}
		return m, nil
	}
	return a.Market.Mandate(ctx, c.From, c.Mandate)
}

// note keeps an error for the owner's status page and the log.
func (a *Agent) note(err error) {
	a.state.setErr(err)
	if err != nil && !errors.Is(err, context.Canceled) {
		a.Log.Info("step went wrong; trying again", "err", err)
	}
}
