package orderbook_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A world is a market in which anything may happen next, beside a model of the vault.
type world struct {
	*stage
	t      *rapid.T
	fence  int64
	vaults map[marketplace.Address]*vault
	ends   map[int64]time.Time // of notice, for bounties that were cancelled
	txs    int
}

// A vault is one poster's account on the chain.
type vault struct {
	balance, thawing marketplace.Amount
	ends             time.Time
	in, out          marketplace.Amount // deposited and withdrawn, ever
	paid             map[marketplace.Address]marketplace.Amount
}

var posters = []marketplace.Address{poster, person("another poster"), person("a third poster")}

// TestWhateverHappensNobodyIsRobbed does random things in random order and holds the books
// against the model after each; then it lets time end everything.
func TestWhateverHappensNobodyIsRobbed(t *testing.T) {
	t.Parallel()
	// Few long lives: each takes a database of its own. Flags of the command line win.
	for name, value := range map[string]string{"rapid.checks": "8", "rapid.steps": "60"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := f.Value.Set(value); err != nil {
				t.Fatal(err)
			}
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		w := &world{stage: emptyStage(t, r), t: r, vaults: map[marketplace.Address]*vault{},
			ends: map[int64]time.Time{}}
		lead, err := w.Lead(context.Background(), "matcher")
		w.must(err)
		defer lead.Resign()
		w.fence = lead.Fence()
		for _, p := range posters {
			w.vaults[p] = &vault{paid: map[marketplace.Address]marketplace.Amount{}}
			w.chain(w.aMandate(p, auditors, 2))
			w.deposit(p, 500)
		}
		for i := range 6 {
			w.offer(i)
		}
		w.postSome()
		r.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { w.check() }, "deposit": w.act(w.depositSome), "post": w.act(w.postSome),
			"post again": w.act(w.postSome), "fund": w.act(w.fundSome), "fund again": w.act(w.fundSome),
			"take back": w.act(w.takeBackSome), "offer": w.act(func() { w.offer(w.n(0, 5)) }), "call": w.act(w.call), "answer": w.act(w.answer),
			"live": w.act(w.live), "live on": w.act(w.live), "live still": w.act(w.live),
			"audit": w.act(w.audit), "audit again": w.act(w.audit), "wait": w.act(w.wait),
			"cancel": w.act(w.cancelSome), "redeem": w.act(w.redeemSome), "sign": w.act(w.quorum),
			"send": w.act(w.send), "thaw": w.act(w.thawSome), "withdraw": w.act(w.withdrawSome),
		})
		w.end()
	})
}

func (w *world) act(f func()) func(*rapid.T) {
	return func(t *rapid.T) { w.t = t; f() }
}

func (w *world) n(lo, hi int) int { return rapid.IntRange(lo, hi).Draw(w.t, "n") }

func (w *world) aPoster() marketplace.Address { return posters[w.n(0, len(posters)-1)] }

// refused is fine; anything else is a fault of the book.
func (w *world) refused(err error, kinds ...error) {
	w.Helper()
	if err != nil && !slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(err, k) }) {
		w.Fatal(err)
	}
}

func (w *world) deposit(p marketplace.Address, btt int) {
	amount, v := marketplace.BTT(uint64(btt)), w.vaults[p]
	v.balance, v.in = v.balance.Add(amount), v.in.Add(amount)
	w.chain(deposit(p, amount))
}

func (w *world) depositSome() { w.deposit(w.aPoster(), w.n(1, 300)) }

func (w *world) postSome() {
	t := terms(w.n(1, 3))
	t.PriceMax = marketplace.BTT(uint64(w.n(1000, 20_000)))
	t.KeepFor = marketplace.Span(time.Duration(w.n(10_000, 60_000)) * time.Millisecond)
	t.GoodFor = marketplace.Span(time.Duration(w.n(5, 60)) * time.Second)
	if quarters := w.n(1, 8); quarters < 4 { // the others shall pay the rest
		t.Fund = w.rules.WorstCase(t, size).MulDiv(uint64(quarters), 4)
	}
	_, _, err := w.Post(w.Context(), orderbook.Key{Account: w.aPoster()}, t, w.now)
	w.refused(err, marketplace.Insufficient)
}

// fundSome pledges a part of what a bounty lacks, all of it, or too much.
func (w *world) fundSome() {
	if b, ok := w.aBounty(unfunded); ok {
		third := w.n(1, 4)
		amount := b.Needed.MulDiv(uint64(third), 3)
		if third < 3 { // an odd amount, so that shares must be rounded
			amount = amount.SubFloor(marketplace.Units(uint64(w.n(0, 1000))))
		}
		w.fund(b, amount)
	}
}

func unfunded(b marketplace.Bounty) bool { return b.State == marketplace.Unfunded }

func (w *world) fund(b marketplace.Bounty, amount marketplace.Amount) {
	_, _, err := w.Fund(w.Context(), orderbook.Key{Account: w.aPoster()}, b.ID,
		marketplace.Fund{Amount: amount, Mandate: mandate}, w.now)
	w.refused(err, marketplace.Insufficient, marketplace.Invalid, marketplace.Conflict)
}

func (w *world) takeBackSome() {
	if b, ok := w.aBounty(func(b marketplace.Bounty) bool { return len(b.Funders) > 1 }); ok {
		_, err := w.TakeBack(w.Context(), w.aPoster(), b.ID, w.now)
		w.refused(err, marketplace.Conflict, marketplace.NotFound)
	}
}

// aBounty is one of those that ok likes, if there are any.
func (w *world) aBounty(ok func(marketplace.Bounty) bool) (b marketplace.Bounty, found bool) {
	all, err := w.Bounties(w.Context(), orderbook.BountyFilter{}, orderbook.Page{Limit: 1000})
	w.must(err)
	all = slices.DeleteFunc(all, func(b marketplace.Bounty) bool { return !ok(b) })
	if len(all) == 0 {
		return b, false
	}
	return all[w.n(0, len(all)-1)], true
}

func (w *world) offer(i int) {
	a := person(fmt.Sprint("agent ", i))
	_, err := w.PutOffer(w.Context(), a, marketplace.OfferTerms{Storage: 1 << 28, UploadRate: 1,
		LeasesMax: w.n(1, 4), PriceMin: marketplace.BTT(uint64(w.n(1, 5000))),
		TermMax: marketplace.Span(time.Hour), TorrentMax: 1 << 30, Region: "europe",
		Peer: fmt.Sprintf("10.0.%d.1:6881", i), Payee: person(fmt.Sprint("payee ", i/2))}, w.now)
	w.must(err)
}

// call fills what it likes, within the prices of both sides.
func (w *world) call() {
	f, err := w.Freeze(w.Context(), w.now)
	w.must(err)
	w.calls++
	c := marketplace.Call{Hash: marketplace.Hash{byte(w.calls), byte(w.calls >> 8)}}
	for _, b := range f.Bounties {
		first := w.n(0, len(f.Offers)-1)
		for i := range w.n(0, b.Missing()+1) { // one too many, at times
			o := f.Offers[(first+i)%len(f.Offers)]
			if o.Terms.PriceMin.Cmp(b.Terms.PriceMax) <= 0 {
				c.Fills = append(c.Fills, marketplace.Fill{Bounty: b.ID, Offer: o.ID, Price: b.Terms.PriceMax})
			}
		}
	}
	_, err = w.RecordCall(w.Context(), w.fence, c, orderbook.Reasons{}, w.now)
	w.refused(err, marketplace.Conflict)
}

// live is how it should go: bounties get their money, leases are given, answered and audited.
func (w *world) live() {
	if b, ok := w.aBounty(unfunded); ok {
		w.fund(b, b.Needed)
	}
	w.call()
	w.answer()
	w.answer()
	w.audit()
	w.quorum()
}

// answer lets agents answer their leases, most of them well.
func (w *world) answer() {
	for _, l := range w.leases(true) {
		ctx, a, id := w.Context(), l.Agent, l.ID
		var err error
		switch w.n(0, 12) { // rapid likes small numbers, so they mean well
		case 12:
			_, err = w.Decline(ctx, a, id, "no", w.now)
		case 11:
			_, err = w.Abandon(ctx, a, id, "enough", w.now)
		case 10:
		default:
			if l.State == marketplace.Reserved {
				_, err = w.Accept(ctx, a, id, w.now)
			} else {
				_, err = w.Ready(ctx, a, id, marketplace.Hash{}, w.now)
			}
		}
		w.refused(err, marketplace.Conflict)
	}
}

func (w *world) leases(live bool) []marketplace.Lease {
	all, err := w.Leases(w.Context(), orderbook.LeaseFilter{Live: live}, orderbook.Page{Limit: 1000})
	w.must(err)
	return all
}

// audit lives to the end of the epoch; most agents pass it.
func (w *world) audit() {
	k := w.rules.EpochAt(w.now)
	w.must(w.OpenEpoch(w.Context(), marketplace.AuditEpoch{Epoch: k, Auditors: panel}, w.now))
	e, err := w.AuditEpoch(w.Context(), k)
	w.must(err)
	outcomes := []marketplace.Outcome{marketplace.Unreachable, marketplace.BadData,
		marketplace.AuditorFault, ""}
	for _, l := range e.Leases {
		o := marketplace.Pass
		if i := 20 - w.n(0, 20); i < len(outcomes) {
			o = outcomes[i]
		}
		switch {
		case o == "":
		case o == marketplace.Pass && w.n(0, 12) == 12: // one alone finds what nobody else does
			w.alone(l.ID, k, auditors[w.n(0, len(auditors)-1)])
		case o == marketplace.Unreachable:
			w.away(l.ID, k)
		default:
			w.report(l.ID, k, o)
		}
	}
	w.until(w.rules.EpochStart(k + 1).Add(time.Duration(w.n(0, 3)) * time.Second))
}

// alone lets one auditor accuse a lease that the others pass.
func (w *world) alone(lease, epoch int64, accuser marketplace.Address) {
	for _, by := range w.drawn(lease, epoch) {
		o := marketplace.Pass
		if by == accuser {
			o = marketplace.BadData
		}
		w.must(w.SaveReport(w.Context(), marketplace.Report{Lease: lease, Epoch: epoch, Auditor: by,
			Outcome: o, Tries: []marketplace.Outcome{o}, At: w.now}, w.now))
	}
}

// away lets no auditor reach an agent at any try.
func (w *world) away(lease, epoch int64) {
	for _, by := range w.drawn(lease, epoch) {
		w.must(w.SaveReport(w.Context(), marketplace.Report{Lease: lease, Epoch: epoch, Auditor: by,
			Outcome: marketplace.Unreachable, At: w.now,
			Tries: slices.Repeat([]marketplace.Outcome{marketplace.Unreachable}, w.rules.Attempts)}, w.now))
	}
}

func (w *world) wait() { w.until(w.now.Add(time.Duration(w.n(0, 9000)) * time.Millisecond)) }

// until lets time pass. Judging and sweeping come in any order and may be late.
func (w *world) until(at time.Time) {
	w.now = at
	works := []func(context.Context, time.Time) (int, error){w.JudgeEpochs, w.Sweep}
	first := w.n(0, 1)
	for i := range w.n(0, 2) {
		_, err := works[(first+i)%2](w.Context(), w.now)
		w.must(err)
		if (first+i)%2 == 1 {
			w.checkSwept()
		}
	}
}

// checkSwept: who is disqualified holds nothing.
func (w *world) checkSwept() {
	for _, l := range w.leases(true) {
		if o, err := w.OfferOf(w.Context(), l.Agent); err != nil ||
			o.Standing == marketplace.Disqualified {
			w.Errorf("lease %d is %s, its agent %s (%v)", l.ID, l.State, o.Standing, err)
		}
	}
}

func (w *world) cancelSome() {
	b, ok := w.aBounty(func(marketplace.Bounty) bool { return true })
	if !ok {
		return
	}
	_, _, err := w.Cancel(w.Context(), orderbook.Key{Account: b.Poster}, b.ID, w.now)
	w.refused(err, marketplace.Conflict)
	if _, twice := w.ends[b.ID]; err == nil && !twice {
		w.ends[b.ID] = w.now.Add(w.rules.Notice.Duration())
	}
}

func (w *world) cheques() []marketplace.SignedCheque {
	all, err := w.Cheques(w.Context(), orderbook.ChequeFilter{}, orderbook.Page{Limit: 1000})
	w.must(err)
	return slices.DeleteFunc(all, func(c marketplace.SignedCheque) bool { return len(c.Signatures) < 2 })
}

// redeem brings a cheque to the vault, which pays what is due and there.
func (w *world) redeem(c marketplace.Cheque) {
	v := w.vaults[c.From]
	amount := c.Cumulative.SubFloor(v.paid[c.To])
	if amount.Cmp(v.balance) > 0 {
		amount = v.balance
	}
	if amount.IsZero() {
		return
	}
	v.balance, v.paid[c.To] = v.balance.Sub(amount), v.paid[c.To].Add(amount)
	if v.thawing.Cmp(v.balance) > 0 {
		v.thawing = v.balance
	}
	w.chain(orderbook.ChainEvent{Kind: orderbook.ChainRedeem, Account: c.From, To: c.To, Amount: amount,
		Mandate: marketplace.Mandate{ID: c.Mandate}, Cumulative: v.paid[c.To]})
}

// redeemSome is a payee who brings any cheque it ever got.
func (w *world) redeemSome() {
	if all := w.cheques(); len(all) > 0 {
		w.redeem(all[w.n(0, len(all)-1)].Cheque)
	}
}

// send is the market that redeems: the transaction lapses or lands.
func (w *world) send() {
	due, err := w.Redeemable(w.Context(), 10)
	w.must(err)
	for _, r := range due {
		w.txs++
		tx := orderbook.StagedTx{ID: fmt.Sprint("tx", w.txs), Cheque: r.ID, Raw: []byte{1}, Expires: w.now}
		w.must(w.StageTx(w.Context(), tx, w.now))
		switch w.n(0, 3) {
		case 0:
			w.must(w.Unstage(w.Context(), tx.ID, nil, w.now))
		case 1:
			w.must(w.MarkIncluded(w.Context(), tx.ID, w.now))
			fallthrough
		default:
			w.redeem(r.Cheque)
			w.must(w.SettleTx(w.Context(), tx.ID, w.now))
		}
	}
}

func (w *world) thawSome() {
	p := w.aPoster()
	v := w.vaults[p]
	if v.balance.IsZero() {
		return
	}
	v.thawing, v.ends = v.balance.MulDiv(uint64(w.n(1, 4)), 4), w.now.Add(20*time.Second)
	w.chain(orderbook.ChainEvent{Kind: orderbook.ChainThaw, Account: p, Amount: v.thawing, Ends: v.ends})
}

// withdrawSome takes what has thawed, after the market brought every cheque, as it does for posters
// who thaw.
func (w *world) withdrawSome() {
	p := w.aPoster()
	v := w.vaults[p]
	if v.thawing.IsZero() || w.now.Before(v.ends) {
		return
	}
	w.payAll()
	amount := v.thawing
	if amount.IsZero() {
		return
	}
	v.thawing, v.balance, v.out = marketplace.Amount{}, v.balance.Sub(amount), v.out.Add(amount)
	w.chain(orderbook.ChainEvent{Kind: orderbook.ChainWithdraw, Account: p, Amount: amount})
}

func (w *world) payAll() {
	_, err := w.JudgeEpochs(w.Context(), w.now)
	w.must(err)
	_, err = w.Sweep(w.Context(), w.now)
	w.must(err)
	w.checkDrafts()
	w.quorum()
	for _, c := range w.cheques() {
		w.redeem(c.Cheque)
	}
}
