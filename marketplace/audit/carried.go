package audit

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A visit that is carried comes by another agent's line, so that who is visited sees the address of a
// home that it never saw, as it does when somebody downloads. The carrier connects to our door, because
// it may sit behind a router: it shows the token of the carry and waits for an order, which is one byte.
// When it has done as it was told it says so, and passes on what both sides send. It opens the next
// connection to the door as soon as one has its order.
const (
	orderTCP  = 't' // connect to the agent over TCP
	orderUTP  = 'u' // ... over uTP
	orderWait = 'w' // have the agent come, as who knocks for it does
	obeyed    = '+'
)

var orders = map[transport]byte{overTCP: orderTCP, overUTP: orderUTP}

// carriersMax is how many agents are asked for one try, if those before did not come.
const carriersMax = 3

var (
	errNoCarrier = errors.New("the carrier does not come")
	errUncalled  = errors.New("the carrier could not connect to the agent")
)

// probeCarried is a try by another agent's line. It is not ok where none is to be had.
func (a *Auditor) probeCarried(ctx context.Context, d *duty, peer netip.AddrPort, t *metainfo.Torrent) (
	f Finding, ok bool) {
	within := a.Rules.ProbeTimeout.Duration()
	for range carriersMax {
		if a.knownShut(d.epoch) {
			return f, false // it was said, and no carrier could come
		}
		r, err := a.board(ctx, d, within/5)
		if errors.Is(err, errNoCarrier) {
			if a.shut(ctx, d.epoch) {
				a.Log.ErrorContext(ctx, "visits are not carried in this epoch", "epoch", d.epoch, "err", errShut)
			}
			continue
		}
		if err != nil {
			a.Log.InfoContext(ctx, "visit is not carried", "lease", d.lease.ID, "err", err)
			return f, false
		}
		defer r.close()
		a.setDoor(threshold{d.epoch, false})
		first := transportOf(d.part.Seed, len(d.found.Tries), nil)
		f = probeBy(ctx, within, t, d.asks, nil, r.meeting(a.Guard, first, peer, t))
		f.Carrier = r.carrier
		return f, true
	}
	return f, false
}

// board has a carrier come.
func (a *Auditor) board(ctx context.Context, d *duty, within time.Duration) (_ *ride, err error) {
	door, err := a.Lobby.open(ctx)
	if err != nil {
		return nil, err
	}
	r := newRide(ctx, door)
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	carry := marketplace.Carry{Lease: d.lease.ID, Epoch: d.epoch, Auditor: a.Address,
		Door: a.Lobby.told(door), Token: r.token}
	if carry.Signature, err = a.Sign(carry.Text()); err != nil {
		return nil, err
	}
	found, err := a.Market.Carry(ctx, carry, d.wish())
	if err != nil {
		return nil, err
	}
	r.carrier, d.carriers = found.Agent, append(d.carriers, found.Agent)
	select {
	case <-r.came:
		return r, nil
	case <-time.After(within):
	case <-ctx.Done():
	}
	return nil, fmt.Errorf("%w: %s", errNoCarrier, r.carrier)
}

// wish says whose line a try shall come by. The second comes by the first one's, and the third by another,
// else three lines would be tried for one that the agent knows, or one carrier could fail the visit. A
// carrier that left, or that may have spoiled what came, does not come again.
func (d *duty) wish() marketplace.CarrierWish {
	w, by := marketplace.CarrierWish{Not: d.carriers}, d.found.Carriers
	if len(by) == 1 && slices.Equal(by, d.carriers) && d.found.Tries[0] != marketplace.AuditorFault && !d.doubted {
		w.Again = &by[0]
	}
	return w
}

// A ride is a carrier at our door.
type ride struct {
	carrier marketplace.Address
	token   marketplace.Hash
	door    net.Listener
	came    chan struct{} // closed when it came
	once    sync.Once
	waiting chan net.Conn   // for an order
	guests  chan struct{}   // holds one for each connection that has no order yet
	on      context.Context // until the ride is over
	end     context.CancelFunc
	inside  sync.WaitGroup
}

// guestsMax is how many connections wait at our door: a carrier needs one, and anybody may come there.
const guestsMax = 8

func newRide(ctx context.Context, door net.Listener) *ride {
	r := &ride{door: door, came: make(chan struct{}), waiting: make(chan net.Conn),
		guests: make(chan struct{}, guestsMax)}
	r.on, r.end = context.WithCancel(ctx)
	_, _ = rand.Read(r.token[:]) // it never fails
	r.inside.Go(r.receive)
	return r
}

// receive lets in who shows the token.
func (r *ride) receive() {
	for {
		c, err := r.door.Accept()
		if err != nil {
			return
		}
		select {
		case r.guests <- struct{}{}:
			r.inside.Go(func() {
				r.admit(c)
				<-r.guests
			})
		default:
			_ = c.Close() // there is no room for it
		}
	}
}

func (r *ride) admit(c net.Conn) {
	defer context.AfterFunc(r.on, func() { _ = c.Close() })()
	var shown marketplace.Hash
	_ = c.SetDeadline(time.Now().Add(handshakeMax)) // or reading says so
	if _, err := io.ReadFull(c, shown[:]); err != nil ||
		subtle.ConstantTimeCompare(shown[:], r.token[:]) != 1 {
		_ = c.Close() // a stranger
		return
	}
	r.once.Do(func() { close(r.came) })
	select {
	case r.waiting <- c:
	case <-r.on.Done():
		_ = c.Close()
	}
}

// close ends the ride and whatever waits at its door.
func (r *ride) close() {
	r.end()
	_ = r.door.Close()
	r.inside.Wait()
}

// leads says that carriers call over both transports.
func (r *ride) leads(transport) bool { return true }

// call has the carrier connect to the agent, of whose address it was told by the market.
func (r *ride) call(ctx context.Context, over transport, _ netip.AddrPort, deadline time.Time) (net.Conn, error) {
	return r.order(ctx, orders[over], deadline)
}

// order gives the carrier an order and returns the connection that it made.
func (r *ride) order(ctx context.Context, order byte, deadline time.Time) (net.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	var c net.Conn
	select {
	case c = <-r.waiting:
	case <-ctx.Done():
		return nil, errNoCarrier
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // wakes us
	defer stop()
	err := c.SetDeadline(deadline)
	if err == nil {
		_, err = c.Write([]byte{order})
	}
	answer := []byte{0}
	if err == nil {
		_, err = io.ReadFull(c, answer)
	}
	switch {
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded): // it left
		err = fmt.Errorf("%w: %w", errNoCarrier, err)
	case err == nil && answer[0] != obeyed:
		err = errUncalled
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// meeting gets to the agent by the carrier's line: it calls there, or, where nobody can, waits for it.
func (r *ride) meeting(guard metainfo.Guard, first transport, peer netip.AddrPort, t *metainfo.Torrent) meeting {
	return func(ctx context.Context, spent *atomic.Int64, deadline time.Time) (*wire, bool, error) {
		if peer.Port() != 0 {
			c := caller{guard: guard, by: r, first: first, peer: peer, t: t, spent: spent, deadline: deadline}
			w, err := c.greet(ctx)
			return w, c.connected, err
		}
		conn, err := r.order(ctx, orderWait, deadline)
		if err != nil {
			return nil, false, err
		}
		w, err := hail(ctx, meter{conn, spent}, peer.Addr(), t, time.Now().Add(min(time.Until(deadline), handshakeMax)))
		if err != nil {
			return nil, true, errors.Join(err, conn.Close())
		}
		return w, true, conn.SetDeadline(deadline)
	}
}

// doubt takes wrong bytes that came by one carrier for none: it may have spoiled them. What comes wrong by
// a second one, or by our own line, is the agent's.
func (d *duty) doubt(f Finding) Finding {
	if f.Carrier.IsZero() || f.Outcome != marketplace.BadData || d.doubted {
		return f
	}
	d.doubted, f.Outcome, f.learnt = true, marketplace.Timeout, nil
	f.Answers = slices.Clone(f.Answers)
	for i := range f.Answers {
		if a := &f.Answers[i]; a.Outcome == marketplace.BadData {
			a.Outcome, a.Hash = marketplace.Timeout, marketplace.Hash{}
		}
	}
	f.Err = errors.Join(errors.New("wrong data, which the carrier may have spoiled"), f.Err)
	return f
}

// cameBy notes by whose line the last try came.
func (d *duty) cameBy(who marketplace.Address) {
	by, own := d.found.Carriers, d.found.Auditor
	if by == nil && who.IsZero() {
		return
	}
	for len(by) < len(d.found.Tries)-1 {
		by = append(by, own)
	}
	if who.IsZero() {
		who = own
	}
	d.found.Carriers = append(by, who)
}
