package audit_test

import (
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent/swarm"
)

// A porter is an agent that carries visits, or does what a test wants instead.
type porter struct {
	address marketplace.Address
	from    string                               // its line
	to      netip.AddrPort                       // whom it visits
	awaits  func(at string) error                // has the agent connect to an address
	spoils  bool                                 // flips a bit of what it passes on
	carry   func(p *porter, c marketplace.Carry) // nil: as it should be
}

// ride is all that a carrier does of a carry.
func (p *porter) ride(c marketplace.Carry) {
	for range 6 {
		door, err := net.Dial("tcp", c.Door)
		if err != nil {
			return
		}
		_, _ = door.Write(c.Token[:])
		order := []byte{0}
		if _, err := io.ReadFull(door, order); err != nil {
			_ = door.Close()
			return
		}
		go p.obey(door, order[0])
	}
}

func (p *porter) obey(door net.Conn, order byte) {
	defer door.Close()
	var agent net.Conn
	var err error
	switch order {
	case 't':
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.from)}}
		agent, err = from.Dial("tcp", p.to.String())
	case 'w':
		agent, err = p.await()
	default:
		err = io.EOF
	}
	if err != nil {
		_, _ = door.Write([]byte{'-'})
		return
	}
	_, _ = door.Write([]byte{'+'})
	between(door, agent, p.spoils)
}

// between passes on what two sides send until one of them leaves. It may spoil what comes from the second.
func between(a, b net.Conn, spoil bool) {
	defer b.Close()
	over := make(chan struct{}, 2)
	pass := func(to, from net.Conn, spoil bool) {
		buf, n := make([]byte, 16<<10), 0
		for {
			m, err := from.Read(buf)
			if n += m; spoil && n > 8<<10 && m > 100 {
				buf[m-1] ^= 1
			}
			if _, wrote := to.Write(buf[:m]); err != nil || wrote != nil {
				break
			}
		}
		over <- struct{}{}
	}
	go pass(b, a, false)
	go pass(a, b, spoil)
	<-over
}

func (p *porter) await() (net.Conn, error) {
	l, err := net.Listen("tcp", p.from+":0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := p.awaits(l.Addr().String()); err != nil {
		return nil, err
	}
	return l.Accept()
}

// A carried is an audit of one lease whose visits are all carried.
type carried struct {
	*desk
	t        *testing.T
	meta     *metainfo.Torrent
	parent   string
	engine   *swarm.Engine
	vias     []audit.Via
	parallel int // tries

	mu    sync.Mutex            // guards the fields below
	asked []marketplace.Address // carriers
	seen  []netip.AddrPort      // who called on the agent
}

func aCarried(t *testing.T, porters ...*porter) *carried {
	t.Helper()
	parent, raw := built(t, metainfo.V1)
	c := &carried{t: t, meta: parse(t, raw), parent: parent, engine: agent(t, parent, raw)}
	c.desk = &desk{rules: rules(), auditors: []marketplace.Address{{1}}, heard: make(chan struct{}, 1),
		torrents: map[marketplace.Infohash][]byte{c.meta.Infohash: raw}, tried: map[[2]int64]bool{},
		leases: []marketplace.Lease{{ID: 1, Infohash: c.meta.Infohash, Peer: c.engine.Addr().String()}}}
	c.rules.CarriedBps = 10_000
	front := peer(t, func(from net.Conn) {
		c.mu.Lock()
		c.seen = append(c.seen, netip.MustParseAddrPort(from.RemoteAddr().String()))
		c.mu.Unlock()
		if to, err := net.Dial("tcp", c.engine.Addr().String()); err == nil {
			between(from, to, false)
		}
	})
	c.leases[0].Peer = front.String()
	c.carries = func(asked marketplace.Carry, w marketplace.CarrierWish) (marketplace.Carrier, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, p := range porters {
			if slices.Contains(w.Not, p.address) && (w.Again == nil || *w.Again != p.address) {
				continue
			}
			c.asked = append(c.asked, p.address)
			p.to = front
			p.awaits = func(at string) error {
				return c.engine.AddPeers(c.meta.Infohash, []netip.AddrPort{netip.MustParseAddrPort(at)})
			}
			if p.carry != nil {
				go p.carry(p, asked)
			} else {
				go p.ride(asked)
			}
			return marketplace.Carrier{Agent: p.address}, nil
		}
		return marketplace.Carrier{}, marketplace.NotFound.Errorf("nobody is there")
	}
	return c
}

// report is what the auditor finds in one epoch.
func (c *carried) report() marketplace.Report {
	c.t.Helper()
	return c.reports(1)[0]
}

// reports is the same of so many leases.
func (c *carried) reports(n int) []marketplace.Report {
	c.t.Helper()
	a := &audit.Auditor{Vias: c.vias, Address: c.auditors[0], Market: c.desk, Rules: c.rules, Guard: devnet, Sign: sign,
		Parallel: c.parallel, Lobby: *lobby(c.t, "127.0.0.1:0", "")}
	defer begin(c.t, a)()
	return c.wait(c.t, n)
}

func TestAVisitComesByAnotherLine(t *testing.T) {
	t.Parallel()
	p := &porter{address: marketplace.Address{7}, from: "127.0.0.7"}
	c := aCarried(t, p)
	r := c.report()
	if r.Outcome != pass || !slices.Equal(r.Carriers, []marketplace.Address{p.address}) {
		t.Errorf("the report: %+v", r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, from := range c.seen {
		if from.Addr() != netip.MustParseAddr(p.from) {
			t.Errorf("the agent saw %s, and should have seen %s only", from, p.from)
		}
	}
	if len(c.seen) == 0 {
		t.Error("the agent saw nobody")
	}
}

func TestAnAgentBehindARouterComesToTheCarrier(t *testing.T) {
	t.Parallel()
	p := &porter{address: marketplace.Address{7}, from: "127.0.0.7"}
	c := aCarried(t, p)
	c.leases[0].Peer = netip.AddrPortFrom(c.engine.Addr().Addr(), 0).String()
	if r := c.report(); r.Outcome != pass || !slices.Equal(r.Carriers, []marketplace.Address{p.address}) {
		t.Errorf("the report: %+v", r)
	}
}

func TestWhereNobodyCarriesTheAuditorComesItself(t *testing.T) {
	t.Parallel()
	if r := aCarried(t).report(); r.Outcome != pass || r.Carriers != nil {
		t.Errorf("the report: %+v", r)
	}
}

func TestACarrierThatDoesNotComeIsReplaced(t *testing.T) {
	t.Parallel()
	lazy := &porter{address: marketplace.Address{6}, carry: func(*porter, marketplace.Carry) {}}
	liar := &porter{address: marketplace.Address{8}, carry: func(_ *porter, c marketplace.Carry) {
		if door, err := net.Dial("tcp", c.Door); err == nil {
			_, _ = door.Write(make([]byte, 32)) // not the token
			_, _ = door.Read([]byte{0})
		}
	}}
	good := &porter{address: marketplace.Address{7}, from: "127.0.0.7"}
	c := aCarried(t, lazy, liar, good)
	if r := c.report(); r.Outcome != pass || !slices.Equal(r.Carriers, []marketplace.Address{good.address}) {
		t.Errorf("the report: %+v", r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := []marketplace.Address{lazy.address, liar.address, good.address}; !slices.Equal(c.asked[:3], want) {
		t.Errorf("asked were %v", c.asked)
	}
}

// What one carrier spoils is not the agent's fault, and what two of them bring spoiled is.
func TestWrongBytesCountWhenASecondCarrierBringsThem(t *testing.T) {
	t.Parallel()
	porters := func(first bool) []*porter {
		return []*porter{{address: marketplace.Address{6}, from: "127.0.0.6", spoils: first},
			{address: marketplace.Address{7}, from: "127.0.0.7"}, {address: marketplace.Address{8}, from: "127.0.0.8"}}
	}
	if r := aCarried(t, porters(true)...).report(); r.Outcome != pass || len(r.Tries) != 2 ||
		len(r.Carriers) != 2 || rules().Accuses(r) {
		t.Errorf("spoiled by the carrier: %+v", r)
	}
	c := aCarried(t, porters(false)...)
	for at := int64(0); at < 192<<10; at += metainfo.BlockSize {
		spoil(t, filepath.Join(c.parent, "things", "a"), at)
	}
	for at := int64(0); at < 100_000; at += metainfo.BlockSize {
		spoil(t, filepath.Join(c.parent, "things", "b"), at)
	}
	if r := c.report(); r.Outcome != bad || !slices.Equal(r.Tries, []marketplace.Outcome{timeout, bad, bad}) {
		t.Errorf("spoiled by the agent: %+v", r)
	}
}

func TestACarrierThatLeavesSaysNothingOfTheAgent(t *testing.T) {
	t.Parallel()
	leaves := func(_ *porter, c marketplace.Carry) {
		if door, err := net.Dial("tcp", c.Door); err == nil {
			_, _ = door.Write(c.Token[:])
			time.Sleep(50 * time.Millisecond)
			_ = door.Close()
		}
	}
	r := aCarried(t, &porter{address: marketplace.Address{6}, carry: leaves},
		&porter{address: marketplace.Address{7}, from: "127.0.0.7"}).report()
	if r.Outcome != pass || len(r.Carriers) != 2 || r.Tries[0] != marketplace.AuditorFault {
		t.Errorf("the report: %+v", r)
	}
}

func TestTheSecondTryComesByTheSameLineAndTheThirdByAnother(t *testing.T) {
	t.Parallel()
	c := aCarried(t, &porter{address: marketplace.Address{6}, from: "127.0.0.6"},
		&porter{address: marketplace.Address{7}, from: "127.0.0.7"})
	if err := c.engine.Close(); err != nil {
		t.Fatal(err)
	}
	if r := c.report(); r.Outcome == pass || !slices.Equal(r.Carriers, []marketplace.Address{{6}, {6}, {7}}) {
		t.Errorf("the report: %+v", r)
	}
}

func TestATryByTheAuditorsOwnLineIsToldBesideACarriedOne(t *testing.T) {
	t.Parallel()
	c := aCarried(t, &porter{address: marketplace.Address{6}, from: "127.0.0.6"})
	if err := c.engine.Close(); err != nil {
		t.Fatal(err)
	}
	own := c.auditors[0]
	if r := c.report(); !slices.Equal(r.Carriers, []marketplace.Address{{6}, {6}, own}) {
		t.Errorf("the report: %+v", r)
	}
}

func TestWhoseOwnDoorIsShutAsksForOneCarrierAndComesItself(t *testing.T) {
	t.Parallel()
	never := func(*porter, marketplace.Carry) {}
	c := aCarried(t, &porter{address: marketplace.Address{6}, carry: never},
		&porter{address: marketplace.Address{7}, carry: never}, &porter{address: marketplace.Address{8}, carry: never})
	c.reach = func(string) (bool, error) { return false, nil }
	for id := int64(2); id <= 4; id++ {
		l := c.leases[0]
		l.ID = id
		c.leases = append(c.leases, l)
	}
	c.parallel = 1
	for _, r := range c.reports(4) {
		if r.Outcome != pass || r.Carriers != nil {
			t.Errorf("the report: %+v", r)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if epochs := 3; len(c.asked) == 0 || len(c.asked) > epochs { // that it may have been here for
		t.Errorf("%d carriers were asked; one an epoch is enough", len(c.asked))
	}
}

func TestACarrierThatCannotConnectSaysSo(t *testing.T) {
	t.Parallel()
	c := aCarried(t, &porter{address: marketplace.Address{6}, carry: func(_ *porter, c marketplace.Carry) {
		for range 6 {
			door, err := net.Dial("tcp", c.Door)
			if err != nil {
				return
			}
			_, _ = door.Write(c.Token[:])
			if _, err := io.ReadFull(door, []byte{0}); err != nil {
				_ = door.Close()
				return
			}
			_, _ = door.Write([]byte{'-'})
			time.AfterFunc(5*time.Second, func() { _ = door.Close() }) // it holds the line
		}
	}})
	c.rules.Attempts = 1
	if r := c.report(); r.Outcome != away || !slices.Equal(r.Carriers, []marketplace.Address{{6}}) {
		t.Errorf("the report: %+v", r)
	}
}
