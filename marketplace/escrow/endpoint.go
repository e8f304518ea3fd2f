package escrow

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/everseed/everseed/marketplace"
)

// endpointsMax bounds the list: every one of them is asked how it is, now and then.
const endpointsMax = 8

// An endpoint is where one TRON node listens.
type endpoint struct {
	name  string // as its owner wrote it
	full  string // host:port of the service that answers from the head
	solid string // host:port of the one that answers from solid blocks
	tls   bool
}

// parseEndpoints reads a comma-separated list, best first, of
//
//	[grpc://|grpcs://]host:port[?solid=[host:]port]
//
// grpcs is TLS. solid says where the node's WalletSolidity is, when that is another port.
func parseEndpoints(text string) ([]endpoint, error) {
	var all []endpoint
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		e, err := parseEndpoint(part)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o endpoint) bool { return o.full == e.full }) {
			return nil, marketplace.Invalid.Errorf("TRON node %s is named twice", e.full)
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, marketplace.Invalid.Errorf("no TRON node: give host:port of its gRPC")
	}
	if len(all) > endpointsMax {
		return nil, marketplace.Invalid.Errorf("%d TRON nodes are named; at most %d", len(all),
			endpointsMax)
	}
	return all, nil
}

func parseEndpoint(text string) (endpoint, error) {
	// What was written may hold a secret, like a key of a provider: it is not repeated.
	refuse := func(what string) (endpoint, error) {
		return endpoint{}, marketplace.Invalid.Errorf("a TRON node's address %s; write host:port,"+
			" grpc://host:port or, for TLS, grpcs://host:port, with ?solid=port when its solid"+
			" service has a port of its own", what)
	}
	if !strings.Contains(text, "://") {
		text = "grpc://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return refuse("cannot be read")
	}
	if u.Scheme != "grpc" && u.Scheme != "grpcs" {
		return refuse("begins with neither grpc:// nor grpcs://")
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return refuse("has a user, a path or a fragment")
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil || host == "" || port == "" {
		return refuse("lacks host or port")
	}
	e := endpoint{name: u.Host, full: u.Host, solid: u.Host, tls: u.Scheme == "grpcs"}
	for key, values := range u.Query() {
		if key != "solid" || len(values) != 1 || values[0] == "" {
			return refuse("has a query that is not solid=port")
		}
		e.solid = values[0]
		if !strings.Contains(e.solid, ":") {
			e.solid = net.JoinHostPort(host, e.solid)
		}
		if _, _, err := net.SplitHostPort(e.solid); err != nil {
			return refuse("has a solid service that is not host:port")
		}
	}
	return e, nil
}

// A node is a connection to an endpoint. What guards its health is nodes.mu.
type node struct {
	endpoint
	config *Config
	limit  *rate.Limiter
	full   *grpc.ClientConn
	solid  *grpc.ClientConn // the same one when both services have one address
	health
}

// connect makes a node of an endpoint. It connects when it is first asked.
func connect(c *Config, e endpoint) (*node, error) {
	n := &node{endpoint: e, config: c, limit: rate.NewLimiter(rate.Limit(c.PerSecond), burst)}
	creds := insecure.NewCredentials()
	if e.tls {
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots})
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMax)),
	}
	var err error
	if n.full, err = grpc.NewClient(e.full, options...); err != nil {
		return nil, marketplace.Invalid.Errorf("TRON node %s: %v", e.name, err)
	}
	if n.solid = n.full; e.solid != e.full {
		if n.solid, err = grpc.NewClient(e.solid, options...); err != nil {
			return nil, errors.Join(marketplace.Invalid.Errorf("TRON node %s: %v", e.solid, err),
				n.full.Close())
		}
	}
	return n, nil
}

func (n *node) close() error {
	err := n.full.Close()
	if n.solid != n.full {
		err = errors.Join(err, n.solid.Close())
	}
	return err
}

// errStalled is the fault of a node that takes a request and does not answer in time.
var errStalled = errors.New("no answer in time")

// ask makes one request of one node, at its rate.
func (n *node) ask(
	ctx context.Context, solid bool, method string, in, out any, opts ...grpc.CallOption,
) error {
	if err := n.limit.Wait(ctx); err != nil {
		return err
	}
	if n.config.APIKey != "" && n.tls {
		ctx = metadata.AppendToOutgoingContext(ctx, "TRON-PRO-API-KEY", n.config.APIKey)
	}
	within, cancel := context.WithTimeout(ctx, n.config.Timeout)
	defer cancel()
	conn := n.full
	if solid {
		conn = n.solid
	}
	err := conn.Invoke(within, method, in, out, opts...)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case within.Err() != nil:
		return fmt.Errorf("%w: %s", errStalled, n.config.Timeout)
	case solid && status.Code(err) == codes.Unimplemented && n.endpoint.solid == n.endpoint.full:
		return marketplace.Invalid.Errorf("TRON node %s has no solid service there (%v); name its"+
			" port, like %s?solid=50061", n.name, err, n.name)
	default:
		return err
	}
}
