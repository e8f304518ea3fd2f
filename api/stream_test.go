package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

// happen makes n events: torrents are the cheapest thing to tell of.
func (r *rig) happen(c *client.Client, prefix string, n int) {
	r.t.Helper()
	for i := range n {
		_, err := c.AddTorrent(r.t.Context(), metainfoOf(fmt.Sprint(prefix, i)))
		must(r.t, err)
	}
}

// story reads n events by GET /v1/events. An event is told when every older transaction of the
// whole database server has ended, and other tests run there too.
func (r *rig) story(who marketplace.Address, n int) []string {
	r.t.Helper()
	var ids []string
	end := time.Now().Add(20 * time.Second)
	for after := ""; len(ids) < n; {
		events, next, err := r.visitor().Events(r.t.Context(), after, who, 3)
		must(r.t, err)
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		if after = next; len(events) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		if time.Now().After(end) {
			r.t.Fatalf("told of %d events, want %d", len(ids), n)
		}
	}
	return ids
}

// hear reads n events of a stream that begins after last.
func (r *rig) hear(who marketplace.Address, last string, n int) []string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	var ids []string
	for e, err := range r.visitor().Stream(ctx, who, last) {
		must(r.t, err)
		if ids = append(ids, e.ID); len(ids) == n {
			break
		}
	}
	return ids
}

func TestAStreamTellsEverythingOnceInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := newKey(t), newKey(t)
	first := r.as(a)
	r.happen(first, "before", 1)
	begin := r.story(marketplace.Address{}, 1)[0]

	// Readers come and go while things happen; each goes on from the last event it saw.
	var readers sync.WaitGroup
	const more = 40
	got := make([][]string, 4)
	for i := range got {
		readers.Go(func() {
			for last := begin; len(got[i]) < more; last = got[i][len(got[i])-1] {
				n := min(1+rand.IntN(9), more-len(got[i]))
				heard := r.hear(marketplace.Address{}, last, n)
				if len(heard) < n {
					t.Errorf("reader %d heard %d of %d", i, len(got[i])+len(heard), more)
					return
				}
				got[i] = append(got[i], heard...)
			}
		})
	}
	second := r.as(b)
	var writers sync.WaitGroup
	writers.Go(func() { r.happen(first, "a", more/2) })
	writers.Go(func() { r.happen(second, "b", more/2) })
	writers.Wait()
	readers.Wait()
	want := r.story(marketplace.Address{}, 1+more)[1:]
	for i := range got {
		if !slices.Equal(got[i], want) {
			t.Errorf("reader %d heard\n%v, want\n%v", i, got[i], want)
		}
	}
	mine := r.story(a.Address(), 1+more/2)
	if heard := r.hear(a.Address(), begin, more/2); !slices.Equal(heard, mine[1:]) {
		t.Errorf("about one account:\n%v, want\n%v", heard, mine[1:])
	}
}

func TestAStreamThatIsFarBehindReadsTheBook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := newKey(t)
	r.happen(r.as(me), "old", 5)
	ids := r.story(marketplace.Address{}, 5)
	h := newHub(r.book) // as after a restart: nothing kept
	must(t, h.read(t.Context()))
	if v := h.after(ids[0]); !v.behind {
		t.Errorf("a hub that kept nothing says %+v", v)
	}
	if v := h.after(ids[4]); v.behind || len(v.events) != 0 {
		t.Errorf("at the newest event: %+v", v)
	}
	stranger := newKey(t).Address()
	c := &stream{server: &Server{Config: Config{Book: r.book}, hub: h}, who: &stranger, last: ids[0]}
	events, err := c.readBook(t.Context())
	if err != nil || len(events) != 0 || c.last != ids[4] {
		t.Errorf("whom nothing concerned is at %q, not at %q: %v", c.last, ids[4], err)
	}
	if heard := r.hear(marketplace.Address{}, ids[0], 4); !slices.Equal(heard, ids[1:]) {
		t.Errorf("heard %v, want %v", heard, ids[1:])
	}
}

func TestTheHubForgetsTheOldestOnly(t *testing.T) {
	t.Parallel()
	h := newHub(nil)
	h.begun = true
	for from := 1; from <= 2*logMax; from += 100 {
		var events []marketplace.Event
		for i := range 100 {
			events = append(events, marketplace.Event{ID: fmt.Sprintf("%d-1", from+i)})
		}
		h.add(events)
	}
	newest := h.at()
	if len(h.log) != logMax || h.log[len(h.log)-1].ID != newest {
		t.Fatalf("keeps %d events up to %s", len(h.log), newest)
	}
	if v := h.after(h.floor); v.behind || len(v.events) != logMax {
		t.Errorf("at the floor: behind %v, %d events", v.behind, len(v.events))
	}
	if v := h.after("3-1"); !v.behind {
		t.Error("the log reaches back too far")
	}
	if v := h.after(h.log[10].ID); len(v.events) != logMax-11 || v.events[0].ID != h.log[11].ID {
		t.Errorf("after the eleventh: %d events from %s", len(v.events), v.events[0].ID)
	}
}

func TestEventIDsSortAsNumbers(t *testing.T) {
	t.Parallel()
	order := []string{"", "9-1", "9-12", "10-2", "10-13", "100-1"}
	for i, a := range order {
		for j, b := range order {
			if before(a, b) != (i < j) {
				t.Errorf("before(%q, %q) = %v", a, b, before(a, b))
			}
		}
	}
}

func TestAStreamNamesEventsAndPings(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.web.URL+"/v1/stream", nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("content type %q", ct)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Scan()
	if lines.Text() != "retry: 2000" {
		t.Errorf("first line %q", lines.Text())
	}
	r.happen(r.as(newKey(t)), "x", 1)
	var names []string
	for lines.Scan() && len(names) < 3 {
		if name, _, ok := strings.Cut(lines.Text(), ": "); ok {
			names = append(names, name)
		}
	}
	if fmt.Sprint(names) != "[id event data]" {
		t.Errorf("lines %v", names)
	}
}

func TestAWrongCursorIsRefusedAndOneFromElsewhereBeginsAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	resp, body := ask(t, "GET", r.web.URL+"/v1/stream", "", "Last-Event-ID", "nonsense")
	wantProblem(t, resp, body, 422, marketplace.Invalid)
	resp, body = ask(t, "GET", r.web.URL+"/v1/events?after=nonsense", "")
	wantProblem(t, resp, body, 422, marketplace.Invalid)

	c := r.as(newKey(t))
	r.happen(c, "x", 1)
	heard := make(chan []string)
	go func() { heard <- r.hear(marketplace.Address{}, "999999999-1", 1) }()
	for i := 0; ; i++ { // until the stream is open, nobody knows whether it begins before an event
		r.happen(c, fmt.Sprint("y", i), 1)
		select {
		case ids := <-heard:
			if len(ids) != 1 {
				t.Errorf("heard %v", ids)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
		if i == 100 {
			t.Fatal("heard nothing")
		}
	}
}

func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := New(Config{Book: r.book})
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	resp, err := http.Get(web.URL + "/v1/stream")
	must(t, err)
	defer resp.Body.Close()
	stop()
	must(t, <-done)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
	}
	must(t, lines.Err())
}

func TestTooManyStreamsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Limits.StreamsMax = 1 })
	resp, err := http.Get(r.web.URL + "/v1/stream")
	must(t, err)
	defer resp.Body.Close()
	again, body := ask(t, "GET", r.web.URL+"/v1/stream", "")
	wantProblem(t, again, body, 503, marketplace.Unavailable)
}

// A pipe is a listener of connections without any buffer, so that a client that does not read
// holds the server up at once.
type pipe struct {
	calls chan net.Conn
	done  chan struct{}
}

func (p pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipe) Close() error { close(p.done); return nil }

func (p pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func TestAClientThatDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.server.writeMax = 50 * time.Millisecond
	p := pipe{calls: make(chan net.Conn), done: make(chan struct{})}
	web := &http.Server{Handler: r.server.Handler(), ReadHeaderTimeout: time.Second}
	go web.Serve(p) //nolint:errcheck // it ends with ErrServerClosed
	t.Cleanup(func() { _ = web.Close() })

	here, there := net.Pipe()
	p.calls <- there
	_, err := io.WriteString(here, "GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	reader := bufio.NewReader(here)
	for line := ""; !strings.HasPrefix(line, "retry"); { // it is open now
		line, err = reader.ReadString('\n')
		must(t, err)
	}
	r.happen(r.as(newKey(t)), "x", 1)
	for end := time.Now().Add(10 * time.Second); r.server.gauges.streams.Load() > 0; {
		if time.Now().After(end) {
			t.Fatal("a stream that nobody reads stays open")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
