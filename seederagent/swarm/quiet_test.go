package swarm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

const long = time.Hour // a window that the test ends

// noon ends the quiet window of a torrent as its time does.
func noon(e *Engine, h marketplace.Infohash) {
	e.door.mu.Lock()
	w := e.door.windows[h]
	e.door.mu.Unlock()
	e.door.endWindow(h, w)
}

// always takes every ticket for a window of a length.
func always(
	lasts time.Duration,
) func(context.Context, marketplace.Infohash, marketplace.Ticket) time.Duration {
	return func(context.Context, marketplace.Infohash, marketplace.Ticket) time.Duration {
		return lasts
	}
}

func ticket(lease, epoch int64) marketplace.Ticket {
	return marketplace.Ticket{Lease: lease, Epoch: epoch, Auditor: marketplace.Address{byte(lease)}}
}

// A guest is a plain client that knows how to show a ticket.
type guest struct {
	stock
	theirs []byte // what the engine says that it knows
	quiet  byte   // ... its number of es_quiet
}

const guestsQuiet = 7

var guests atomic.Uint32

// visit connects to an engine.
func visit(t *testing.T, e *Engine, h marketplace.Infohash) guest {
	t.Helper()
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return meetGuest(t, c, h)
}

// lure has an engine connect, as a knock does.
func lure(t *testing.T, e *Engine, h marketplace.Infohash) guest {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := e.AddPeers(h, []netip.AddrPort{netip.MustParseAddrPort(l.Addr().String())}); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(c)
		if first, err := in.Peek(1); err == nil && first[0] == 19 {
			return meetGuest(t, buffered{c, in}, h)
		}
		_ = c.Close() // obfuscated; it tries plainly next
	}
}

type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

func meetGuest(t *testing.T, c net.Conn, h marketplace.Infohash) guest {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	hello := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x00"), h[:]...)
	hello = fmt.Appendf(hello, "-XX0001-%012d", guests.Add(1))
	if _, err := c.Write(hello); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, len(hello))); err != nil {
		t.Fatal(err)
	}
	g := guest{stock: stock{t, c}}
	theirs, _ := g.until(20)
	g.theirs = theirs[1:]
	g.quiet = metainfo.ExtensionID(g.theirs, metainfo.QuietExtension)
	g.send(20, fmt.Appendf([]byte{0}, "d1:md8:es_quieti%deee", guestsQuiet))
	g.send(2, nil)
	g.until(1)
	return g
}

func (g guest) show(ticket marketplace.Ticket) {
	g.t.Helper()
	g.send(20, metainfo.AppendTicket([]byte{g.quiet, metainfo.TicketMessage}, ticket))
}

// answer returns what the engine says of a ticket.
func (g guest) answer() byte {
	g.t.Helper()
	for {
		if m, _ := g.until(20); len(m) == 2 && m[0] == guestsQuiet {
			return m[1]
		}
	}
}

// enter shows a ticket that must be good.
func (g guest) enter(ticket marketplace.Ticket) {
	g.t.Helper()
	g.show(ticket)
	if got := g.answer(); got != metainfo.QuietMessage {
		g.t.Fatalf("a good ticket is answered with %d", got)
	}
}

// ask asks for the first blocks of 16 KiB of as many pieces of that size.
func (g guest) ask(blocks int) {
	g.t.Helper()
	for i := range blocks {
		b := binary.BigEndian.AppendUint32(nil, uint32(i))
		g.send(6, binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 0), metainfo.BlockSize))
	}
}

// take waits for as many blocks.
func (g guest) take(blocks int) {
	g.t.Helper()
	for range blocks {
		if block, _ := g.until(7); len(block) != 8+metainfo.BlockSize {
			g.t.Errorf("a block of %d bytes came", len(block))
		}
	}
}

// hearsNothing fails if a byte comes, for as long as an engine takes to send a lot.
func (g guest) hearsNothing(who string) {
	g.t.Helper()
	if err := g.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		g.t.Fatal(err)
	}
	n, err := g.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		g.t.Errorf("%s hears something in a window of others: %d bytes, %v", who, n, err)
	}
	if err := g.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		g.t.Fatal(err)
	}
}

// blocks is an engine that seeds a torrent of one piece a block.
func blocks(t *testing.T, n int) (*Engine, marketplace.Infohash) {
	t.Helper()
	parent, raw := content(t, metainfo.BlockSize, n*metainfo.BlockSize)
	return seeder(t, parent, raw), parse(t, raw).Infohash
}

func TestInAQuietWindowNobodyIsServedButWhoShowedATicket(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 200)
	e.Admit(always(long))
	first, plain, called := visit(t, e, h), visit(t, e, h), lure(t, e, h)
	plain.ask(3)
	plain.take(3)

	first.enter(ticket(1, 5))
	plain.ask(100)
	called.ask(100)
	first.ask(100)
	first.take(100)
	late, second := visit(t, e, h), lure(t, e, h) // it says hello to who comes now, and no more
	late.ask(100)
	second.enter(ticket(2, 5))
	second.ask(200)
	second.take(200)
	for who, g := range map[string]guest{"who was there": plain, "who was called": called,
		"who comes late": late} {
		g.hearsNothing(who)
	}
	if n := e.QuietWindows(); n != 1 {
		t.Errorf("%d windows were counted", n)
	}

	noon(e, h)
	for _, g := range []guest{plain, called, late} {
		g.take(100)
	}
}

func TestAQuietWindowIsOfOneTorrent(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 20)
	parent, raw := mixed(t, metainfo.V1)
	other, err := e.Adopt(raw, parent)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, e, other)
	e.Admit(always(long))
	visit(t, e, h).enter(ticket(1, 5))
	stranger := visit(t, e, other)
	stranger.ask(1)
	stranger.take(1)
}

func TestAQuietWindowEndsByItself(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 20)
	e.Admit(always(time.Second))
	auditor, plain := visit(t, e, h), visit(t, e, h)
	auditor.enter(ticket(1, 5))
	plain.ask(20)
	plain.take(20)
	e.door.mu.Lock()
	defer e.door.mu.Unlock()
	if len(e.door.windows) != 0 || e.door.quiet.Load() != 0 {
		t.Error("the window is still on")
	}
}

func TestATicketLetsOneConnectionInAndAnAuditorBeginsOneQuietWindowAnEpoch(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 20)
	e.Admit(always(long))
	first := visit(t, e, h)
	first.enter(ticket(1, 5))

	refused := map[string]guest{}
	for what, shown := range map[string]marketplace.Ticket{"a ticket that was shown": ticket(1, 5),
		"one of the epoch before": ticket(2, 4), "one of the next epoch": ticket(2, 6)} {
		refused[what] = visit(t, e, h)
		refused[what].show(shown)
	}
	visit(t, e, h).enter(ticket(3, 5)) // now the others were looked at
	noon(e, h)
	for what, g := range refused {
		if got := g.answer(); got != metainfo.LoudMessage {
			t.Errorf("in a window, %s is answered with %d", what, got)
		}
	}
	again := ticket(1, 5)
	again.Lease = 9 // ours as well
	for _, shown := range []marketplace.Ticket{ticket(1, 5), again, ticket(1, 4)} {
		g := visit(t, e, h)
		g.show(shown)
		if got := g.answer(); got != metainfo.LoudMessage {
			t.Errorf("after a window of epoch 5, ticket %d of %d is answered with %d", shown.Lease,
				shown.Epoch, got)
		}
	}
	visit(t, e, h).enter(ticket(7, 5)) // nobody takes another's window
	noon(e, h)
	visit(t, e, h).enter(ticket(1, 6))
	if n := e.QuietWindows(); n != 3 {
		t.Errorf("%d windows were counted", n)
	}
}

func TestALaterTicketDoesNotMakeAQuietWindowLonger(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 20)
	e.Admit(func(_ context.Context, _ marketplace.Infohash, t marketplace.Ticket) time.Duration {
		return time.Duration(t.Lease) * time.Second // of the second: an hour
	})
	plain := visit(t, e, h)
	first, second := visit(t, e, h), visit(t, e, h)
	first.enter(ticket(2, 5))
	second.show(ticket(3600, 5))
	plain.ask(20)
	plain.take(20)
}

func TestATicketThatIsNoGoodKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 20)
	early := visit(t, e, h)
	early.show(ticket(1, 5))
	if got := early.answer(); got != metainfo.LoudMessage {
		t.Errorf("an engine that takes no tickets answers with %d", got)
	}
	asked := make(chan int64, 100)
	e.Admit(func(_ context.Context, _ marketplace.Infohash, t marketplace.Ticket) time.Duration {
		asked <- t.Lease
		return 0
	})
	forger, plain := visit(t, e, h), visit(t, e, h)
	forger.send(20, []byte{forger.quiet, metainfo.TicketMessage, 1}) // a scrap
	for i := range int64(10) {
		forger.show(ticket(1+i, 5))
	}
	for range ticketsMax {
		if got := forger.answer(); got != metainfo.LoudMessage {
			t.Errorf("it is answered with %d", got)
		}
	}
	plain.ask(20)
	plain.take(20)
	forger.ask(20)
	forger.take(20)
	for i := range int64(ticketsMax) {
		if lease := <-asked; lease != 1+i {
			t.Errorf("ticket %d that was looked at is of lease %d", i, lease)
		}
	}
	if n := len(asked); n > 0 {
		t.Errorf("%d tickets more of one connection were looked at", n)
	}
}

func TestADownloaderSaysThatItKnowsTicketsAsAuditorsDo(t *testing.T) {
	t.Parallel()
	e, h := blocks(t, 1)
	theirs := visit(t, e, h).theirs
	hashes := metainfo.ExtensionID(theirs, metainfo.HashesExtension)
	quiet := metainfo.ExtensionID(theirs, metainfo.QuietExtension)
	if hashes != 4 || quiet != 5 {
		t.Errorf("it wants hashes as %d and tickets as %d", hashes, quiet)
	}
}

func TestADownloadGoesOnWhereAQuietWindowHeldItUp(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 8_000_000)
	h := parse(t, raw).Infohash
	slow := config(t.TempDir())
	slow.UploadLimit = 2_000_000
	source, leecher := open1(t, slow), open1(t, config(t.TempDir()))
	source.Admit(always(long))
	if _, err := source.Adopt(raw, parent); err != nil {
		t.Fatal(err)
	}
	wait(t, source, h)
	auditor := visit(t, source, h)
	if err := leecher.Add(h, raw, []netip.AddrPort{source.Addr()}); err != nil {
		t.Fatal(err)
	}
	got := func() int64 {
		s, _ := leecher.Status(h)
		return s.Downloaded
	}
	eventually(t, "some of it came", func() bool { return got() > 200_000 })
	auditor.enter(ticket(1, 5))
	eventually(t, "what was on its way is there", func() bool {
		before := got()
		time.Sleep(300 * time.Millisecond)
		return got() == before
	})
	before := got()
	auditor.ask(20)
	auditor.take(20)
	if s, _ := leecher.Status(h); s.Complete || s.Downloaded != before || s.Peers != 1 {
		t.Errorf("in a window of others a download of %d bytes stands at %+v", before, s)
	}
	noon(source, h)
	wait(t, leecher, h)
	same(t, parent, leecher.dataOf(h))
}

func TestAQuietWindowBreaksOffAWriteUnderWayWhichGoesOnLater(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := newDoor(l, metainfo.Guard{Loopback: true}, nil)
	go d.welcome()
	h := marketplace.Infohash{1}
	pair := func() (ours, theirs net.Conn) {
		theirs, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if ours, err = d.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
		d.learn(ours.(*conn).peer, h)
		if _, err := ours.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(theirs, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		return ours, theirs
	}
	ours, theirs := pair()
	auditors, _ := pair()
	sent := make([]byte, 32<<20) // more than any socket holds
	random := rand.NewChaCha8([32]byte{1})
	random.Read(sent) // never fails
	done := make(chan error, 1)
	go func() {
		_, err := ours.Write(sent)
		done <- err
	}()
	got := make([]byte, len(sent))
	n, err := theirs.Read(got) // it is under way
	if err != nil {
		t.Fatal(err)
	}
	if in, began := d.admit(auditors.(*conn).peer, h, ticket(1, 5), long); !in || !began {
		t.Fatalf("a good ticket: %v, %v", in, began)
	}
	g := guest{stock: stock{t, theirs}}
	for err == nil && n < len(sent) { // what the network had
		var m int
		if err = theirs.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err == nil {
			m, err = theirs.Read(got[n:])
			n += m
		}
	}
	if n == len(sent) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d of %d bytes came out in a window of others, %v", n, len(sent), err)
	}
	g.hearsNothing("a peer with a write under way")
	d.endWindow(h, d.windows[h])
	if _, err := io.ReadFull(theirs, got[n:]); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("after the window: %v, the same %v", err, bytes.Equal(got, sent))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWhoMayBeOfEitherTorrentWaitsInTheWindowsOfBoth(t *testing.T) {
	t.Parallel()
	d := newDoor(nil, metainfo.Guard{}, nil)
	one, other := marketplace.Infohash{1}, marketplace.Infohash{2}
	at, auditors := netip.MustParseAddrPort("1.2.3.4:5"), netip.MustParseAddrPort("1.2.3.4:6")
	meet := func(peer netip.AddrPort) *conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
		d.enter(peer)
		return d.wrap(ours, peer).(*conn)
	}
	first, second, auditor := meet(at), meet(at), meet(auditors)
	d.learn(at, one)
	d.learn(at, other)
	d.learn(auditors, other)
	if d.held(first) != nil || d.held(second) != nil {
		t.Error("they wait for nothing")
	}
	if in, _ := d.admit(auditors, other, ticket(1, 5), long); !in {
		t.Fatal("a good ticket is refused")
	}
	if d.held(first) == nil || d.held(second) == nil || d.held(auditor) != nil {
		t.Error("not the right ones wait")
	}
	if in, began := d.admit(at, other, ticket(2, 5), long); !in || began {
		t.Errorf("a second good ticket: %v, %v", in, began)
	}
	if d.held(first) != nil || d.held(second) != nil {
		t.Error("who showed a ticket waits")
	}
	if in, _ := d.admit(netip.MustParseAddrPort("1.2.3.4:7"), one, ticket(3, 5), long); in {
		t.Error("who has gone is admitted")
	}
}

func TestQuietWindowsThatAreLongOverAreForgotten(t *testing.T) {
	t.Parallel()
	d := newDoor(nil, metainfo.Guard{}, nil)
	ours, theirs := net.Pipe()
	defer theirs.Close()
	defer ours.Close()
	at := netip.MustParseAddrPort("1.2.3.4:5")
	d.wrap(ours, at)
	for epoch := range int64(100) {
		h := marketplace.Infohash{byte(epoch)}
		d.learn(at, h)
		if in, _ := d.admit(at, h, ticket(1, epoch), long); !in {
			t.Fatal("a good ticket is refused")
		}
		d.endWindow(h, d.windows[h])
	}
	if n := len(d.lastWindow); n != epochsKept+1 || len(d.windows) != 0 {
		t.Errorf("%d windows are remembered, %d are on", n, len(d.windows))
	}
}

func TestAnEngineIsHushedEmptiedAndClosedInAQuietWindow(t *testing.T) {
	t.Parallel()
	ends := map[string]func(e *Engine, h marketplace.Infohash) error{
		"hushed": func(e *Engine, _ marketplace.Infohash) error { e.Hush(true); return nil },
		"closed": func(e *Engine, _ marketplace.Infohash) error { return e.Close() },
		"emptied": func(e *Engine, h marketplace.Infohash) error {
			return e.Remove(h)
		},
	}
	for how, end := range ends {
		parent, raw := content(t, metainfo.BlockSize, 20*metainfo.BlockSize)
		e, h := seeder(t, parent, raw), parse(t, raw).Infohash
		e.Admit(always(long))
		plain, auditor := visit(t, e, h), visit(t, e, h)
		auditor.enter(ticket(1, 5))
		plain.ask(20)
		plain.hearsNothing("who waits")
		if err := end(e, h); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		for _, g := range []guest{plain, auditor} {
			if n, err := io.Copy(io.Discard, g); n > 5 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %d bytes, then %v", how, n, err)
			}
		}
		switch how {
		case "hushed":
			e.Hush(false)
			visit(t, e, h).hearsNothing("who comes while the window is on")
		case "emptied":
			if _, err := e.Adopt(raw, parent); err != nil {
				t.Fatal(err)
			}
			wait(t, e, h)
			again := visit(t, e, h)
			again.ask(20)
			again.hearsNothing("who comes back while the window is on")
			noon(e, h)
			again.take(20)
		}
	}
}

func TestAria2FinishesAfterAQuietWindow(t *testing.T) {
	t.Parallel()
	parent, raw := content(t, 64<<10, 4_000_000, 300_000, 5)
	h := parse(t, raw).Infohash
	slow := config(t.TempDir())
	slow.UploadLimit = 1_000_000
	source := open1(t, slow)
	source.Admit(always(long))
	if _, err := source.Adopt(raw, parent); err != nil {
		t.Fatal(err)
	}
	wait(t, source, h)
	auditor := visit(t, source, h)
	dir, port, want := t.TempDir(), freePort(t), digest(t, filepath.Join(parent, "things"))
	aria2(t, dir, raw, port)
	peer := netip.AddrPortFrom(local, uint16(port))
	sent := func() int64 {
		if err := source.AddPeers(h, []netip.AddrPort{peer}); err != nil {
			t.Fatal(err)
		}
		s, _ := source.Status(h)
		return s.Uploaded
	}
	eventually(t, "aria2c has some of it", func() bool { return sent() > 200_000 })
	auditor.enter(ticket(1, 5))
	eventually(t, "aria2c waits", func() bool {
		before := sent()
		time.Sleep(300 * time.Millisecond)
		return sent() == before
	})
	if sent() > 4_000_000 {
		t.Error("aria2c has it all in a window of others")
	}
	noon(source, h)
	eventually(t, "aria2c has everything", func() bool {
		sent()
		time.Sleep(100 * time.Millisecond)
		_, err := os.Stat(filepath.Join(dir, "things"))
		return err == nil && digest(t, filepath.Join(dir, "things")) == want
	})
}
