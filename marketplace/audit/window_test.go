package audit_test

import (
	"encoding/binary"
	"io"
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
	delay  func(nth int) time.Duration // of the nth request for the same block, from 0

	mu      sync.Mutex // guards the fields below
	tickets []marketplace.Ticket
	asked   []time.Time
	blocks  [][2]int // piece and begin
	most    int      // requests that waited at a time
	waiting int
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
				from := at[0]*int(h.meta.PieceLength) + at[1]
				h.mu.Lock()
				defer h.mu.Unlock()
				h.waiting--
				_, _ = io.WriteString(c, message(7, body[:8], h.all[from:from+int(binary.BigEndian.Uint32(body[8:]))]))
			}()
		}
	})
}

// aVisit is eight known blocks, of eight pieces, and two whole pieces.
func aVisit(t *testing.T) (h *aHost, asks []audit.Challenge) {
	t.Helper()
	parent, raw, all := content(t, 64<<10, 900_000, 100_001)
	h = &aHost{all: all, meta: parse(t, raw), answer: metainfo.QuietMessage,
		delay: func(int) time.Duration { return 0 }}
	for i, c := range blocks(t, parent, h.meta) {
		if i%5 == 0 && len(asks) < 8 {
			asks = append(asks, c)
		}
	}
	return h, append(asks, whole(12, 13)...)
}

func TestInAQuietWindowNothingIsAskedBeforeAllHaveShownTheirTickets(t *testing.T) {
	t.Parallel()
	h, asks := aVisit(t)
	// The first answer to a block comes late, the second at once.
	h.delay = func(nth int) time.Duration { return time.Duration(1-nth) * 200 * time.Millisecond }
	ticket := marketplace.Ticket{Lease: 3, Epoch: 9, Auditor: marketplace.Address{1}, Signature: marketplace.Signature{2}}
	opens := time.Now().Add(300 * time.Millisecond)
	f := audit.Probe(t.Context(), devnet, 20*time.Second, h.open(t, knowsQuiet), h.meta, asks,
		&audit.Quiet{Ticket: ticket, Opens: opens})
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
	if w == nil || !w.Quiet || w.ColdUS < 200_000 || w.WarmUS >= w.ColdUS || w.Bytes != 128<<10 || w.TookUS < 200_000 {
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
			&audit.Quiet{Opens: time.Now().Add(time.Hour)})
		want(t, f, pass, slices.Repeat([]marketplace.Outcome{pass}, len(asks))...)
		if len(h.blocks) != 16 || h.most < 2 || len(h.tickets) != 0 {
			t.Errorf("%s: %d requests, %d at a time, %d tickets", name, len(h.blocks), h.most, len(h.tickets))
		}
		if w := f.Window; w == nil || w.Quiet || w.ColdUS != 0 || w.WarmUS != 0 {
			t.Errorf("%s: measured is %+v", name, w)
		}
	}
}

func TestAWindowThatIsRefusedIsMeasuredAllTheSame(t *testing.T) {
	t.Parallel()
	h, asks := aVisit(t)
	h.answer = metainfo.LoudMessage
	f := audit.Probe(t.Context(), devnet, 20*time.Second, h.open(t, knowsQuiet), h.meta, asks,
		&audit.Quiet{Opens: time.Now().Add(100 * time.Millisecond)})
	want(t, f, pass, slices.Repeat([]marketplace.Outcome{pass}, len(asks))...)
	if w := f.Window; w.Quiet || w.ColdUS == 0 || w.WarmUS == 0 || w.Bytes == 0 {
		t.Errorf("measured is %+v", w)
	}
}

func TestWhoIsSilentInAQuietWindowTimesOutWithoutFigures(t *testing.T) {
	t.Parallel()
	h, asks := aVisit(t)
	h.delay = func(int) time.Duration { return time.Hour }
	f := audit.Probe(t.Context(), devnet, 600*time.Millisecond, h.open(t, knowsQuiet), h.meta, asks,
		&audit.Quiet{Opens: time.Now().Add(50 * time.Millisecond)})
	want(t, f, timeout, slices.Repeat([]marketplace.Outcome{timeout}, len(asks))...)
	if w := f.Window; !w.Quiet || *w != (marketplace.Window{Quiet: true}) || len(h.blocks) != 1 {
		t.Errorf("measured is %+v after %d requests", w, len(h.blocks))
	}
}
