package tracker

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// The bounds. A tracker that is full forgets nobody: it refuses newcomers until others expire.
const (
	torrentsMax = 10_000
	peersMax    = 500 // of one torrent
	answerMax   = 50
	scrapeMax   = 100
)

// A Tracker is an http.Handler for /announce and /scrape.
type Tracker struct {
	// Interval is how often peers are told to announce. Who does not for twice as long is gone.
	// 0 means half a minute.
	Interval time.Duration

	mu       sync.Mutex // guards the fields below
	torrents map[marketplace.Infohash]*torrent
	swept    time.Time
}

// A torrent is who announced a torrent.
type torrent struct {
	peers     map[netip.AddrPort]peer
	completed int
}

type peer struct {
	seen time.Time
	seed bool
}

// ServeHTTP answers announces and scrapes; a refusal is bencoded too, as BEP 3 wants.
func (t *Tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body string
	var err error
	switch query := r.URL.Query(); r.URL.Path {
	case "/announce":
		body, err = t.announce(query, r.RemoteAddr, time.Now())
	case "/scrape":
		body, err = t.scrape(query["info_hash"], time.Now())
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		body = "d14:failure reason" + text(err.Error()) + "e"
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(body)) // #nosec G705 -- bencoding, and no browser takes it for a page
}

func (t *Tracker) interval() time.Duration { return cmp.Or(t.Interval, 30*time.Second) }

func (t *Tracker) announce(query url.Values, from string, now time.Time) (string, error) {
	h, err := infohash(query.Get("info_hash"))
	if err != nil {
		return "", err
	}
	remote, err := netip.ParseAddrPort(from)
	port, portErr := strconv.ParseUint(query.Get("port"), 10, 16)
	if err != nil || portErr != nil || port == 0 {
		return "", marketplace.Invalid.Errorf("port %.10q is none", query.Get("port"))
	}
	who := netip.AddrPortFrom(remote.Addr().Unmap(), uint16(port))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	if query.Get("event") == "stopped" {
		if s := t.torrents[h]; s != nil {
			delete(s.peers, who)
		}
		return t.answer(h, who, 0), nil
	}
	if err := t.note(h, who, query, now); err != nil {
		return "", err
	}
	want, err := strconv.Atoi(query.Get("numwant"))
	if err != nil || want < 0 || want > answerMax {
		want = answerMax
	}
	return t.answer(h, who, want), nil
}

// note writes down who announced. The caller holds mu.
func (t *Tracker) note(h marketplace.Infohash, who netip.AddrPort, query url.Values, now time.Time,
) error {
	s := t.torrents[h]
	if s == nil {
		if len(t.torrents) >= torrentsMax {
			return marketplace.TooMany.Errorf("tracker is full")
		}
		s = &torrent{peers: map[netip.AddrPort]peer{}}
		t.torrents[h] = s
	}
	if _, known := s.peers[who]; !known && len(s.peers) >= peersMax {
		return marketplace.TooMany.Errorf("torrent has %d peers already", peersMax)
	}
	if query.Get("event") == "completed" {
		s.completed++
	}
	s.peers[who] = peer{seen: now, seed: query.Get("left") == "0"}
	return nil
}

// sweep forgets who has not announced for two intervals. The caller holds mu.
func (t *Tracker) sweep(now time.Time) {
	if t.torrents == nil {
		t.torrents = map[marketplace.Infohash]*torrent{}
	}
	if now.Sub(t.swept) < t.interval()/4 {
		return
	}
	t.swept = now
	for h, s := range t.torrents {
		for who, p := range s.peers {
			if now.Sub(p.seen) > 2*t.interval() {
				delete(s.peers, who)
			}
		}
		if len(s.peers) == 0 {
			delete(t.torrents, h)
		}
	}
}

// answer returns some peers other than who asks: in compact form, seeds first. The caller holds mu.
func (t *Tracker) answer(h marketplace.Infohash, who netip.AddrPort, want int) string {
	var four, six []byte
	seeds, others := 0, 0
	if s := t.torrents[h]; s != nil {
		seeds, others = s.count()
		for _, p := range s.ranked() {
			switch {
			case p == who || len(four)/6+len(six)/18 >= want:
			case p.Addr().Is4():
				four = append(four, compact(p)...)
			default:
				six = append(six, compact(p)...)
			}
		}
	}
	every := max(1, int(t.interval()/time.Second))
	return fmt.Sprintf("d8:completei%de10:incompletei%de8:intervali%de12:min intervali%de5:peers%s"+
		"6:peers6%se", seeds, others, every, max(1, every/2), text(string(four)), text(string(six)))
}

func (s *torrent) count() (seeds, others int) {
	for _, p := range s.peers {
		if p.seed {
			seeds++
		} else {
			others++
		}
	}
	return seeds, others
}

// ranked returns the peers, seeds first, the newest of each first.
func (s *torrent) ranked() []netip.AddrPort {
	all := make([]netip.AddrPort, 0, len(s.peers))
	for who := range s.peers {
		all = append(all, who)
	}
	slices.SortFunc(all, func(a, b netip.AddrPort) int {
		x, y := s.peers[a], s.peers[b]
		if x.seed != y.seed {
			if x.seed {
				return -1
			}
			return 1
		}
		return cmp.Or(y.seen.Compare(x.seen), a.Compare(b))
	})
	return all
}

func compact(p netip.AddrPort) []byte {
	return binary.BigEndian.AppendUint16(p.Addr().AsSlice(), p.Port())
}

func (t *Tracker) scrape(hashes []string, now time.Time) (string, error) {
	if len(hashes) == 0 || len(hashes) > scrapeMax {
		return "", marketplace.Invalid.Errorf("scrape 1 to %d torrents at a time", scrapeMax)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	var files strings.Builder
	slices.Sort(hashes)
	for _, raw := range slices.Compact(hashes) {
		h, err := infohash(raw)
		if err != nil {
			return "", err
		}
		if s := t.torrents[h]; s != nil {
			seeds, others := s.count()
			fmt.Fprintf(&files, "%sd8:completei%de10:downloadedi%de10:incompletei%dee", text(raw), seeds,
				s.completed, others)
		}
	}
	return "d5:filesd" + files.String() + "ee", nil
}

func infohash(raw string) (h marketplace.Infohash, err error) {
	if len(raw) != len(h) {
		return h, marketplace.Invalid.Errorf("info_hash has %d bytes; it must have 20", len(raw))
	}
	return marketplace.Infohash([]byte(raw)), nil
}

func text(s string) string { return strconv.Itoa(len(s)) + ":" + s }
