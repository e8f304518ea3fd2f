package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// Limits of one call. A market that asks for a longer pause than pauseMax is obeyed by giving up.
const (
	triesMax    = 5
	pauseFirst  = 200 * time.Millisecond
	pauseMax    = 30 * time.Second
	callTimeout = time.Minute
	answerMax   = 32 << 20
)

// A Client talks to one market. Its exported fields are set before the first call and not
// changed after; its methods may be called at the same time.
type Client struct {
	Base  string       // like https://market.example
	Token string       // an API key; not needed after Login
	HTTP  *http.Client // http.DefaultClient when nil

	mu      sync.Mutex // guards session and signer
	session string
	signer  Signer
}

// New returns a client of the market at base.
func New(base string) *Client { return &Client{Base: strings.TrimRight(base, "/")} }

// A call is one request, kept so that it can be sent again.
type call struct {
	method string
	path   string
	query  url.Values
	body   []byte
	kind   string // Content-Type of body
	once   string // Idempotency-Key
}

// get asks for path and decodes the answer into a T.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	var out T
	err := c.do(ctx, call{method: http.MethodGet, path: path, query: query}, &out)
	return out, err
}

// send writes in as JSON to path and decodes the answer into a T. An empty key is replaced by a
// random one, so that the repeats of this one call are known to be repeats.
func send[T any](ctx context.Context, c *Client, method, path, once string, in any) (T, error) {
	var out T
	r := call{method: method, path: path, once: once, kind: "application/json"}
	if method == http.MethodPost && once == "" {
		r.once = rand.Text()
	}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return out, fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		r.body = body
	}
	return out, c.do(ctx, r, &out)
}

// do sends r until it is answered for good, and decodes the answer into out: a *[]byte gets it
// as it is, nil drops it.
func (c *Client) do(ctx context.Context, r call, out any) error {
	pause, renewed := pauseFirst, false
	for try := 1; ; try++ {
		wait, err := c.try(ctx, r, out)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.Is(err, marketplace.Unauthorized) && !renewed && c.renew(ctx, r.path):
			renewed = true
			continue
		case wait < 0 || try == triesMax || wait > pauseMax:
			return err
		}
		pause *= 2
		wait = max(wait, pause/2+mathrand.N(pause/2)) // #nosec G404 -- spreads retries
		if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// try sends r once. With an error it says how long to wait before another try; below zero means
// that another try would end the same way.
func (c *Client) try(ctx context.Context, r call, out any) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.roundTrip(ctx, r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerMax))
	if err != nil {
		return 0, fmt.Errorf("read the answer to %s %s: %w", r.method, r.path, err)
	}
	if resp.StatusCode >= 300 {
		return pauseAsked(resp), refusal(resp, body)
	}
	switch out := out.(type) {
	case nil:
	case *[]byte:
		*out = body
	default:
		if len(body) == 0 {
			return -1, nil
		}
		if err := json.Unmarshal(body, out); err != nil {
			return -1, fmt.Errorf("decode the answer to %s %s: %w", r.method, r.path, err)
		}
	}
	return -1, nil
}

func (c *Client) roundTrip(ctx context.Context, r call) (*http.Response, error) {
	target := c.Base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, marketplace.Invalid.Errorf("market address %q: %v", c.Base, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "everseed")
	if r.body != nil {
		req.Header.Set("Content-Type", r.kind)
	}
	if r.once != "" {
		req.Header.Set("Idempotency-Key", r.once)
	}
	if token := c.token(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http().Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the market: %w", err)
	}
	return resp, nil
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

// pauseAsked returns how long the market asks to wait, or -1 when waiting would not help.
func pauseAsked(resp *http.Response) time.Duration {
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable,
		http.StatusBadGateway, http.StatusGatewayTimeout:
	default:
		return -1
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
