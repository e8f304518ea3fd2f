package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

// A wire is one poster's raw HTTP: it sends once and knows nothing of retries.
type wire struct {
	base  string
	token string
	http  http.Client
}

// answerWithin bounds a request; a market that lost its database may be slow to say so.
const answerWithin = 20 * time.Second

// openWire signs in and makes an API key, which outlives restarts of the market.
func (s *story) openWire() (*wire, error) {
	c := client.New(s.web)
	if err := c.Login(s.ctx, s.poster.key); err != nil {
		return nil, err
	}
	key, err := c.CreateKey(s.ctx, client.KeyTerms{Name: "story",
		Scopes: []client.Scope{client.ScopeRead, client.ScopeTrade}})
	return &wire{base: s.web, token: key.Token, http: http.Client{Timeout: answerWithin}}, err
}

// send makes one request. once may be empty.
func (w *wire) send(method, path, kind, once string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, w.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	if once != "" {
		req.Header.Set("Idempotency-Key", once)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := w.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp, text, errors.Join(err, resp.Body.Close())
}

// request METHOD PATH STATUS [FILE] sends what no honest tool would, past all checks of ours on
// the poster's side, and prints the answer. $NAMES in a .json file are replaced. POSTs get a
// fresh Idempotency-Key, or $ONCE; $AS=nobody leaves the API key out.
func (s *story) request(ts *testscript.TestScript, args []string) error {
	w, err := s.openWire()
	if err != nil {
		return err
	}
	if ts.Getenv("AS") == "nobody" {
		w.token = ""
	}
	once, kind, body := ts.Getenv("ONCE"), "application/json", []byte(nil)
	if once == "" && args[0] == http.MethodPost {
		once = uuid.NewString()
	}
	if len(args) > 3 {
		body = []byte(ts.ReadFile(args[3]))
		if filepath.Ext(args[3]) == ".json" {
			body = []byte(os.Expand(string(body), ts.Getenv))
		} else {
			kind = "application/x-bittorrent"
		}
	}
	resp, text, err := w.send(args[0], args[1], kind, once, body)
	if err != nil {
		return err
	}
	fmt.Fprintf(ts.Stdout(), "%s\n", text)
	if want, err := strconv.Atoi(args[2]); err != nil || resp.StatusCode != want {
		return fmt.Errorf("answered %s, not %s\n%s", resp.Status, args[2], text)
	}
	return isProblem(resp, text)
}

// isProblem holds a refusal against what every refusal must say.
func isProblem(resp *http.Response, text []byte) error {
	if resp.StatusCode < 400 {
		return nil
	}
	var p struct {
		Type, Title, Detail string
		Status              int
		RequestID           string `json:"request_id"`
	}
	err := json.Unmarshal(text, &p)
	if kind := resp.Header.Get("Content-Type"); err != nil || kind != "application/problem+json" ||
		p.Status != resp.StatusCode || p.Type == "" || p.Title == "" || p.Detail == "" ||
		p.RequestID == "" {
		return fmt.Errorf("a refusal without its parts (%s, %w):\n%s", kind, err, text)
	}
	return nil
}

// An order is a POST /v1/bounties as it was answered.
type order struct {
	id       int64
	replayed bool
}

func (w *wire) order(once string, terms []byte) (o order, err error) {
	resp, text, err := w.send(http.MethodPost, "/v1/bounties", "application/json", once, terms)
	if err != nil {
		return o, err
	}
	if resp.StatusCode != http.StatusCreated {
		return o, fmt.Errorf("order %s: %s\n%s", once, resp.Status, text)
	}
	var b marketplace.Bounty
	err = json.Unmarshal(text, &b)
	return order{b.ID, resp.Header.Get("Idempotent-Replayed") == "true"}, err
}

func (s *story) terms(ts *testscript.TestScript, file string) []byte {
	return []byte(os.Expand(ts.ReadFile(file), ts.Getenv))
}

// twins FILE N sends one order N times at once with one key: all get the one bounty.
func (s *story) twins(ts *testscript.TestScript, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	w, err := s.openWire()
	if err != nil {
		return err
	}
	terms, once := s.terms(ts, args[0]), uuid.NewString()
	orders, errs := make([]order, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { orders[i], errs[i] = w.order(once, terms) })
	}
	all.Wait()
	first := 0
	for _, o := range orders {
		if !o.replayed {
			first++
		}
		if o.id != orders[0].id {
			errs = append(errs, fmt.Errorf("one key made bounties %d and %d", orders[0].id, o.id))
		}
	}
	if first != 1 {
		errs = append(errs, fmt.Errorf("%d of %d answers say that they are the first", first, n))
	}
	return errors.Join(errs...)
}

// count N says how many bounties the poster has, in all states.
func (s *story) count(_ *testscript.TestScript, args []string) error {
	all, err := s.client.Bounties(s.ctx, bountiesOf(s.poster.key.Address()))
	if err == nil && strconv.Itoa(len(all)) != args[0] {
		err = fmt.Errorf("the poster has %d bounties", len(all))
	}
	return err
}

// cancelAll ends every open bounty of the poster.
func (s *story) cancelAll(*testscript.TestScript, []string) error {
	all, err := s.client.Bounties(s.ctx, bountiesOf(s.poster.key.Address()))
	for _, b := range all {
		if b.State != marketplace.Open {
			continue
		}
		err = errors.Join(err, s.poster.run(s.ctx, nil, "bounty", "cancel", fmt.Sprint(b.ID)))
	}
	return err
}
