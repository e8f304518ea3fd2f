package swarm

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/anacrolix/torrent"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

const (
	ticketsMax     = 3  // that are looked at of one connection
	ticketsWaiting = 64 // of all connections; the rest is not answered
)

// An usher looks at tickets, one at a time.
type usher struct {
	door    *door
	lasts   atomic.Pointer[judge] // nil: no ticket is good
	queue   chan visitor
	log     *slog.Logger
	windows atomic.Int64 // that began
	stop    context.CancelFunc
	over    chan struct{}
}

// A judge says how long the window is that a ticket is for; 0 is for none.
type judge func(context.Context, marketplace.Infohash, marketplace.Ticket) time.Duration

// A visitor is a peer that shows a ticket.
type visitor struct {
	peer   *torrent.PeerConn
	ticket marketplace.Ticket
}

func (e *Engine) openUsher() *usher {
	ctx, stop := context.WithCancel(context.Background())
	u := &usher{door: e.door, log: e.log, stop: stop, over: make(chan struct{}),
		queue: make(chan visitor, ticketsWaiting)}
	go u.run(ctx)
	return u
}

func (u *usher) close() {
	u.stop()
	<-u.over
}

// Admit makes the engine open quiet windows to who shows a ticket. lasts returns how long the
// window is that a ticket is for, and 0 for a ticket that is no good; it is asked about one at a
// time. It is for the engine to see that a ticket lets one connection in, and that no auditor begins a
// second window of a torrent in an epoch.
func (e *Engine) Admit(
	lasts func(context.Context, marketplace.Infohash, marketplace.Ticket) time.Duration,
) {
	e.usher.lasts.Store((*judge)(&lasts))
}

// QuietWindows returns how many quiet windows there were since the engine was opened.
func (e *Engine) QuietWindows() int64 { return e.usher.windows.Load() }

// greet gets to know a new peer. The client's lock is held. That a peer knows tickets is said by
// every engine, also by one that takes none: auditors say so, and must look like downloaders.
func (u *usher) greet(peer *torrent.PeerConn) {
	u.door.learn(addressOf(peer), marketplace.Infohash(peer.Torrent().InfoHash()))
	peer.LocalLtepProtocolMap.AddUserProtocol(metainfo.QuietExtension) // its own: see introduce
}

// addressOf returns the address by which the door knows a peer.
func addressOf(peer *torrent.PeerConn) netip.AddrPort {
	addr, err := netip.ParseAddrPort(peer.RemoteAddr.String())
	if err != nil {
		panic(err) // every connection comes through the door
	}
	return alias(addr)
}

// hear takes in an extension's message. The client's lock is held.
func (u *usher) hear(m torrent.PeerConnReadExtensionMessageEvent) {
	name, _, err := m.PeerConn.LocalLtepProtocolMap.LookupId(m.ExtensionNumber)
	if err != nil || name != metainfo.QuietExtension || len(m.Payload) == 0 ||
		m.Payload[0] != metainfo.TicketMessage ||
		m.PeerConn.PeerExtensionIDs[metainfo.QuietExtension] == 0 { // it could not be answered
		return
	}
	ticket, ok := metainfo.ParseTicket(m.Payload[1:])
	if !ok || !u.door.mayAsk(addressOf(m.PeerConn)) {
		return
	}
	select {
	case u.queue <- visitor{m.PeerConn, ticket}:
	default:
	}
}

// mayAsk counts a ticket that a peer shows, and says whether it shall be looked at.
func (d *door) mayAsk(peer netip.AddrPort) (ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.open {
		if c.peer == peer {
			c.tickets++
			ok = ok || c.tickets <= ticketsMax
		}
	}
	return ok
}

func (u *usher) run(ctx context.Context) {
	defer close(u.over)
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-u.queue:
			answer := byte(metainfo.LoudMessage)
			if u.admit(ctx, v) {
				answer = metainfo.QuietMessage
			}
			// It may be gone. Who is refused in a window of others hears of it afterwards.
			_ = v.peer.WriteExtendedMessage(metainfo.QuietExtension, []byte{answer})
		}
	}
}

func (u *usher) admit(ctx context.Context, v visitor) bool {
	h, t := marketplace.Infohash(v.peer.Torrent().InfoHash()), v.ticket
	judge := u.lasts.Load()
	if judge == nil {
		return false
	}
	lasts := (*judge)(ctx, h, t)
	if lasts <= 0 {
		return false
	}
	admitted, began := u.door.admit(addressOf(v.peer), h, t, lasts)
	if began {
		u.windows.Add(1)
		u.log.InfoContext(ctx, "quiet window begins", "infohash", h, "epoch", t.Epoch, "lease", t.Lease,
			"auditor", t.Auditor, "lasts", lasts)
	}
	return admitted
}
