package audit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/proxy"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Via is a SOCKS5 proxy (RFC 1928) by which an auditor may come: best one whose addresses many
// downloaders share, so that nobody can serve it alone.
type Via struct {
	name string // without its password
	proxy.ContextDialer
}

// errVia says that a proxy cannot be reached, or does not do as it is told: nothing of the agent.
var errVia = errors.New("the proxy does not serve us")

// ofAgents are the answers of a proxy that say something of whom it called on (RFC 1928, 6), as the library
// words them: it has no type for them. Any other answer, as to a wrong password, is the proxy's own.
var ofAgents = []string{"network unreachable", "host unreachable", "connection refused", "TTL expired"}

// NewVia reads where a proxy is, like socks5://user:password@192.0.2.1:1080.
func NewVia(text string) (v Via, err error) {
	wrong := marketplace.Invalid.Errorf("a proxy must be like socks5://user:password@192.0.2.1:1080")
	at, err := url.Parse(text)
	if err != nil || at.Scheme != "socks5" || at.Port() == "" || at.Path != "" {
		return v, wrong // what it is may hold a password
	}
	var auth *proxy.Auth
	if at.User != nil {
		password, _ := at.User.Password()
		auth = &proxy.Auth{User: at.User.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", at.Host, auth, &forward{})
	if err != nil {
		return v, wrong
	}
	return Via{at.Host, dialer.(proxy.ContextDialer)}, nil
}

// forward connects to a proxy.
type forward struct{ net.Dialer }

func (f *forward) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := f.Dialer.DialContext(ctx, network, address)
	if err != nil {
		err = fmt.Errorf("%w: %w", errVia, err)
	}
	return c, err
}

func (v Via) leads(over transport) bool { return over == overTCP }

func (v Via) call(ctx context.Context, _ transport, peer netip.AddrPort, deadline time.Time) (net.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	c, err := v.DialContext(ctx, "tcp", peer.String())
	if err == nil || ctx.Err() != nil && !errors.Is(err, errVia) {
		return c, err
	}
	said := func(answer string) bool { return strings.HasSuffix(err.Error(), answer) }
	if !errors.Is(err, errVia) && !slices.ContainsFunc(ofAgents, said) {
		err = fmt.Errorf("%w: %w", errVia, err)
	}
	return nil, err
}

// byVia draws whether a try of a visit that is not to come by our own line comes by a proxy: half of the
// visits do. The third try comes the other way. No proxy brings an agent here that nobody can connect to.
func (a *Auditor) byVia(d *duty, peer netip.AddrPort) bool {
	if len(a.Vias) == 0 || peer.Port() == 0 {
		return false
	}
	if len(d.found.Tries) == 0 {
		d.proxied = rand.IntN(2) == 1 // #nosec G404 -- who is visited sees it
	}
	return d.proxied != (len(d.found.Tries) == sameLine)
}

// probeVia is a try by a proxy, which is drawn anew each time.
func (a *Auditor) probeVia(ctx context.Context, d *duty, peer netip.AddrPort, t *metainfo.Torrent) Finding {
	via := a.Vias[rand.IntN(len(a.Vias))] // #nosec G404 -- likewise
	f := probeBy(ctx, a.Rules.ProbeTimeout.Duration(), t, d.asks, nil, func(ctx context.Context,
		spent *atomic.Int64, deadline time.Time) (*wire, bool, error) {
		c := caller{guard: a.Guard, by: via, first: overTCP, peer: peer, t: t, spent: spent, deadline: deadline}
		w, err := c.greet(ctx)
		return w, c.connected, err
	})
	f.Over = "tcp by " + via.name
	return f
}
