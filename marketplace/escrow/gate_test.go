package escrow_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/everseed/everseed/deploy/devchain"
)

// A gate stands before real nodes and carries every request to one of them, or to none.
type gate struct {
	addr string

	mu    sync.Mutex                           // guards the fields below
	route func(method string) *devchain.Chain  // where a request goes; nil: it is refused
	after func(method string)                  // is told of each answer before it goes out
	hang  bool                                 // take requests and never answer
	keys  []string                             // API keys that came
	conns map[*devchain.Chain]*grpc.ClientConn // to the nodes
}

// raw carries messages without reading them.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (raw) Name() string { return "proto" }

// newGate opens a gate to a node.
func newGate(t *testing.T, chain *devchain.Chain, options ...grpc.ServerOption) *gate {
	t.Helper()
	g := &gate{conns: map[*devchain.Chain]*grpc.ClientConn{}}
	g.to(chain)
	server := grpc.NewServer(append(options, grpc.ForceServerCodec(raw{}),
		grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error { return g.carry(s) }))...)
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Stop()
		err := <-done
		for _, conn := range g.conns {
			err = errors.Join(err, conn.Close())
		}
		if err != nil {
			t.Error(err)
		}
	})
	return g
}

// set changes the gate between two requests.
func (g *gate) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// to sends everything to a node.
func (g *gate) to(chain *devchain.Chain) {
	g.set(func() { g.route = func(string) *devchain.Chain { return chain } })
}

// shut refuses everything.
func (g *gate) shut() { g.to(nil) }

func (g *gate) carry(s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	var in, out []byte
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	conn, hang := g.find(s.Context(), method)
	if hang {
		<-s.Context().Done()
		return s.Context().Err()
	}
	if conn == nil {
		return status.Error(codes.Unavailable, "the gate is shut")
	}
	if err := conn.Invoke(s.Context(), method, &in, &out, grpc.ForceCodec(raw{})); err != nil {
		return err
	}
	g.set(func() {
		if g.after != nil {
			g.after(method)
		}
	})
	return s.SendMsg(&out)
}

func (g *gate) find(ctx context.Context, method string) (conn *grpc.ClientConn, hang bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	g.keys = append(g.keys, md.Get("TRON-PRO-API-KEY")...)
	chain := g.route(method)
	if chain == nil || g.hang {
		return nil, g.hang
	}
	if g.conns[chain] == nil {
		made, err := grpc.NewClient(chain.Addr(),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			panic(err)
		}
		g.conns[chain] = made
	}
	return g.conns[chain], false
}

// twin starts a second real node with the chain as it is now. It makes no blocks: whatever the town
// does from here on, the twin does not know.
func (w *town) twin() *devchain.Chain {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(w.dir)); err != nil {
		w.t.Fatal(err)
	}
	return startChain(w.t, devchain.Options{Dir: dir, BlockTime: time.Hour})
}

// stranger starts a node of another chain, which soon is the longer one.
func stranger(t *testing.T) *devchain.Chain {
	t.Helper()
	return startChain(t, devchain.Options{Dir: t.TempDir(), BlockTime: blockTime / 5})
}

func startChain(t *testing.T, o devchain.Options) *devchain.Chain {
	t.Helper()
	chain, err := devchain.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	return chain
}

// addresses joins the addresses of gates as a configuration does.
func addresses(gates ...*gate) string {
	var all []string
	for _, g := range gates {
		all = append(all, g.addr)
	}
	return strings.Join(all, ",")
}

// withTLS makes a gate speak TLS.
func withTLS(c credentials.TransportCredentials) grpc.ServerOption { return grpc.Creds(c) }
