package seederagent

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/anacrolix/torrent/mse"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/seederagent/swarm"
)

// carrier returns an agent that lends its line.
func carrier(t *testing.T, f *fair) *Agent {
	t.Helper()
	a := &Agent{Key: newKey(t), Log: slog.New(slog.DiscardHandler), porter: newPorter(), info: f.info,
		Config: DefaultConfig()}
	a.info.Rules.ProbeTimeout = marketplace.Span(30 * time.Second)
	a.Config.Dir, a.Market = t.TempDir(), f.as(a.Key)
	must(t, a.lent.open(a.Config.Dir))
	var err error
	a.Engine, err = swarm.Open(swarm.Config{Dir: a.Config.Dir, Listen: "127.0.0.1:0", KeepFree: 1,
		AllowLoopback: true, NoDHT: true})
	must(t, err)
	a.Config.Peer = a.Engine.Addr().String()
	t.Cleanup(func() {
		_ = a.Engine.Close()
		a.work.Wait()
	})
	return a
}

// A visitor is an auditor that has its visit carried.
type visitor struct {
	t     *testing.T
	door  *net.TCPListener
	carry marketplace.Carry
}

func newVisitor(t *testing.T, f *fair, auditor escrow.Key, l marketplace.Lease) *visitor {
	t.Helper()
	door, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	t.Cleanup(func() { _ = door.Close() })
	must(t, door.SetDeadline(time.Now().Add(30*time.Second)))
	v := &visitor{t, door, marketplace.Carry{Lease: l.ID, Epoch: f.info.Rules.EpochAt(time.Now()),
		Auditor: auditor.Address(), Door: door.Addr().String()}}
	_, _ = rand.Read(v.carry.Token[:]) // never fails
	v.carry.Signature, err = auditor.SignText(v.carry.Text())
	must(t, err)
	return v
}

// asks has the market's event come to an agent.
func (v *visitor) asks(a *Agent) {
	v.t.Helper()
	data, err := json.Marshal(v.carry)
	must(v.t, err)
	a.lend(v.t.Context(), marketplace.Event{Kind: marketplace.CarryKind, Data: data})
}

// orders gives an order to the carrier's next connection and returns its answer.
func (v *visitor) orders(order byte) (net.Conn, byte) {
	v.t.Helper()
	c, err := v.door.Accept()
	must(v.t, err)
	v.t.Cleanup(func() { _ = c.Close() })
	must(v.t, c.SetDeadline(time.Now().Add(30*time.Second)))
	var token marketplace.Hash
	_, err = io.ReadFull(c, token[:])
	must(v.t, err)
	if token != v.carry.Token {
		v.t.Fatalf("the carrier shows %s", token)
	}
	_, err = c.Write([]byte{order})
	must(v.t, err)
	answer, err := readByte(c)
	must(v.t, err)
	return c, answer
}

func hello(h marketplace.Infohash) string {
	return protocol + "\x00\x00\x00\x00\x00\x10\x00\x00" + string(h[:]) + "-XX0001-" + rand.Text()[:12]
}

// fetch downloads the first block of a torrent over a connection on which handshakes were begun by us, or not.
func fetch(t *testing.T, c io.ReadWriter, h marketplace.Infohash, begun bool) {
	t.Helper()
	hello := hello(h)
	if !begun {
		theirs := make([]byte, handshakeSize)
		_, err := io.ReadFull(c, theirs)
		must(t, err)
		if string(theirs[:len(protocol)]) != protocol {
			t.Fatalf("it begins with %q", theirs)
		}
	}
	_, err := io.WriteString(c, hello+"\x00\x00\x00\x01\x02")
	must(t, err)
	if begun {
		_, err := io.ReadFull(c, make([]byte, handshakeSize))
		must(t, err)
	}
	for {
		head := make([]byte, 5)
		_, err := io.ReadFull(c, head[:4])
		must(t, err)
		n := binary.BigEndian.Uint32(head)
		if n == 0 {
			continue
		}
		body := make([]byte, n)
		_, err = io.ReadFull(c, body)
		must(t, err)
		switch body[0] {
		case 1: // unchoke: ask for 16 KiB
			_, err := io.WriteString(c, "\x00\x00\x00\x0d\x06"+"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00")
			must(t, err)
		case 7:
			if len(body) != 9+16<<10 {
				t.Fatalf("a block of %d bytes", len(body)-9)
			}
			return
		}
	}
}

// proves runs an agent until its lease is proving.
func proves(t *testing.T, f *fair, a *Agent, l marketplace.Lease) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	someone := f.as(newKey(t))
	for end := time.Now().Add(time.Minute); l.State != marketplace.Proving || !a.state.holds(l.ID, l.Infohash); {
		if time.Now().After(end) {
			t.Fatalf("the lease is %s", l.State)
		}
		time.Sleep(10 * time.Millisecond)
		var err error
		l, err = someone.Lease(t.Context(), l.ID)
		must(t, err)
	}
}

func TestAnAgentCarriesAnAuditorsVisitOverTCPAndUTP(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	_, l := employed(t, f, true)
	c := carrier(t, f)
	v := newVisitor(t, f, f.auditor(true), l)
	v.asks(c)
	for _, order := range []byte{overTCP, overUTP} {
		for _, obfuscated := range []bool{false, true} {
			line, answer := v.orders(order)
			if answer != metAnswer {
				t.Fatalf("%c is answered with %c", order, answer)
			}
			var rw io.ReadWriter = line
			if obfuscated {
				var err error
				rw, _, err = mse.InitiateHandshake(line, l.Infohash[:], nil, mse.AllSupportedCrypto)
				must(t, err)
			}
			fetch(t, rw, l.Infohash, true)
			_ = line.Close()
		}
	}
	_ = v.door.Close()
	c.work.Wait()
	s, err := c.Status()
	must(t, err)
	if s.Lent.Visits != 1 || s.Lent.Bytes < 4*16<<10 || s.Lent.Bytes > 5*16<<10 || s.Lent.Most != 256<<20 {
		t.Errorf("the owner is told %+v", s.Lent)
	}
}

func TestAnAgentThatNobodyCanConnectToComesToTheCarrier(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	a, l := employed(t, f, false)
	proves(t, f, a, l)
	c := carrier(t, f)
	v := newVisitor(t, f, f.auditor(true), l)
	v.asks(c)
	if _, answer := v.orders(overTCP); answer != missedAnswer {
		t.Errorf("who cannot be connected to is connected to: %c", answer)
	}
	line, answer := v.orders(awaited)
	if answer != metAnswer {
		t.Fatalf("the carrier answers %c", answer)
	}
	fetch(t, line, l.Infohash, false)
}
