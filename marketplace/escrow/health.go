package escrow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"

	"github.com/everseed/everseed/marketplace"
)

// A Fault is why a TRON node is not asked.
type Fault string

// The faults. All but OtherChain pass by themselves.
const (
	Down       Fault = "down"        // it does not answer
	Behind     Fault = "behind"      // it lacks blocks that are known to be solid
	OtherChain Fault = "other_chain" // it has another block where one is known to be solid
)

var (
	errBehind     = errors.New("behind")
	errOtherChain = errors.New("another chain")
)

// A misfit is the refusal of a node that answers, but not as one of our chain would now.
type misfit struct {
	error       // of a kind, for the caller
	fault error // errBehind or errOtherChain
}

func (m misfit) Unwrap() []error { return []error{m.error, m.fault} }

// health is what is known of a node.
type health struct {
	fault  Fault
	reason string
	since  time.Time
	ours   bool  // it has our genesis
	proved int64 // the newest block that it is known to have as we know it
	head   int64 // the newest that it showed
}

// A NodeStatus tells how a TRON node is.
type NodeStatus struct {
	Endpoint string    `json:"endpoint"`
	Using    bool      `json:"using"`
	Solid    int64     `json:"solid"`           // the newest solid block that it showed
	Fault    Fault     `json:"fault,omitempty"` // none: it can be asked
	Reason   string    `json:"reason,omitempty"`
	Since    time.Time `json:"since,omitzero"` // when the fault was found
}

// Nodes tells what is known of the TRON nodes, in the order of the configuration.
func (v *Vault) Nodes() []NodeStatus {
	p := v.nodes
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]NodeStatus, len(p.all))
	for i, n := range p.all {
		out[i] = NodeStatus{Endpoint: n.name, Using: n == p.using, Solid: n.head, Fault: n.fault,
			Reason: n.reason, Since: n.since}
	}
	return out
}

// AskNodes is Nodes after asking every one of them how it is.
func (v *Vault) AskNodes(ctx context.Context) []NodeStatus {
	v.nodes.look(ctx)
	return v.Nodes()
}

// admit makes sure that a node is of our chain and has all of it that was shown as solid. It
// returns the floor that the node has.
func (p *nodes) admit(ctx context.Context, n *node) (Block, error) {
	if err := p.kin(ctx, n); err != nil {
		return Block{}, err
	}
	p.mu.Lock()
	floor, proved := p.floor, n.proved
	p.mu.Unlock()
	if proved >= floor.Number {
		return floor, nil
	}
	b, err := n.solidBlock(ctx, floor.Number)
	if errors.Is(err, marketplace.Unavailable) {
		return floor, n.behind(floor)
	}
	if err != nil {
		return floor, err
	}
	if b.ID != floor.ID {
		return floor, n.otherChain(b, floor.ID)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n.proved = max(n.proved, floor.Number)
	return floor, nil
}

// kin makes sure, once, that a node's chain began as ours.
func (p *nodes) kin(ctx context.Context, n *node) error {
	p.mu.Lock()
	ours := n.ours
	p.mu.Unlock()
	if ours {
		return nil
	}
	first, err := n.solidBlock(ctx, 0)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.genesis.IsZero() {
		p.genesis = first.ID
	}
	if first.ID != p.genesis {
		return n.otherChain(first, p.genesis)
	}
	n.ours = true
	return nil
}

// heard looks at what a solid service answered: its head may not go back, and raises the floor.
// floor is what was known when it was asked.
func (p *nodes) heard(n *node, floor Block, method string, out any) error {
	answer, ok := out.(*api.BlockExtention)
	if !ok || !strings.HasSuffix(method, "/GetNowBlock2") {
		return nil
	}
	b, err := blockOf(answer)
	if err != nil {
		return nil // for the caller to refuse
	}
	if b.Number < floor.Number {
		return n.behind(floor)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.floor.ID.IsZero() || b.Number > p.floor.Number:
		p.floor = b
	case b.Number == p.floor.Number && b.ID != p.floor.ID:
		return n.otherChain(b, p.floor.ID)
	}
	n.proved, n.head = max(n.proved, b.Number), b.Number
	return nil
}

func (n *node) behind(floor Block) error {
	return misfit{marketplace.Unavailable.Errorf("TRON node %s does not have block %d, which is"+
		" solid: it is behind, or several that disagree are behind its address; wait, or name"+
		" another node", n.name, floor.Number), errBehind}
}

func (n *node) otherChain(b Block, want marketplace.Hash) error {
	return misfit{marketplace.Conflict.Errorf("TRON node %s has block %d as %s, and it is %s: it is"+
		" of another chain or lies; take it out of the list of nodes", n.name, b.Number, b.ID, want),
		errOtherChain}
}

// solidBlock asks one node for one of its solid blocks.
func (n *node) solidBlock(ctx context.Context, number int64) (Block, error) {
	out := new(api.BlockExtention)
	err := n.ask(ctx, true, api.WalletSolidity_GetBlockByNum2_FullMethodName,
		&api.NumberMessage{Num: number}, out)
	if err != nil {
		return Block{}, err
	}
	return blockAt(out, number)
}

// lookAround has all nodes asked how they are, if that was not done lately. Who waits for an answer
// does not wait for this.
func (p *nodes) lookAround() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if len(p.all) == 1 || p.closed || now.Sub(p.looked) < p.config.Recheck {
		return
	}
	p.looked = now
	p.looking.Go(func() { p.look(p.ctx) })
}

// look asks every node for its solid head, leaves those that are behind the others, takes back
// those that have recovered, and returns to the first of them.
func (p *nodes) look(ctx context.Context) {
	heads := make([]Block, len(p.all))
	errs := make([]error, len(p.all))
	var asked sync.WaitGroup
	for i, n := range p.all {
		asked.Go(func() { heads[i], errs[i] = p.headOf(ctx, n) })
	}
	asked.Wait()
	if ctx.Err() != nil {
		return // their silence means nothing
	}
	var newest time.Time
	for _, b := range heads {
		if b.Time.After(newest) {
			newest = b.Time
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, n := range slices.Backward(p.all) {
		p.judge(n, heads[i], newest, errs[i])
	}
}

// headOf asks a node for its solid head. One that is a little behind is well, as long as what it
// has is ours.
func (p *nodes) headOf(ctx context.Context, n *node) (Block, error) {
	if err := p.kin(ctx, n); err != nil {
		return Block{}, err
	}
	out := new(api.BlockExtention)
	err := n.ask(ctx, true, api.WalletSolidity_GetNowBlock2_FullMethodName, &api.EmptyMessage{}, out)
	if err != nil {
		return Block{}, err
	}
	b, err := blockOf(out)
	if err != nil {
		return Block{}, err
	}
	p.mu.Lock()
	n.head = b.Number
	floor := p.floor
	p.mu.Unlock()
	if b.Number >= floor.Number {
		if _, err := p.admit(ctx, n); err != nil {
			return Block{}, err
		}
	}
	return b, nil
}

// judge says what follows from a node's answer to look. mu is held.
func (p *nodes) judge(n *node, head Block, newest time.Time, err error) {
	lag := newest.Sub(head.Time)
	switch {
	case err != nil:
		p.leave(n, faultOf(err), err)
	case lag > p.config.Behind:
		p.leave(n, Behind, marketplace.Unavailable.Errorf("the solid head of TRON node %s is %s"+
			" behind the newest", n.name, lag.Round(time.Millisecond)))
	default:
		p.recovered(n)
		if head.Number >= p.floor.Number {
			p.use(n)
		}
	}
}
