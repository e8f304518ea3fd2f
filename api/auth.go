package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// How long sign-in texts, sessions and keys are good for.
const (
	challengeFor = 5 * time.Minute
	sessionFor   = 24 * time.Hour
	keyFor       = 90 * marketplace.Day
	keyForMax    = 365 * marketplace.Day
)

const (
	bearer      = "bearer" // the scheme's name in the spec
	tokenPrefix = "es_"
	sessionName = "session"
)

var allScopes = []client.Scope{client.ScopeRead, client.ScopeTrade, client.ScopeWithdraw}

// A caller is who sent a request, by session or API key.
type caller struct {
	account marketplace.Address
	scopes  []client.Scope
	key     string // names the key in the rate limiter
}

func (c caller) may(s client.Scope) bool { return slices.Contains(c.scopes, s) }

// callerOf returns who calls; routes without a scope may be called by nobody, who is zero.
func callerOf(ctx context.Context) caller {
	if c := visitOf(ctx).caller; c != nil {
		return *c
	}
	return caller{}
}

// newToken returns a secret and the hash that is stored in its place. 256 random bits need no
// slow hash.
func newToken() (token string, hash [32]byte) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
	return token, sha256.Sum256([]byte(token))
}

// identify finds the account behind an Authorization header.
func (s *Server) identify(ctx context.Context, header string, now time.Time) (caller, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") || !strings.HasPrefix(token, tokenPrefix) ||
		len(token) > 100 {
		return caller{}, marketplace.Unauthorized.Errorf(
			"Authorization must be \"Bearer es_…\"; sign in at POST /v1/session/challenge")
	}
	hash := sha256.Sum256([]byte(token))
	key, err := s.Book.KeyByHash(ctx, hash, now)
	if err != nil {
		return caller{}, err
	}
	scopes := make([]client.Scope, len(key.Scopes))
	for i, scope := range key.Scopes {
		scopes[i] = client.Scope(scope)
	}
	return caller{account: key.Account, scopes: scopes, key: hex.EncodeToString(hash[:])}, nil
}

// authorize lets a request through to a route that says who may call it.
func (s *Server) authorize(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	if len(op.Security) == 0 {
		next(ctx)
		return
	}
	var err error
	c := visitOf(ctx.Context()).caller
	scope := client.Scope(op.Metadata["scope"].(string))
	switch {
	case c == nil:
		ctx.SetHeader("WWW-Authenticate", "Bearer")
		err = marketplace.Unauthorized.Errorf("sign in: POST /v1/session/challenge, or use a key")
	case !c.may(scope):
		err = marketplace.Forbidden.Errorf("this key lacks the scope %q", scope)
	case op.Metadata["signer"] == true && !s.signsCheques(c.account):
		err = marketplace.Forbidden.Errorf("%s is no auditor that signs this market's cheques", c.account)
	default:
		next(ctx)
		return
	}
	r, w := humachi.Unwrap(ctx)
	refuse(w, r, err)
}

// challengeText is what an account signs to sign in (after EIP-4361).
func (s *Server) challengeText(
	account marketplace.Address, nonce string, issued time.Time,
) string {
	return fmt.Sprintf(`%s wants you to sign in with your TRON account:
%s

This opens a session on the market. It costs nothing and moves no money.

URI: %s
Version: 1
Chain ID: %d
Nonce: %s
Issued At: %s
Expiration Time: %s`, s.Domain, account, s.Domain, s.info.ChainID, nonce,
		issued.Format(time.RFC3339), issued.Add(challengeFor).Format(time.RFC3339))
}

// readChallenge takes apart what challengeText made, and nothing else: it builds the text again
// from its parts and compares.
func (s *Server) readChallenge(
	text string, now time.Time,
) (account marketplace.Address, nonce string, err error) {
	other := marketplace.Unauthorized.Errorf("the text is not a challenge of this market")
	lines := strings.Split(text, "\n")
	if len(lines) != 11 {
		return account, "", other
	}
	if account, err = marketplace.ParseAddress(lines[1]); err != nil {
		return account, "", other
	}
	nonce = strings.TrimPrefix(lines[8], "Nonce: ")
	issued, err := time.Parse(time.RFC3339, strings.TrimPrefix(lines[9], "Issued At: "))
	if err != nil || text != s.challengeText(account, nonce, issued) {
		return account, "", other
	}
	if now.After(issued.Add(challengeFor)) || issued.After(now.Add(time.Minute)) {
		return account, "", marketplace.Unauthorized.Errorf("the challenge has expired; ask again")
	}
	return account, nonce, nil
}

type addressBody struct {
	Body struct {
		Address marketplace.Address `json:"address" doc:"Account to sign in as"`
	} `nameHint:"AddressBody"`
}

func (s *Server) challenge(ctx context.Context, in *addressBody) (client.Challenge, error) {
	now := time.Now().UTC().Truncate(time.Second)
	nonce := rand.Text()
	if err := s.Book.NewNonce(ctx, nonce, in.Body.Address, now.Add(challengeFor)); err != nil {
		return client.Challenge{}, err
	}
	return client.Challenge{Text: s.challengeText(in.Body.Address, nonce, now),
		ExpiresAt: now.Add(challengeFor)}, nil
}

type signedText struct {
	Body struct {
		Text      string                `json:"text" maxLength:"2000" doc:"Challenge as it came"`
		Signature marketplace.Signature `json:"signature" doc:"TRON signed message (TIP-191)"`
	} `nameHint:"SignedText"`
}

func (s *Server) login(ctx context.Context, in *signedText) (client.Session, error) {
	now := time.Now().UTC()
	account, nonce, err := s.readChallenge(in.Body.Text, now)
	if err != nil {
		return client.Session{}, err
	}
	signer, err := escrow.RecoverText(in.Body.Text, in.Body.Signature)
	if err != nil || signer != account {
		return client.Session{}, marketplace.Unauthorized.Errorf(
			"the signature is not %s's over this text", account)
	}
	if err := s.Book.UseNonce(ctx, nonce, account, now); err != nil {
		return client.Session{}, err
	}
	token, hash := newToken()
	end := now.Add(sessionFor)
	_, err = s.Book.CreateKey(ctx, orderbook.Key{Account: account}, sessionName,
		scopeTexts(allScopes), hash, end, now)
	return client.Session{Token: token, Account: account, ExpiresAt: end}, err
}

func scopeTexts(scopes []client.Scope) []string {
	out := make([]string, len(scopes))
	for i, s := range scopes {
		out[i] = string(s)
	}
	return out
}

type keyBody struct {
	Once    string `header:"Idempotency-Key" maxLength:"200"`
	Body    client.KeyTerms
	RawBody []byte
}

func (s *Server) createKey(ctx context.Context, in *keyBody) (client.Key, error) {
	c, t := callerOf(ctx), in.Body
	now := time.Now().UTC()
	if t.ExpiresIn == 0 {
		t.ExpiresIn = marketplace.Span(keyFor)
	}
	if t.ExpiresIn.Duration() > keyForMax || t.ExpiresIn < 0 {
		return client.Key{}, &marketplace.Error{Kind: marketplace.Invalid, Field: "expires_in",
			Detail: "is more than 365d"}
	}
	if t.Name == sessionName {
		return client.Key{}, &marketplace.Error{Kind: marketplace.Invalid, Field: "name",
			Detail: "is taken by the sessions themselves"}
	}
	for _, scope := range t.Scopes {
		if !c.may(scope) {
			return client.Key{}, marketplace.Forbidden.Errorf("a key cannot give %q, which the "+
				"one that makes it lacks", scope)
		}
	}
	token, hash := newToken()
	end := now.Add(t.ExpiresIn.Duration())
	made, err := s.Book.CreateKey(ctx, onceKey(ctx, in.Once, "/v1/keys", in.RawBody), t.Name,
		scopeTexts(t.Scopes), hash, end, now)
	if err != nil {
		return client.Key{}, err
	}
	k := keyView(made)
	k.Token = token
	return k, nil
}
