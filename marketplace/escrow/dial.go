package escrow

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"

	"github.com/everseed/everseed/marketplace"
)

// Config says where the chain is and what lies on it.
type Config struct {
	// GRPC lists TRON nodes, the favourite first, separated by commas: host:port, grpc://host:port or,
	// with TLS, grpcs://host:port, each with ?solid=port when WalletSolidity has a port of its own
	// (50061 on java-tron).
	GRPC      string
	APIKey    string              // TRON-PRO-API-KEY of public nodes; sent over TLS only
	Roots     *x509.CertPool      // who may vouch for a node with TLS; the system's when nil
	Token     marketplace.Address // BTT
	Vault     marketplace.Address // EverseedVault
	PerSecond float64             // requests a second at most, of each node; 15 when zero
	Timeout   time.Duration       // of one request; 10 s when zero
	Recheck   time.Duration       // how often several nodes are compared; 15 s when zero
	Behind    time.Duration       // how far a solid head may be behind another; 30 s when zero
	FeeLimit  int64               // sun that one transaction may burn; 300 TRX when zero
	Expires   time.Duration       // life of a transaction, if shorter than the node's minute
	Log       *slog.Logger        // is told when a node is left or taken back; nobody when nil
}

// Sun is the unit of fees: a TRX has a million.
const Sun = 1_000_000

const (
	perSecondDefault = 15
	burst            = 30
	timeoutDefault   = 10 * time.Second
	recheckDefault   = 15 * time.Second
	behindDefault    = 30 * time.Second
	feeLimitDefault  = 300 * Sun
	attempts         = 4
	backoffFirst     = 100 * time.Millisecond
	messageMax       = 64 << 20 // a full block
)

// A Vault is a client of one vault contract and its token. It is safe for concurrent use.
type Vault struct {
	config Config
	nodes  *nodes
	full   api.WalletClient         // answers from the head
	solid  api.WalletSolidityClient // answers from solid blocks
	domain atomic.Pointer[Domain]   // read from the contract once

	feeLeast int64 // sun that a transaction's fee limit is never below
}

// Dial makes a client. It connects when it is first used, and again whenever the connection is
// lost.
func Dial(_ context.Context, c Config) (*Vault, error) {
	endpoints, err := parseEndpoints(c.GRPC)
	if err != nil {
		return nil, err
	}
	secure := func(e endpoint) bool { return e.tls }
	if c.APIKey != "" && !slices.ContainsFunc(endpoints, secure) {
		return nil, marketplace.Invalid.Errorf("an API key is sent only over TLS, and no TRON node is" +
			" named with it: write grpcs://host:port")
	}
	v := &Vault{config: c.defaults()}
	if v.nodes, err = newNodes(&v.config, endpoints); err != nil {
		return nil, err
	}
	v.full = api.NewWalletClient(service{v.nodes, false})
	v.solid = api.NewWalletSolidityClient(service{v.nodes, true})
	return v, nil
}

func (c Config) defaults() Config {
	c.PerSecond = cmp.Or(c.PerSecond, perSecondDefault)
	c.Timeout = cmp.Or(c.Timeout, timeoutDefault)
	c.Recheck = cmp.Or(c.Recheck, recheckDefault)
	c.Behind = cmp.Or(c.Behind, behindDefault)
	c.FeeLimit = cmp.Or(c.FeeLimit, feeLimitDefault)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	return c
}

// Close ends the connections.
func (v *Vault) Close() error { return v.nodes.close() }

// pause doubles with every try; half of it is chance, so that clients do not march in step.
func pause(try int) time.Duration {
	d := backoffFirst << try
	return d/2 + rand.N(d/2) // #nosec G404 -- not a secret
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// unreachable is the error of a request that got no answer.
func unreachable(doing string, err error) error {
	var refusal *marketplace.Error
	if errors.Is(err, context.Canceled) || errors.As(err, &refusal) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return marketplace.Unavailable.Errorf("%s: TRON node does not answer: %v", doing, err)
}
