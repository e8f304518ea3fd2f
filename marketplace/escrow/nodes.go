package escrow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/everseed/everseed/marketplace"
)

// nodes are the TRON nodes that one client may ask. It keeps to one of them as long as that one
// answers well, goes to another when it does not, and comes back to one that its owner put
// before it when that one has recovered.
//
// No answer may be older than one that was given before, whoever gave it: Outcome reads the solid
// head and then searches, and a search by a node that has not got as far would find nothing and
// have us pay twice. So the newest solid block that was shown is a floor. A node is asked only
// when it is known to have that very block; that also tells nodes of other chains apart.
type nodes struct {
	config *Config
	all    []*node // the owner's favourite first

	ctx     context.Context // ends with close
	stop    context.CancelFunc
	looking sync.WaitGroup

	mu      sync.Mutex // guards the fields below, and the health of every node
	using   *node
	floor   Block            // the newest solid block that was shown
	genesis marketplace.Hash // of the first node that answered
	looked  time.Time        // when all were last asked how they are
	closed  bool
}

func newNodes(c *Config, endpoints []endpoint) (*nodes, error) {
	p := &nodes{config: c, looked: time.Now()}
	p.ctx, p.stop = context.WithCancel(context.Background())
	for _, e := range endpoints {
		n, err := connect(c, e)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.all = append(p.all, n)
	}
	return p, nil
}

func (p *nodes) close() (err error) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.looking.Wait()
	for _, n := range p.all {
		err = errors.Join(err, n.close())
	}
	return err
}

// A service is one of the two that a node has, at whichever node is in use. It is what the
// generated clients take for a connection.
type service struct {
	nodes *nodes
	solid bool
}

// Invoke makes a request, again and of other nodes as long as that may help. Every request of this
// package may be made twice: reading changes nothing, and the same transaction counts once.
func (s service) Invoke(
	ctx context.Context, method string, in, out any, opts ...grpc.CallOption,
) error {
	p := s.nodes
	several := len(p.all) > 1
	for try := 1; ; try++ {
		err := s.once(ctx, method, in, out, opts...)
		if err == nil || ctx.Err() != nil || !passing(err, several) {
			return err
		}
		if try == attempts+len(p.all)-1 {
			if several {
				return p.none()
			}
			return err
		}
		if p.another() {
			continue
		}
		if err := sleep(ctx, pause(min(try, attempts)-1)); err != nil {
			return err
		}
	}
}

// once makes a request of one node.
func (s service) once(
	ctx context.Context, method string, in, out any, opts ...grpc.CallOption,
) error {
	p := s.nodes
	n, floor, err := p.choose(ctx)
	if err != nil {
		return err
	}
	err = n.ask(ctx, s.solid, method, in, out, opts...)
	if err == nil && s.solid {
		err = p.heard(n, floor, method, out)
	}
	switch {
	case err == nil:
		p.answered(n)
	case ctx.Err() == nil && passing(err, true):
		p.failed(n, err)
	}
	return err
}

// NewStream is of no use here: no call of the two services streams.
func (s service) NewStream(
	context.Context, *grpc.StreamDesc, string, ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "TRON's services do not stream")
}

// choose returns the first node that can be asked now, and the floor that it is known to have.
func (p *nodes) choose(ctx context.Context) (*node, Block, error) {
	if len(p.all) == 1 { // there is nothing to compare it with
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.all[0], p.floor, nil
	}
	p.lookAround()
	for _, n := range p.order() {
		floor, err := p.admit(ctx, n)
		if err == nil {
			return n, floor, nil
		}
		if ctx.Err() != nil {
			return nil, floor, ctx.Err()
		}
		p.failed(n, err)
	}
	return nil, Block{}, errNone
}

// errNone says that no node can be asked.
var errNone = errors.New("no TRON node can be asked")

// none is the refusal when all nodes failed. Its kind says whether waiting may help.
func (p *nodes) none() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind := marketplace.Conflict
	var all []string
	for _, n := range p.all {
		if n.fault != OtherChain {
			kind = marketplace.Unavailable
		}
		if n.fault != "" {
			all = append(all, n.name+": "+n.reason)
		}
	}
	return kind.Errorf("none of %d TRON nodes can be asked: %s", len(p.all), strings.Join(all, "; "))
}

// order returns the nodes in the order in which to try them: the one in use, those without a
// fault, the others.
func (p *nodes) order() []*node {
	p.mu.Lock()
	defer p.mu.Unlock()
	rank := func(n *node) int {
		switch {
		case n.fault != "":
			return 2
		case n == p.using:
			return 0
		default:
			return 1
		}
	}
	all := slices.Clone(p.all)
	slices.SortStableFunc(all, func(a, b *node) int { return rank(a) - rank(b) })
	return all
}

// another says whether there is a node without a fault, so that there is nothing to wait for.
func (p *nodes) another() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.all, func(n *node) bool { return n.fault == "" })
}

// use notes which node is asked. mu is held.
func (p *nodes) use(n *node) {
	if p.using != n {
		p.using = n
		if len(p.all) == 1 {
			return
		}
		p.config.Log.InfoContext(p.ctx, "TRON node in use", "endpoint", n.name)
	}
}

// recovered ends a node's fault. mu is held.
func (p *nodes) recovered(n *node) {
	if n.fault != "" {
		n.fault, n.reason, n.since = "", "", time.Time{}
		p.config.Log.InfoContext(p.ctx, "TRON node is back", "endpoint", n.name)
	}
}

// leave notes what is wrong with a node. It is logged once, however often it is met. mu is held.
func (p *nodes) leave(n *node, fault Fault, err error) {
	if n.fault != fault {
		n.fault, n.since = fault, time.Now()
		log := p.config.Log.InfoContext
		if fault == OtherChain {
			log = p.config.Log.ErrorContext
		}
		log(p.ctx, "TRON node left", "endpoint", n.name, "fault", string(fault), "err", err.Error())
	}
	n.reason = err.Error()
}

// answered notes that a node did what it was asked.
func (p *nodes) answered(n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recovered(n)
	p.use(n)
}

// failed notes why a node did not do what it was asked.
func (p *nodes) failed(n *node, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(n, faultOf(err), err)
}

// faultOf says what is wrong with a node that gives such an error.
func faultOf(err error) Fault {
	switch {
	case errors.Is(err, errOtherChain):
		return OtherChain
	case errors.Is(err, errBehind):
		return Behind
	default:
		return Down
	}
}

// passing says whether a failure may be gone a moment later, or at another node. What is left is a
// refusal that every node would give.
func passing(err error, others bool) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.Aborted:
		return true
	}
	if errors.Is(err, errStalled) || errors.Is(err, errOtherChain) {
		return others // the same node would say the same
	}
	return errors.Is(err, errBehind) || errors.Is(err, errNone)
}
