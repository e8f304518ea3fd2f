package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
)

const (
	pingEvery = 15 * time.Second
	catchUp   = 200 // events read from the book at once for a stream that is behind
	hubWait   = 10 * time.Second
)

// A stream is one client of GET /v1/stream.
type stream struct {
	server *Server
	w      http.ResponseWriter
	out    *http.ResponseController
	who    *marketplace.Address
	last   string // everything up to this event was sent or concerns others

	own     bool  // who is the caller, who is told what is for it alone, too
	noticed int64 // everything up to this notice was passed on or is for others
}

// streamEvents is GET /v1/stream: server-sent events, in order, without gap or repeat. A client
// that reads too slowly is cut and comes back with the id of the last event it got.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) {
	c := &stream{server: s, w: w, out: http.NewResponseController(w)}
	open := s.gauges.streams.Add(1)
	defer s.gauges.streams.Add(-1)
	if s.Limits.StreamsMax > 0 && open > int64(s.Limits.StreamsMax) {
		w.Header().Set("Retry-After", "10")
		refuse(w, r, marketplace.Unavailable.Errorf("too many streams are open; try again"))
		return
	}
	first, err := c.begin(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	if err := c.write([]byte("retry: 2000\n\n")); err != nil {
		return
	}
	if err := c.run(r.Context(), first); err != nil {
		visitOf(r.Context()).log.DebugContext(r.Context(), "stream cut", "err", err)
	}
}

// begin reads the parameters and the first events, so that a wrong cursor is still refused.
func (c *stream) begin(r *http.Request) ([]marketplace.Event, error) {
	for name, values := range r.URL.Query() {
		switch name {
		case "who":
			a, err := marketplace.ParseAddress(values[0])
			if err != nil {
				return nil, err
			}
			c.who = &a
		case "after":
			c.last = values[0]
		default:
			return nil, marketplace.Invalid.Errorf("query.%s is unknown here", name)
		}
	}
	c.own = c.who != nil && *c.who == callerOf(r.Context()).account
	_, c.noticed = c.server.hub.noticesAfter(0)
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		c.last = id
	}
	if c.last == "" {
		return nil, c.fromNow(r.Context())
	}
	events, err := c.readBook(r.Context())
	if err != nil || len(events) > 0 {
		return events, err
	}
	return nil, c.notAhead(r.Context())
}

// notAhead begins anew when the client comes with the id of an event that is not there yet: one
// of another market that had this address before.
func (c *stream) notAhead(ctx context.Context) error {
	newest, err := c.server.Book.EventsTail(ctx, 1)
	if err != nil {
		return fmt.Errorf("read the newest event: %w", err)
	}
	if len(newest) == 0 || before(newest[0].ID, c.last) {
		return c.fromNow(ctx)
	}
	return nil
}

// fromNow begins at the hub's newest event; right after the start it waits for the hub.
func (c *stream) fromNow(ctx context.Context) error {
	for {
		v := c.server.hub.after("")
		if v.begun {
			c.last = v.tail
			return nil
		}
		if v.over {
			return marketplace.Unavailable.Errorf("the market is stopping")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-v.news:
		case <-time.After(hubWait):
			return marketplace.Unavailable.Errorf("events cannot be read now")
		}
	}
}

// readBook reads a page of events that the hub does not keep any more.
func (c *stream) readBook(ctx context.Context) ([]marketplace.Event, error) {
	reached := c.server.hub.at() // everything up to here is in the book by now
	events, _, err := c.server.Book.EventsAfter(ctx, c.last, c.who, catchUp)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if len(events) > 0 {
		c.last = events[len(events)-1].ID
	}
	if len(events) < catchUp && before(c.last, reached) {
		c.last = reached
	}
	return events, nil
}

// run sends until the client leaves or the market stops.
func (c *stream) run(ctx context.Context, events []marketplace.Event) error {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		if err := c.send(events); err != nil {
			return err
		}
		v := c.server.hub.after(c.last)
		if err := c.passNotices(); err != nil {
			return err
		}
		switch {
		case v.over:
			return nil
		case v.behind:
			var err error
			if events, err = c.readBook(ctx); err != nil {
				return err
			}
			continue
		case len(v.events) > 0:
			events = c.mine(v.events)
			c.last = v.tail
			continue
		}
		events = nil
		select {
		case <-ctx.Done():
			return nil
		case <-v.news:
		case <-ping.C:
			// the id lets a client whom nothing concerned resume here
			if err := c.write([]byte(": ping\nid: " + c.last + "\n\n")); err != nil {
				return err
			}
		}
	}
}

// mine picks the events that the client asked for.
func (c *stream) mine(events []marketplace.Event) []marketplace.Event {
	if c.who == nil {
		return events
	}
	var out []marketplace.Event
	for _, e := range events {
		if slices.Contains(e.Who, *c.who) {
			out = append(out, e)
		}
	}
	return out
}

func (c *stream) send(events []marketplace.Event) error {
	var buf []byte
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event %s: %w", e.ID, err)
		}
		buf = fmt.Appendf(buf, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data)
	}
	if len(buf) == 0 {
		return nil
	}
	return c.write(buf)
}

func (c *stream) write(b []byte) error {
	if err := c.out.SetWriteDeadline(time.Now().Add(c.server.writeMax)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	if _, err := c.w.Write(b); err != nil {
		return err
	}
	return c.out.Flush()
}
