package seederagent

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// An agent lends its line to auditors' visits to other agents (marketplace.Carry). Who asks is the
// market, and whom it leads to is an agent under lease; both could lie. So an auditor of the list must
// have signed, nothing passes but what begins as BitTorrent does (see hello.go), and what is lent a
// day is little (see lent.go).

// The bounds of carrying.
const (
	carriesMax  = 4               // at a time
	carriesRate = 2               // a second are looked at
	carryMax    = 5 * time.Minute // one takes, whatever the market's rules say
	linesMax    = 6               // connections of one carry to the auditor
	doorWithin  = 5 * time.Second // an auditor is connected to
	tokensMax   = 10_000          // are remembered
)

// A porter carries visits.
type porter struct {
	asked *rate.Limiter
	hands chan struct{} // holds one for each carry that is on

	mu     sync.Mutex                 // guards the field below
	tokens map[marketplace.Hash]int64 // epochs of those that were carried
}

func newPorter() *porter {
	return &porter{asked: rate.NewLimiter(carriesRate, 5*carriesRate),
		hands: make(chan struct{}, carriesMax), tokens: map[marketplace.Hash]int64{}}
}

// lend carries a visit, if all is well with it, and does not wait for that.
func (a *Agent) lend(ctx context.Context, e marketplace.Event) {
	var c marketplace.Carry
	if !a.porter.asked.Allow() || json.Unmarshal(e.Data, &c) != nil {
		return
	}
	refused := func(why error) {
		a.Log.InfoContext(ctx, "visit not carried", "lease", c.Lease, "auditor", c.Auditor, "err", why)
	}
	select {
	case a.porter.hands <- struct{}{}:
	default:
		refused(marketplace.TooMany.Errorf("%d are on already", carriesMax))
		return
	}
	a.work.Go(func() {
		defer func() { <-a.porter.hands }()
		if err := a.carry(ctx, c, time.Now()); err != nil {
			refused(err)
		}
	})
}

// carry carries a visit until it is over.
func (a *Agent) carry(ctx context.Context, c marketplace.Carry, now time.Time) error {
	v, err := a.checkCarry(ctx, c, now)
	if err != nil {
		return err
	}
	if err := a.lent.begin(now, int64(a.Config.Carry)); err != nil {
		return err
	}
	within, stop := context.WithTimeout(ctx, min(carryMax, a.info.Rules.ProbeTimeout.Duration()))
	defer stop()
	err = v.run(within)
	a.Log.InfoContext(ctx, "visit carried", "lease", c.Lease, "auditor", c.Auditor, "met", v.met.Load(),
		"bytes", v.passed.Load())
	if wrong := a.lent.end(v.passed.Load(), v.met.Load()); err == nil {
		err = wrong
	}
	return err
}

// checkCarry returns the visit that shall be carried, or says why it shall not. What costs most comes last.
func (a *Agent) checkCarry(ctx context.Context, c marketplace.Carry, now time.Time) (*visit, error) {
	if a.Config.Carry == 0 {
		return nil, marketplace.Forbidden.Errorf("my owner lends nothing")
	}
	k := a.info.Rules.EpochAt(now)
	if c.Epoch < k-1 || c.Epoch > k+1 { // clocks differ
		return nil, marketplace.Invalid.Errorf("carry is for epoch %d; this is %d", c.Epoch, k)
	}
	v := &visit{agent: a, token: c.Token}
	var err error
	if v.door, err = a.leadsTo(c.Door); err != nil {
		return nil, fmt.Errorf("the auditor's door: %w", err)
	}
	signer, err := escrow.RecoverText(c.Text(), c.Signature)
	if err != nil {
		return nil, err
	}
	if signer != c.Auditor {
		return nil, marketplace.Invalid.Errorf("carry of %s is signed by %s", c.Auditor, signer)
	}
	if err := a.checkAuditor(ctx, signer, now); err != nil {
		return nil, err
	}
	if err := a.porter.use(c.Token, c.Epoch, k); err != nil {
		return nil, err
	}
	v.lease, err = a.Market.Lease(ctx, c.Lease)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the lease: %w", err)
	case !v.lease.State.Live():
		return nil, marketplace.Conflict.Errorf("lease %d is %s", c.Lease, v.lease.State)
	case v.lease.Agent == a.Key.Address():
		return nil, marketplace.Invalid.Errorf("lease %d is my own", c.Lease)
	}
	if v.comes() {
		return v, nil
	}
	v.peer, err = a.leadsTo(v.lease.Peer)
	if err != nil {
		return nil, fmt.Errorf("the agent of lease %d: %w", c.Lease, err)
	}
	return v, nil
}

// leadsTo reads an address that we may connect to.
func (a *Agent) leadsTo(text string) (netip.AddrPort, error) {
	to, err := netip.ParseAddrPort(text)
	if err != nil {
		return to, marketplace.Invalid.Errorf("address %.60q is not ip:port", text)
	}
	return to, a.Engine.CheckPeer(to)
}

// use takes a token, which is good for one carry: else what an auditor signed once could be shown again.
func (p *porter) use(token marketplace.Hash, epoch, current int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t, of := range p.tokens {
		if of < current-1 {
			delete(p.tokens, t)
		}
	}
	if _, used := p.tokens[token]; used {
		return marketplace.Conflict.Errorf("this was carried already")
	}
	if len(p.tokens) == tokensMax {
		return marketplace.TooMany.Errorf("%d were carried in three epochs", tokensMax)
	}
	p.tokens[token] = epoch
	return nil
}

// A visit is a carry that is on.
type visit struct {
	agent *Agent
	token marketplace.Hash
	door  netip.AddrPort
	lease marketplace.Lease
	peer  netip.AddrPort // unless the agent comes by itself

	meter
}

// comes says whether nobody can connect to the visited agent.
func (v *visit) comes() bool {
	at, err := netip.ParseAddrPort(v.lease.Peer)
	return err == nil && at.Port() == 0
}

// run keeps a connection to the auditor open that waits for an order, until the auditor takes no more, and
// serves those that have one. It returns why not even one was.
func (v *visit) run(ctx context.Context) error {
	var lines sync.WaitGroup
	defer lines.Wait()
	for n := range linesMax {
		auditor, order, err := v.report(ctx)
		if err != nil && n == 0 {
			return fmt.Errorf("report to the auditor: %w", err)
		}
		if err != nil {
			return nil
		}
		lines.Go(func() { v.serve(ctx, auditor, order) })
	}
	return nil
}

// The auditor's orders: how the agent shall be met.
const (
	overTCP = 't'
	overUTP = 'u'
	awaited = 'w' // it comes to who knocks

	metAnswer    = '+'
	missedAnswer = '-'
)

// report connects to the auditor and returns its order.
func (v *visit) report(ctx context.Context) (auditor net.Conn, order byte, err error) {
	within, cancel := context.WithTimeout(ctx, doorWithin)
	defer cancel()
	if auditor, err = v.agent.Engine.Call(within, "tcp", v.door); err != nil {
		return nil, 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = auditor.Close() })()
	_, err = auditor.Write(v.token[:])
	if err == nil {
		order, err = readByte(auditor)
	}
	if err != nil {
		_ = auditor.Close()
	}
	return auditor, order, err
}

func readByte(c net.Conn) (byte, error) {
	var b [1]byte
	_, err := c.Read(b[:])
	return b[0], err
}

// serve follows an order.
func (v *visit) serve(ctx context.Context, auditor net.Conn, order byte) {
	defer auditor.Close()
	defer context.AfterFunc(ctx, func() { _ = auditor.Close() })()
	peer, err := v.meet(ctx, order)
	if err != nil {
		v.agent.Log.DebugContext(ctx, "agent not met", "lease", v.lease.ID, "order", string(order), "err", err)
		_, _ = auditor.Write([]byte{missedAnswer}) // it may be gone
		return
	}
	defer peer.Close()
	defer context.AfterFunc(ctx, func() { _ = peer.Close() })()
	v.met.Store(true)
	if _, err := auditor.Write([]byte{metAnswer}); err != nil {
		return
	}
	if order != awaited { // else it was heard already
		if err := v.greet(auditor, peer, v.lease.Infohash); err != nil {
			v.agent.Log.InfoContext(ctx, "carried visit broken off", "lease", v.lease.ID, "err", err)
			return
		}
	}
	v.pass(auditor, peer)
}

// meet connects to the visited agent, as the order says.
func (v *visit) meet(ctx context.Context, order byte) (net.Conn, error) {
	switch {
	case order == awaited:
		return v.await(ctx)
	case v.comes():
		return nil, marketplace.Invalid.Errorf("nobody can connect to the agent")
	case order == overTCP:
		return v.agent.Engine.Call(ctx, "tcp", v.peer)
	case order == overUTP:
		return v.agent.Engine.Call(ctx, "utp", v.peer)
	default:
		return nil, marketplace.Invalid.Errorf("no such order")
	}
}

// await knocks for the visited agent until it comes.
func (v *visit) await(ctx context.Context) (net.Conn, error) {
	if v.agent.Config.Peer == "" {
		return nil, marketplace.Invalid.Errorf("nobody can connect to me either")
	}
	var knocking sync.WaitGroup
	defer knocking.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	came, err := v.agent.Engine.Expect(ctx, v.lease.Infohash)
	if err != nil {
		return nil, err
	}
	refused := make(chan error, 1)
	knocking.Go(func() { refused <- v.knock(ctx) })
	select {
	case c, ok := <-came:
		if !ok {
			return nil, net.ErrClosed
		}
		return c, nil
	case err := <-refused:
		return nil, err
	}
}

// knock repeats a knock, as an auditor does, until ctx is done or the market refuses.
func (v *visit) knock(ctx context.Context) error {
	k := marketplace.Knock{Infohash: v.lease.Infohash, Agent: v.lease.Agent, Address: v.agent.Config.Peer}
	ends, _ := ctx.Deadline()
	every := max(time.Until(ends)/3, time.Millisecond)
	for {
		if err := v.agent.Market.Knock(ctx, k); err != nil {
			return fmt.Errorf("knock: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}
