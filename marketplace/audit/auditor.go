package audit

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Market is where an auditor gets its duties from and reports to.
type Market interface {
	// AuditEpoch returns an epoch with our parts of it, and with its secret when it is over, or NotFound until
	// it is open.
	AuditEpoch(ctx context.Context, epoch int64) (marketplace.AuditEpoch, error)
	// Metainfo returns a .torrent.
	Metainfo(ctx context.Context, h marketplace.Infohash) ([]byte, error)
	// Commit binds us to reports of an epoch, and returns those that are none of ours. Conflict says
	// that the epoch takes no more.
	Commit(ctx context.Context, epoch int64, all []marketplace.Commitment) (
		[]marketplace.NotTaken, error)
	// Reveal hands in signed reports, and returns those that nobody wants. Conflict says that their
	// epoch takes none yet, or no more. Handing in twice is handing in once.
	Reveal(ctx context.Context, all []marketplace.Report) ([]marketplace.NotTaken, error)
	// Knock has an agent told where to connect to.
	Knock(ctx context.Context, k marketplace.Knock) error
	// Carry has an agent lend its line for a visit. NotFound says that none is there.
	Carry(ctx context.Context, c marketplace.Carry, w marketplace.CarrierWish) (marketplace.Carrier, error)
	// Reach tries to connect to where we listen, as an agent would that was told of it.
	Reach(ctx context.Context, address string) (bool, error)
}

// An Auditor does its part of every epoch's audits. Set the fields before Run and leave them.
type Auditor struct {
	Address marketplace.Address
	Market  Market
	Rules   marketplace.Rules
	Guard   metainfo.Guard
	Lobby   Lobby // where agents come that nobody can connect to
	Vias    []Via // by which to come when it shall not be by our own line
	Sign    func(text string) (marketplace.Signature, error)
	Leaves  *Leaves // nil: only whole pieces are asked for
	// Envelopes keeps reports until they are revealed. Nil: they are lost with the process.
	Envelopes *Envelopes
	Parallel  int // tries at a time; 0 means 32
	Log       *slog.Logger

	library library

	mu    sync.Mutex          // guards the fields below
	epoch int64               // the last one whose duties are in the queue
	next  marketplace.Promise // what we were shown in that one for the epoch after
	asked time.Time           // when an epoch was last asked for in vain
	queue queue
	out   outbox
	busy  int
	door  threshold     // where agents come to
	done  chan struct{} // tells Run that something may have become due
}

// A duty is one lease to audit in one epoch: its next try.
type duty struct {
	at       time.Time
	lease    marketplace.Lease
	epoch    int64
	part     marketplace.Part
	times    []time.Time // of tries that are left
	window   time.Time   // when a quiet window begins, if the next try is in one
	asks     []Challenge // the same at every try
	believed bool        // the lease's root, when the epoch opened

	carried  bool                  // tries come by other agents' lines, or
	proxied  bool                  // ... by a proxy
	carriers []marketplace.Address // that were asked, the last one at the end
	doubted  bool                  // wrong bytes came by one

	found  marketplace.Report
	learnt map[int][]marketplace.Hash // by the last try
}

// A queue has the earliest duty in front.
type queue []*duty

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*duty)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// Run audits until ctx is done. Tries that are cut short then are not reported.
func (a *Auditor) Run(ctx context.Context) error {
	a.start()
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.settle()
			return nil
		case <-tick.C:
		case <-a.done:
		}
		now := time.Now()
		if _, err := a.Step(ctx, now); err != nil && ctx.Err() == nil {
			a.Log.ErrorContext(ctx, "audit epoch not read", "err", err)
		}
		tick.Reset(a.pause(now))
	}
}

func (a *Auditor) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done == nil {
		a.done = make(chan struct{}, 1)
	}
	if a.Parallel == 0 {
		a.Parallel = 32
	}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	a.load()
}

// settle waits until nothing of ours runs any more.
func (a *Auditor) settle() {
	for a.running() {
		<-a.done
	}
}

func (a *Auditor) running() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.busy > 0
}

// pause returns how long nothing becomes due: until the next duty, but never so long that the
// next epoch would be found late.
func (a *Auditor) pause(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	most := a.lookEvery()
	if len(a.queue) > 0 && a.busy < a.Parallel {
		most = min(most, a.queue[0].at.Sub(now))
	}
	if !a.out.at.IsZero() && !a.out.busy {
		most = min(most, a.out.at.Sub(now))
	}
	return max(most, time.Millisecond)
}

// lookEvery is how often an epoch that is not open yet is asked for.
func (a *Auditor) lookEvery() time.Duration {
	return min(max(a.Rules.Epoch.Duration()/50, 50*time.Millisecond), 15*time.Second)
}

// Step takes up the duties of a new epoch and begins whatever is due. It returns how many tries
// it began; they go on by themselves.
func (a *Auditor) Step(ctx context.Context, now time.Time) (int, error) {
	a.start()
	err := a.takeUp(ctx, now)
	n := 0
	for d := a.nextDue(now); d != nil; d = a.nextDue(now) {
		n++
		go a.serve(ctx, d)
	}
	a.post(ctx, now)
	return n, err
}

func (a *Auditor) nextDue(now time.Time) *duty {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 || a.busy >= a.Parallel || a.queue[0].at.After(now) {
		return nil
	}
	a.busy++
	return heap.Pop(&a.queue).(*duty)
}

// takeUp puts an epoch's duties into the queue, once it is open.
func (a *Auditor) takeUp(ctx context.Context, now time.Time) error {
	k := a.Rules.EpochAt(now)
	a.mu.Lock()
	skip := k <= a.epoch || now.Sub(a.asked) < a.lookEvery()
	if !skip {
		a.asked = now
	}
	a.mu.Unlock()
	if skip {
		return nil
	}
	open, err := a.Market.AuditEpoch(ctx, k)
	if errors.Is(err, marketplace.NotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read audit epoch %d: %w", k, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.trust(open); err != nil {
		return fmt.Errorf("audit epoch %d: %w", k, err)
	}
	if err := a.take(open); err != nil {
		return fmt.Errorf("audit epoch %d: %w", k, err)
	}
	duties := a.duties(open)
	a.epoch = k
	if open.Next != nil {
		a.next = *open.Next
	}
	for _, d := range duties {
		heap.Push(&a.queue, d)
	}
	return nil
}

// trust says why an epoch is not the one that was promised, as far as that shows while it lasts.
func (a *Auditor) trust(open marketplace.AuditEpoch) error {
	promise := marketplace.Promise{Epoch: open.Epoch, Commit: open.Commit, PromisedAt: open.PromisedAt}
	switch {
	case !open.Secret.IsZero():
		return marketplace.Invalid.Errorf("its secret is told and it is not over; is this machine's clock late?")
	case !a.Rules.InTime(promise):
		return marketplace.Invalid.Errorf("its secret was not promised before it began")
	case !a.Rules.NamedInTime(open):
		return marketplace.Invalid.Errorf("its panel was not named before it began")
	case a.next.Epoch == open.Epoch && a.next.Commit != open.Commit:
		return marketplace.Invalid.Errorf("its commit is %s; in the epoch before we were shown %s",
			open.Commit, a.next.Commit)
	}
	return nil
}

// duties returns our part of an epoch.
func (a *Auditor) duties(open marketplace.AuditEpoch) (mine []*duty) {
	leases, believed := map[int64]marketplace.Lease{}, open.Believed()
	for _, l := range open.Leases {
		leases[l.ID] = l
	}
	for _, p := range open.Parts {
		l, frozen := leases[p.Lease]
		if !frozen || len(p.Tries) == 0 || a.inHand(open.Epoch, p.Lease) {
			continue
		}
		d := &duty{
			at: p.Tries[0], lease: l, epoch: open.Epoch, part: p, times: p.Tries[1:],
			believed: believed[l.ID], carried: IsCarried(a.Rules, p),
			found: marketplace.Report{Lease: l.ID, Epoch: open.Epoch, Auditor: a.Address},
		}
		if p.InWindow() {
			d.window = d.at
		}
		mine = append(mine, d)
	}
	return mine
}

// serve does what is due of one duty and puts back what is left of it.
func (a *Auditor) serve(ctx context.Context, d *duty) {
	more := a.try(ctx, d)
	a.mu.Lock()
	a.busy--
	if more && ctx.Err() == nil {
		heap.Push(&a.queue, d)
	}
	a.mu.Unlock()
	a.tellRun()
}

func (a *Auditor) tellRun() {
	select {
	case a.done <- struct{}{}:
	default:
	}
}

// try asks the agent once, and says whether there is another try. After the last one the report is
// sealed, but not if it was cut short by our own end. What is not begun within the epoch is not done.
func (a *Auditor) try(ctx context.Context, d *duty) (again bool) {
	began := time.Now()
	if !began.Before(a.Rules.EpochStart(d.epoch + 1)) {
		if len(d.found.Tries) > 0 {
			a.seal(ctx, d)
			return false
		}
		a.Log.ErrorContext(ctx, "audit missed", "lease", d.lease.ID, "epoch", d.epoch)
		return false
	}
	f := d.doubt(a.probe(ctx, d))
	if ctx.Err() != nil {
		return false
	}
	now := time.Now()
	d.found.Began = append(d.found.Began, began.UTC().Truncate(time.Microsecond))
	if d.found.Outcome != marketplace.BadData || f.Outcome == marketplace.BadData {
		d.found.Answers = f.Answers // what was wrong once is asked again at the hearing
	}
	if d.learnt = f.learnt; f.Window != nil {
		d.found.Window = f.Window
	}
	d.found.Tries = append(d.found.Tries, f.Outcome)
	d.cameBy(f.Carrier)
	d.found.Bytes += f.Bytes
	d.found.Wire += f.Wire
	d.found.TookMS = f.Took.Milliseconds()
	d.found.At = now.UTC().Truncate(time.Microsecond) // as the book keeps it
	d.found.Outcome = marketplace.Settle(d.found.Tries)
	a.Log.InfoContext(ctx, "agent audited", "lease", d.lease.ID, "agent", d.lease.Agent,
		"infohash", d.lease.Infohash, "epoch", d.epoch, "outcome", f.Outcome, "carrier", f.Carrier, "over", f.Over,
		"took", f.Took, "err", f.Err)
	if again = d.again(a.Rules, now); !again {
		a.seal(ctx, d)
	}
	return again
}

// again plans another try, if there is one.
func (d *duty) again(r marketplace.Rules, now time.Time) bool {
	if d.found.Outcome != marketplace.Pass && len(d.times) > 0 {
		next := now.Add(r.AttemptGap.Duration())
		if d.times[0].After(next) {
			next = d.times[0]
		}
		if next.Before(r.EpochStart(d.epoch + 1)) {
			d.at, d.times = next, d.times[1:]
			return true
		}
	}
	return false
}

// probe gets the torrent and puts the challenges.
func (a *Auditor) probe(ctx context.Context, d *duty) Finding {
	v, err := a.volume(ctx, d.lease.Infohash)
	if err != nil {
		return Finding{Outcome: marketplace.AuditorFault, Err: err}
	}
	torrent, _ := v.torrent.Committed(d.lease.Root)
	if d.asks == nil {
		d.asks = a.challenges(ctx, d, v)
	}
	peer, err := netip.ParseAddrPort(d.lease.Peer)
	if err != nil {
		f := Finding{Outcome: marketplace.Unreachable, Err: err}
		for _, c := range d.asks {
			f.Answers = append(f.Answers, marketplace.Answer{Piece: c.Piece, Block: c.Block,
				Outcome: f.Outcome})
		}
		return f
	}
	within, in := a.Rules.ProbeTimeout.Duration(), a.quiet(ctx, d)
	if d.carried {
		if a.byVia(d, peer) {
			return a.probeVia(ctx, d, peer, torrent)
		}
		if f, ok := a.probeCarried(ctx, d, peer, torrent); ok {
			return f
		}
	}
	if peer.Port() != 0 {
		first := transportOf(d.part.Seed, len(d.found.Tries), in)
		return probeOver(ctx, first, a.Guard, within, peer, torrent, d.asks, in)
	}
	return a.excused(ctx, d.epoch, a.Lobby.Probe(ctx, within, func(ctx context.Context,
		address string,
	) error {
		return a.Market.Knock(ctx, marketplace.Knock{Infohash: d.lease.Infohash, Agent: d.lease.Agent,
			Address: address})
	}, torrent, d.asks, in))
}

// quiet prepares a try in a quiet window, if that is what is due and it is not too late for it.
func (a *Auditor) quiet(ctx context.Context, d *duty) *Quiet {
	begins, length := d.window, a.Rules.Quiet.Duration()
	d.window = time.Time{}
	if begins.IsZero() || !time.Now().Before(begins.Add(length/2)) {
		return nil
	}
	q := &Quiet{Opens: begins.Add(length / 4), Closes: begins.Add(length),
		Ticket: marketplace.Ticket{Lease: d.lease.ID, Epoch: d.epoch, Auditor: a.Address}}
	var err error
	if q.Ticket.Signature, err = a.Sign(q.Ticket.Text()); err != nil {
		a.Log.ErrorContext(ctx, "no ticket for a quiet window", "lease", d.lease.ID, "err", err)
		return nil
	}
	return q
}

// challenges draws what to ask. A piece whose hashes turn out to be lost is no longer known, and
// the draw is made again: a block must not be asked for alone and with its piece, for a peer may
// hang up on who asks twice.
func (a *Auditor) challenges(ctx context.Context, d *duty, v *volume) []Challenge {
	share := RationOf(a.Rules, v.torrent, d.lease, d.believed)
	known := func(piece int) bool { return v.shelf.knows(piece, d.epoch) }
	for {
		asks := Again(share, d.lease, v.torrent, Challenges(share, d.part.Seed, v.torrent, known))
		if d.part.InWindow() {
			asks = Burst(share, d.part.Burst, v.torrent, asks)
		}
		err := v.shelf.fill(v.torrent, asks, share)
		if err == nil {
			return asks
		}
		a.Log.ErrorContext(ctx, "hashes lost", "infohash", d.lease.Infohash, "err", err)
	}
}
