package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// The market pings every 15 s: a stream that is silent three times as long is dead.
const (
	silenceMax = 45 * time.Second
	lineMax    = 4 << 20
)

// Events returns what happened after an event, oldest first, and the id to go on from. Without
// after it begins with the first event there is; who zero means everybody's.
func (c *Client) Events(
	ctx context.Context, after string, who marketplace.Address, most int,
) (events []marketplace.Event, next string, err error) {
	q := url.Values{}
	for name, value := range map[string]string{"after": after, "who": who.String()} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if most > 0 {
		q.Set("limit", fmt.Sprint(most))
	}
	p, err := get[page[marketplace.Event]](ctx, c, "/v1/events", q)
	return p.Items, p.Next, err
}

// Stream yields events as they happen, those about who, or everybody's when who is zero. It
// begins after the event last, or with the next one that happens when last is empty. A broken
// connection is taken up again where it broke, without a gap and without repeats. Stream ends
// when ctx is done or the caller breaks off; only when the market refuses for good does it yield
// an error, which is the last thing it yields.
func (c *Client) Stream(
	ctx context.Context, who marketplace.Address, last string,
) iter.Seq2[marketplace.Event, error] {
	return func(yield func(marketplace.Event, error) bool) {
		for pause := pauseFirst; ctx.Err() == nil; pause = min(2*pause, pauseMax) {
			s := stream{client: c, who: who, last: last, yield: yield}
			wait, err := s.follow(ctx)
			last = s.last
			if s.stopped || ctx.Err() != nil {
				return
			}
			if wait < 0 {
				yield(marketplace.Event{}, err)
				return
			}
			if s.heard {
				pause = pauseFirst
			}
			select {
			case <-ctx.Done():
			case <-time.After(max(wait, pause)):
			}
		}
	}
}

// A stream is one connection to the market's event stream.
type stream struct {
	client  *Client
	who     marketplace.Address
	last    string // id of the last event or ping
	yield   func(marketplace.Event, error) bool
	stopped bool // the caller wants no more
	heard   bool // the market said something
}

// follow reads one connection to its end. A wait below zero means not to come back.
func (s *stream) follow(ctx context.Context) (wait time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dead := time.AfterFunc(silenceMax, cancel)
	defer dead.Stop()
	resp, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		err := refusal(resp, body)
		if errors.Is(err, marketplace.Unauthorized) && s.client.renew(ctx, "/v1/stream") {
			return 0, err
		}
		return pauseAsked(resp), err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), lineMax)
	return 0, s.read(lines, func() { dead.Reset(silenceMax) })
}

func (s *stream) open(ctx context.Context) (*http.Response, error) {
	target := s.client.Base + "/v1/stream"
	if !s.who.IsZero() {
		target += "?who=" + s.who.String()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, marketplace.Invalid.Errorf("market address %q: %v", s.client.Base, err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if s.last != "" {
		req.Header.Set("Last-Event-ID", s.last)
	}
	if token := s.client.token(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.client.http().Do(req)
	if err != nil {
		return nil, fmt.Errorf("open the stream: %w", err)
	}
	return resp, nil
}

// read yields the events of one connection. An event counts once its closing empty line is here.
func (s *stream) read(lines *bufio.Scanner, alive func()) error {
	var id, data string
	for lines.Scan() {
		alive()
		s.heard = true
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "id":
			id = value
		case name == "data":
			data = value // the market writes one line
		case lines.Text() == "" && data != "":
			var e marketplace.Event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				return fmt.Errorf("decode event %s: %w", id, err)
			}
			if !s.yield(e, nil) {
				s.stopped = true
				return nil
			}
			fallthrough
		case lines.Text() == "":
			if id != "" {
				s.last = id
			}
			id, data = "", ""
		}
	}
	return lines.Err()
}
