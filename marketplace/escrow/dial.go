package escrow

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/everseed/everseed/marketplace"
)

// Config says where the chain is and what lies on it.
type Config struct {
	GRPC      string              // host:port of a full node's gRPC
	Solidity  string              // host:port of its solid service, when that is another one
	TLS       bool                // for nodes that are not on this machine
	APIKey    string              // TRON-PRO-API-KEY of public endpoints; needs TLS
	Token     marketplace.Address // BTT
	Vault     marketplace.Address // EverseedVault
	PerSecond float64             // requests a second at most; 15 when zero
	Timeout   time.Duration       // of one request; 10 s when zero
	FeeLimit  int64               // sun that one transaction may burn; 300 TRX when zero
	Expires   time.Duration       // life of a transaction, if shorter than the node's minute
}

// Sun is the unit of fees: a TRX has a million.
const Sun = 1_000_000

const (
	perSecondDefault = 15
	burst            = 30
	timeoutDefault   = 10 * time.Second
	feeLimitDefault  = 300 * Sun
	attempts         = 4
	backoffFirst     = 100 * time.Millisecond
	messageMax       = 64 << 20 // a full block
)

// A Vault is a client of one vault contract and its token. It is safe for concurrent use.
type Vault struct {
	config Config
	conns  []*grpc.ClientConn
	full   api.WalletClient         // answers from the head
	solid  api.WalletSolidityClient // answers from solid blocks
	domain atomic.Pointer[Domain]   // read from the contract once

	feeLeast int64 // sun that a transaction's fee limit is never below
}

// Dial makes a client. It connects when it is first used, and again whenever the connection is
// lost.
func Dial(_ context.Context, c Config) (*Vault, error) {
	if c.GRPC == "" {
		return nil, marketplace.Invalid.Errorf("no TRON node: give host:port of its gRPC")
	}
	if c.APIKey != "" && !c.TLS {
		return nil, marketplace.Invalid.Errorf("an API key is sent only over TLS")
	}
	c = c.defaults()
	v := &Vault{config: c}
	options := c.dialOptions(rate.NewLimiter(rate.Limit(c.PerSecond), burst))
	for _, address := range []string{c.GRPC, c.Solidity} {
		if len(v.conns) == 1 && address == c.GRPC {
			v.conns = append(v.conns, v.conns[0])
			continue
		}
		conn, err := grpc.NewClient(address, options...)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("dial TRON node %s: %w", address, err), v.Close())
		}
		v.conns = append(v.conns, conn)
	}
	v.full = api.NewWalletClient(v.conns[0])
	v.solid = api.NewWalletSolidityClient(v.conns[1])
	return v, nil
}

func (c Config) defaults() Config {
	if c.Solidity == "" {
		c.Solidity = c.GRPC
	}
	if c.PerSecond == 0 {
		c.PerSecond = perSecondDefault
	}
	if c.Timeout == 0 {
		c.Timeout = timeoutDefault
	}
	if c.FeeLimit == 0 {
		c.FeeLimit = feeLimitDefault
	}
	return c
}

func (c Config) dialOptions(limit *rate.Limiter) []grpc.DialOption {
	creds := insecure.NewCredentials()
	if c.TLS {
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMax)),
		grpc.WithUnaryInterceptor(c.patiently(limit)),
	}
}

// Close ends the connections.
func (v *Vault) Close() error {
	var all error
	for i, conn := range v.conns {
		if i == 0 || conn != v.conns[0] {
			all = errors.Join(all, conn.Close())
		}
	}
	return all
}

// patiently keeps to the rate, and tries again what failed on the way. Every request of this
// package may be made twice: reading changes nothing, and the same transaction counts once.
func (c Config) patiently(limit *rate.Limiter) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, conn *grpc.ClientConn,
		invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		if c.APIKey != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "TRON-PRO-API-KEY", c.APIKey)
		}
		for try := 0; ; try++ {
			if err := limit.Wait(ctx); err != nil {
				return err
			}
			err := func() error {
				ctx, cancel := context.WithTimeout(ctx, c.Timeout)
				defer cancel()
				return invoke(ctx, method, req, reply, conn, opts...)
			}()
			if err == nil || !passing(err) || try+1 == attempts {
				return err
			}
			if err := sleep(ctx, pause(try)); err != nil {
				return err
			}
		}
	}
}

// passing says whether a failure may be gone a moment later.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.Aborted:
		return true
	default:
		return false
	}
}

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
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return marketplace.Unavailable.Errorf("%s: TRON node does not answer: %v", doing, err)
}
