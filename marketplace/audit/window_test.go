package audit_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// aHost is a peer that may know quiet windows. It holds the content and notes what it was asked for.
type aHost struct {
	all    []byte
	meta   *metainfo.Torrent
	answer byte                        // to a ticket
	source netip.AddrPort              // whom it asks for what it is asked for; invalid: it holds all
	delay  func(nth int) time.Duration // of the nth request for the same block, from 0

	one     sync.Mutex // held while it asks its source
	mu      sync.Mutex // guards the fields below
	tickets []marketplace.Ticket
	asked   []time.Time
	blocks  [][2]int // piece and begin
	most    int      // requests that waited at a time
	waiting int
}

// fetch asks a peer for a block, as any downloader does.
func fetch(t *testing.T, from netip.AddrPort, meta *metainfo.Torrent, request []byte) []byte {
	c, err := net.Dial("tcp", from.String())
	if err != nil {
		t.Error(err)
		return nil
	}
	defer c.Close()
	defer context.AfterFunc(t.Context(), func() { _ = c.Close() })()
	fmt.Fprintf(c, "\x13BitTorrent protocol%08d%s%020d%s", 0, meta.Infohash[:], rand.Uint64(), message(2))
	_, _ = io.CopyN(io.Discard, c, 68)
	for {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return nil // the test is over
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(c, body); err != nil {
			return nil
		}
		switch {
		case len(body) > 0 && body[0] == 1:
			_, _ = io.WriteString(c, message(6, request))
		case len(body) > 9 && body[0] == 7:
			return body[9:]
		}
	}
}

const knowsQuiet = "\x00d1:md8:es_quieti7eee"

func (h *aHost) open(t *testing.T, hello string) netip.AddrPort {
	return script(t, h.meta, message(20, []byte(hello))+haveAll+unchoke, func(c net.Conn, kind byte, body []byte) {
		switch {
		case kind == 20 && body[0] == 7 && body[1] == metainfo.TicketMessage:
			ticket, _ := metainfo.ParseTicket(body[2:])
			h.mu.Lock()
			h.tickets = append(h.tickets, ticket)
			h.mu.Unlock()
			_, _ = io.WriteString(c, message(20, []byte{5, h.answer}))
		case kind == 6:
			at := [2]int{int(binary.BigEndian.Uint32(body)), int(binary.BigEndian.Uint32(body[4:]))}
			h.mu.Lock()
			nth := 0
			for _, b := range h.blocks {
				if b == at {
					nth++
				}
			}
			h.blocks, h.asked = append(h.blocks, at), append(h.asked, time.Now())
			h.waiting++
			h.most = max(h.most, h.waiting)
			h.mu.Unlock()
			go func() {
				select {
				case <-time.After(h.delay(nth)):
				case <-t.Context().Done():
					return
				}
				from, length := at[0]*int(h.meta.PieceLength)+at[1], int(binary.BigEndian.Uint32(body[8:]))
				sent := h.all[from : from+length]
				if h.source.IsValid() {
					h.one.Lock() // an agent takes few connections from one address
					for sent = nil; sent == nil && t.Context().Err() == nil; {
						sent = fetch(t, h.source, h.meta, body)
					}
					h.one.Unlock()
				}
				h.mu.Lock()
				defer h.mu.Unlock()
				h.waiting--
				_, _ = io.WriteString(c, message(7, body[:8], sent))
			}()
		}
	})
}

// aVisit is eight known blocks, of eight pieces, and two whole pieces.
func aVisit(t *testing.T) (h *aHost, asks []audit.Challenge) {
	h, _, _, asks = aVisitTo(t)
	return h, asks
}

func aVisitTo(t *testing.T) (h *aHost, parent string, raw []byte, asks []audit.Challenge) {
	t.Helper()
	parent, raw, all := content(t, 64<<10, 900_000, 100_001)
	h = &aHost{all: all, meta: parse(t, raw), answer: metainfo.QuietMessage,
		delay: func(int) time.Duration { return 0 }}
	for i, c := range blocks(t, parent, h.meta) {
		if i%5 == 0 && len(asks) < 8 {
			asks = append(asks, c)
		}
	}
	return h, parent, raw, append(asks, whole(12, 13)...)
}

func TestInAQuietWindowNothingIsAskedBeforeAllHaveShownTheirTickets(t *testing.T) {
	t.Parallel()
	h, asks := aVisit(t)
	// The first answer to a block comes late, the second at once.
	h.delay = func(nth int) time.Duration { return time.Duration(1-nth) * 200 * time.Millisecond }
	ticket := marketplace.Ticket{Lease: 3, Epoch: 9, Auditor: marketplace.Address{1}, Signature: marketplace.Signature{2}}
	opens := time.Now().Add(300 * time.Millisecond)
	f := audit.Probe(t.Context(), devnet, 20*time.Second, h.open(t, knowsQuiet), h.meta, asks,
		&audit.Quiet{Ticket: ticket, Opens: opens, Closes: opens.Add(time.Hour)})
	want(t, f, pass, slices.Repeat([]marketplace.Outcome{pass}, len(asks))...)
	if !slices.Equal(h.tickets, []marketplace.Ticket{ticket}) {
		t.Errorf("shown were %v", h.tickets)
	}
	if h.asked[0].Before(opens) {
		t.Errorf("asked %s before the window is open", opens.Sub(h.asked[0]))
	}
	for i := range 8 { // each twice, and nothing meanwhile
		if h.blocks[2*i] != h.blocks[2*i+1] || h.blocks[2*i][0] != asks[i].Piece {
			t.Fatalf("blocks are asked for as %v", h.blocks[:16])
		}
	}
	if len(h.blocks) != 16+8 || h.most < 2 {
		t.Errorf("%d requests, %d at a time: %v", len(h.blocks), h.most, h.blocks)
	}
	w := f.Window
	if w == nil || !w.Quiet || !w.Served || w.ColdUS < 200_000 || w.WarmUS >= w.ColdUS || w.Bytes != 128<<10 || w.TookUS < 200_000 {
		t.Errorf("measured is %+v", w)
	}
	if expect := int64(16*16<<10 + 128<<10); f.Bytes != expect {
		t.Errorf("%d bytes came, want %d", f.Bytes, expect)
	}
}

func TestAPeerThatKnowsNoQuietWindowsIsAskedAsAlways(t *testing.T) {
	t.Parallel()
	for name, hello := range map[string]string{"another extension": "\x00d1:md6:ut_pexi1eee", "none": "\x00d1:mdee"} {
		h, asks := aVisit(t)
		h.delay = func(int) time.Duration { return 20 * time.Millisecond }
		f := audit.Probe(t.Context(), devnet, 20*time.Second, h.open(t, hello), h.meta, asks,
			&audit.Quiet{Opens: time.Now().Add(time.Hour), Closes: time.Now().Add(2 * time.Hour)})
		want(t, f, pass, slices.Repeat([]marketplace.Outcome{pass}, len(asks))...)
		if len(h.blocks) != 16 || h.most < 2 || len(h.tickets) != 0 {
			t.Errorf("%s: %d requests, %d at a time, %d tickets", name, len(h.blocks), h.most, len(h.tickets))
		}
		if w := f.Window; w == nil || w.Quiet || w.Served || w.ColdUS != 0 || w.WarmUS != 0 {
			t.Errorf("%s: measured is %+v", name, w)
		}
	}
}

func TestAWindowThatIsRefusedIsMeasuredAllTheSame(t *testing.T) {
	t.Parallel()
	h, asks := aVisit(t)
	h.answer = metainfo.LoudMessage
	f := audit.Probe(t.Context(), devnet, 20*time.Second, h.open(t, knowsQuiet), h.meta, asks,
		&audit.Quiet{Opens: time.Now().Add(100 * time.Millisecond), Closes: time.Now().Add(time.Hour)})
	want(t, f, pass, slices.Repeat([]marketplace.Outcome{pass}, len(asks))...)
	if w := f.Window; w.Quiet || w.Served || w.ColdUS == 0 || w.WarmUS == 0 || w.Bytes == 0 {
		t.Errorf("measured is %+v", w)
	}
}

func TestWhoIsSilentInAQuietWindowTimesOutWithoutFigures(t *testing.T) {
	t.Parallel()
	h, asks := aVisit(t)
	h.delay = func(int) time.Duration { return time.Hour }
	f := audit.Probe(t.Context(), devnet, 600*time.Millisecond, h.open(t, knowsQuiet), h.meta, asks,
		&audit.Quiet{Opens: time.Now().Add(50 * time.Millisecond), Closes: time.Now().Add(time.Hour)})
	want(t, f, timeout, slices.Repeat([]marketplace.Outcome{timeout}, len(asks))...)
	if w := f.Window; !w.Quiet || *w != (marketplace.Window{Quiet: true}) || len(h.blocks) != 1 {
		t.Errorf("measured is %+v after %d requests", w, len(h.blocks))
	}
}

func TestWhoWaitsUntilTheWindowIsOverPassesAndDidNotServeInIt(t *testing.T) {
	t.Parallel()
	h, asks := aVisit(t)
	opens := time.Now().Add(50 * time.Millisecond)
	closes := opens.Add(500 * time.Millisecond)
	h.delay = func(int) time.Duration { return max(0, time.Until(closes)) + time.Millisecond }
	for name, asks := range map[string][]audit.Challenge{"blocks": asks, "pieces only": asks[8:]} {
		f := audit.Probe(t.Context(), devnet, 20*time.Second, h.open(t, knowsQuiet), h.meta, asks,
			&audit.Quiet{Opens: opens, Closes: closes})
		want(t, f, pass, slices.Repeat([]marketplace.Outcome{pass}, len(asks))...)
		if !f.Window.Quiet || f.Window.Served {
			t.Errorf("%s: measured is %+v", name, f.Window)
		}
	}
}

func TestAWholePieceInTheWindowWillDoWhereNoBlockCanBeAskedFor(t *testing.T) {
	t.Parallel()
	h, asks := aVisit(t)
	opens := time.Now().Add(50 * time.Millisecond)
	f := audit.Probe(t.Context(), devnet, 20*time.Second, h.open(t, knowsQuiet), h.meta, asks[8:],
		&audit.Quiet{Opens: opens, Closes: opens.Add(time.Hour)})
	if w := f.Window; !w.Served || w.ColdUS != 0 || w.Bytes != 128<<10 {
		t.Errorf("measured is %+v", w)
	}
}

// TestARelayFindsNobodyToAskInAQuietWindow audits an agent and a peer that has nothing but what it gets from that
// agent, which everybody may ask. Both pass, and the window tells which is which.
func TestARelayFindsNobodyToAskInAQuietWindow(t *testing.T) {
	t.Parallel()
	const lasts = 3 * time.Second
	relay, parent, raw, asks := aVisitTo(t)
	holds := agent(t, parent, raw)
	holds.Admit(func(context.Context, marketplace.Infohash, marketplace.Ticket) time.Duration { return lasts })
	relay.source = holds.Addr()
	want(t, audit.Probe(t.Context(), devnet, 20*time.Second, relay.open(t, knowsQuiet), relay.meta, asks, nil), pass,
		slices.Repeat([]marketplace.Outcome{pass}, len(asks))...) // outside of a window all is well

	begins := time.Now()
	visit := func(peer netip.AddrPort, lease int64) audit.Finding {
		return audit.Probe(t.Context(), devnet, 20*time.Second, peer, relay.meta, asks, &audit.Quiet{
			Ticket: marketplace.Ticket{Lease: lease, Epoch: 7}, Opens: begins.Add(lasts / 4), Closes: begins.Add(lasts)})
	}
	honest := make(chan audit.Finding, 1)
	go func() { honest <- visit(holds.Addr(), 1) }()
	for holds.QuietWindows() == 0 {
		time.Sleep(time.Millisecond)
	}
	relayed := visit(relay.open(t, knowsQuiet), 2)
	held := <-honest
	for who, f := range map[string]audit.Finding{"holds it": held, "relays it": relayed} {
		want(t, f, pass, slices.Repeat([]marketplace.Outcome{pass}, len(asks))...)
		if !f.Window.Quiet || f.Window.Served != (who == "holds it") {
			t.Errorf("who %s served in the window: %+v", who, f.Window)
		}
	}
	if held.Window.ColdUS >= relayed.Window.ColdUS {
		t.Errorf("first answers took %d us, relayed ones %d us", held.Window.ColdUS, relayed.Window.ColdUS)
	}
}
