package swarm

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// In a quiet window of a torrent the engine serves nobody but those who showed a ticket. The door
// sees to it: whatever is written to any other peer of that torrent waits until the window is over.
// The library writes to each peer from a goroutine that holds no lock meanwhile (v1.62.0), fills no
// more than one buffer ahead, sets no deadline for writes once hands were shaken, and counts what
// was written when it is; so a peer that is kept waiting costs the others nothing, loses nothing,
// and goes on where it stood.

// A window is a quiet window that is on. The door's mu guards it.
type window struct {
	epoch    int64
	shown    map[entry]bool // tickets are good for one connection
	admitted map[*conn]bool
}

// An entry is what a ticket says within a window.
type entry struct {
	lease   int64
	auditor marketplace.Address
}

// An occasion is an auditor's to begin a window of a torrent, once an epoch: were there one for all of them,
// whoever comes first could take it from the one that was drawn.
type occasion struct {
	h       marketplace.Infohash
	auditor marketplace.Address
}

// epochsKept is for how many epochs it is known who began a window of a torrent: longer than a ticket
// is good.
const epochsKept = 4

// learn notes of which torrent the connections to a peer are. The client's lock is held. An address
// may have several, of several torrents, and the library does not say which is which: then each
// waits for the windows of all, and in its own it waits for sure.
func (d *door) learn(peer netip.AddrPort, h marketplace.Infohash) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.open {
		if c.peer != peer || c.aside || slices.Contains(c.of, h) {
			continue
		}
		if len(c.of) == 0 {
			c.greets.Store(true)
		}
		c.of = append(c.of, h)
	}
}

// admit lets a peer into the quiet window that a good ticket is for. Unless it is on, it begins,
// and when admit returns nothing more is on its way out to others than what the network already
// has.
func (d *door) admit(peer netip.AddrPort, h marketplace.Infohash, t marketplace.Ticket,
	lasts time.Duration) (admitted, began bool) {
	d.mu.Lock()
	mine, others := d.peersOf(h, peer)
	w := d.windows[h]
	began = w == nil
	of := occasion{h, t.Auditor}
	last, was := d.lastWindow[of]
	ticket := entry{t.Lease, t.Auditor}
	if len(mine) == 0 || // it is gone
		began && was && t.Epoch <= last ||
		!began && (t.Epoch != w.epoch || w.shown[ticket]) {
		d.mu.Unlock()
		return false, false
	}
	if began {
		w = &window{epoch: t.Epoch, shown: map[entry]bool{}, admitted: map[*conn]bool{}}
		d.windows[h] = w
		maps.DeleteFunc(d.lastWindow, func(_ occasion, epoch int64) bool {
			return epoch < t.Epoch-epochsKept
		})
		d.lastWindow[of] = t.Epoch
	}
	w.shown[ticket] = true
	for _, c := range mine {
		w.admitted[c] = true
	}
	d.turn()
	d.mu.Unlock()
	if began {
		for _, c := range others {
			c.halt()
		}
		time.AfterFunc(lasts, func() { d.endWindow(h, w) })
	}
	return true, began
}

// peersOf returns the connections of a torrent: those to a peer, and the others. The caller holds
// mu.
func (d *door) peersOf(h marketplace.Infohash, peer netip.AddrPort) (mine, others []*conn) {
	for c := range d.open {
		switch {
		case !slices.Contains(c.of, h):
		case c.peer == peer:
			mine = append(mine, c)
		default:
			others = append(others, c)
		}
	}
	return mine, others
}

// turn has who waits look again. The caller holds mu.
func (d *door) turn() {
	d.quiet.Store(int32(len(d.windows))) // #nosec G115 -- few torrents are held
	close(d.turned)
	d.turned = make(chan struct{})
}

func (d *door) endWindow(h marketplace.Infohash, w *window) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.windows[h] == w {
		delete(d.windows, h)
		d.turn()
	}
}

// held returns what a connection must wait for before more is written to it, or nil.
func (d *door) held(c *conn) <-chan struct{} {
	if d.quiet.Load() == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range c.of {
		if w := d.windows[h]; w != nil && !w.admitted[c] {
			return d.turned
		}
	}
	return nil
}

// Write sends, but in a quiet window that the peer is not admitted to waits until that is over.
// What comes first after the handshake is never content and goes out at once, because an auditor
// learns from it how to show its ticket.
func (c *conn) Write(b []byte) (n int, err error) {
	greets := c.greets.Swap(false)
	for {
		m, wait, err := c.write(b[n:], greets)
		if n += m; wait == nil {
			return n, err
		}
		select {
		case <-wait:
		case <-c.closed:
			return n, net.ErrClosed
		}
	}
}

// write sends what can be sent, and returns what to wait for if that is not all.
func (c *conn) write(b []byte, greets bool) (n int, wait <-chan struct{}, err error) {
	c.pen.Lock()
	defer c.pen.Unlock()
	if wait = c.door.held(c); wait != nil && !greets {
		return 0, wait, nil
	}
	n, err = c.Conn.Write(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, nil, err
	}
	switch wait = c.door.held(c); { // a window began meanwhile?
	case wait == nil:
		return n, nil, err
	case greets:
		return n, now, nil
	default:
		return n, wait, nil
	}
}

// now is what has come already.
var now = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// halt breaks off a write under way, which goes on when the window is over.
func (c *conn) halt() {
	_ = c.Conn.SetWriteDeadline(time.Unix(1, 0)) // it may be closed
	c.pen.Lock()
	defer c.pen.Unlock()
	_ = c.Conn.SetWriteDeadline(time.Time{}) // likewise
}
