package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// A Signer holds an account's key. SignText signs a TRON signed message (TIP-191).
type Signer interface {
	Address() marketplace.Address
	SignText(text string) (marketplace.Signature, error)
}

// A Challenge is a text that an account signs to show that it holds its key.
type Challenge struct {
	Text      string    `json:"text" doc:"Sign exactly this as a TRON signed message"`
	ExpiresAt time.Time `json:"expires_at"`
}

// A Session is what a signed challenge opens.
type Session struct {
	Token     string              `json:"token" doc:"For Authorization: Bearer"`
	Account   marketplace.Address `json:"account"`
	ExpiresAt time.Time           `json:"expires_at"`
}

// A Scope is a sort of thing that a key may do.
type Scope string

// The scopes. A session has all of them.
const (
	ScopeRead     Scope = "read"     // read what is not public
	ScopeTrade    Scope = "trade"    // post, offer, take leases, report audits
	ScopeWithdraw Scope = "withdraw" // name another payee, make and revoke keys
)

// A KeyTerms is what an API key shall be.
type KeyTerms struct {
	Name      string           `json:"name" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x1f]*$"`
	Scopes    []Scope          `json:"scopes" minItems:"1" maxItems:"3" doc:"What it may do"`
	ExpiresIn marketplace.Span `json:"expires_in,omitempty" doc:"Like 90d, at most 365d; default 90d"`
}

// A Key is an API key. Its token is shown once, when it is made.
type Key struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Scopes    []Scope   `json:"scopes"`
	Token     string    `json:"token,omitempty" doc:"Shown only once"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Login signs in as the signer's account. Later calls act for it; a session that ends is renewed
// with the same signer.
func (c *Client) Login(ctx context.Context, s Signer) error {
	challenge, err := send[Challenge](ctx, c, http.MethodPost, "/v1/session/challenge", "",
		map[string]marketplace.Address{"address": s.Address()})
	if err != nil {
		return fmt.Errorf("ask for a challenge: %w", err)
	}
	if err := c.checkChallenge(challenge.Text, s.Address()); err != nil {
		return err
	}
	signature, err := s.SignText(challenge.Text)
	if err != nil {
		return fmt.Errorf("sign the challenge: %w", err)
	}
	opened, err := send[Session](ctx, c, http.MethodPost, "/v1/session", "",
		map[string]any{"text": challenge.Text, "signature": signature})
	if err != nil {
		return fmt.Errorf("answer the challenge: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.signer = opened.Token, s
	return nil
}

// checkChallenge refuses to sign what is not a sign-in to this market: a market could hand on
// another market's challenge and sign in there. Over plain HTTP the name proves nothing, and
// devnets answer to several names.
func (c *Client) checkChallenge(text string, self marketplace.Address) error {
	base, err := url.Parse(c.Base)
	if err != nil {
		return marketplace.Invalid.Errorf("market address %q: %v", c.Base, err)
	}
	domain, _, ok := strings.Cut(text, " wants you to sign in with your TRON account:\n"+
		self.String()+"\n")
	if !ok {
		return marketplace.Forbidden.Errorf("the market's challenge is not a sign-in for %s", self)
	}
	if base.Scheme == "https" && domain != base.Host {
		return marketplace.Forbidden.Errorf("the challenge is for %q, not for %q", domain, base.Host)
	}
	return nil
}

func (c *Client) token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != "" {
		return c.session
	}
	return c.Token
}

// renew signs in again when a session has ended; it says whether there is a new one.
func (c *Client) renew(ctx context.Context, path string) bool {
	c.mu.Lock()
	signer := c.signer
	if strings.HasPrefix(path, "/v1/session") || signer == nil {
		c.mu.Unlock()
		return false
	}
	c.session = "" // a dead token would be refused at the challenge too
	c.mu.Unlock()
	return c.Login(ctx, signer) == nil
}

// CreateKey makes an API key. Its token is in the answer and never again.
func (c *Client) CreateKey(ctx context.Context, terms KeyTerms) (Key, error) {
	return send[Key](ctx, c, http.MethodPost, "/v1/keys", "", terms)
}

// Keys returns the account's API keys, newest first.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	return whole[Key](ctx, c, "/v1/keys")
}

// RevokeKey ends an API key at once.
func (c *Client) RevokeKey(ctx context.Context, id int64) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/v1/keys/" + itoa(id)}, nil)
}

func itoa(id int64) string { return strconv.FormatInt(id, 10) }
