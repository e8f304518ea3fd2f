package seederagent

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/mse"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/seederagent/swarm"
)

// carrier returns an agent that lends its line. The market asks it to carry all visits that begin from now on.
func carrier(t *testing.T, f *fair) *Agent {
	t.Helper()
	a := &Agent{Key: newKey(t), Log: slog.New(slog.DiscardHandler), porter: newPorter(), info: f.info,
		Config: DefaultConfig()}
	a.info.Rules.ProbeTimeout = marketplace.Span(30 * time.Second)
	a.Config.Dir, a.Market = t.TempDir(), f.as(a.Key)
	must(t, a.lent.open(a.Config.Dir))
	var err error
	a.Engine, err = swarm.Open(swarm.Config{Dir: a.Config.Dir, Listen: "127.0.0.1:0", KeepFree: 1,
		AllowLoopback: true, NoDHT: true})
	must(t, err)
	a.Config.Peer = a.Engine.Addr().String()
	t.Cleanup(func() {
		_ = a.Engine.Close()
		a.work.Wait()
	})
	terms := a.Config.Offer(a.Key.Address(), nil)
	terms.Peer = fmt.Sprintf("127.0.%d.1:1", len(f.carriers)+1) // a line of its own
	_, err = a.Market.PutOffer(t.Context(), terms)
	must(t, err)
	f.carriers = append(f.carriers, a.Key.Address())
	return a
}

// A visitor is an auditor that has its visit carried.
type visitor struct {
	t     *testing.T
	door  *net.TCPListener
	carry marketplace.Carry
}

func newVisitor(t *testing.T, f *fair, auditor escrow.Key, l marketplace.Lease) *visitor {
	t.Helper()
	door, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	t.Cleanup(func() { _ = door.Close() })
	must(t, door.SetDeadline(time.Now().Add(30*time.Second)))
	v := &visitor{t, door, marketplace.Carry{Lease: l.ID, Epoch: f.info.Rules.EpochAt(time.Now()),
		Auditor: auditor.Address(), Door: door.Addr().String()}}
	_, _ = rand.Read(v.carry.Token[:]) // never fails
	v.carry.Signature, err = auditor.SignText(v.carry.Text())
	must(t, err)
	for _, who := range f.carriers { // whom the market did not ask it does not tell where to
		others := slices.DeleteFunc(slices.Clone(f.carriers), func(a marketplace.Address) bool { return a == who })
		_, err := f.book.Carry(t.Context(), v.carry, marketplace.CarrierWish{Not: others}, time.Now())
		if err != nil && !errors.Is(err, marketplace.NotFound) {
			t.Fatal(err)
		}
	}
	return v
}

// asks has the market's event come to an agent.
func (v *visitor) asks(a *Agent) {
	v.t.Helper()
	data, err := json.Marshal(v.carry)
	must(v.t, err)
	a.lend(v.t.Context(), marketplace.Event{Kind: marketplace.CarryKind, Data: data})
}

// orders gives an order to the carrier's next connection and returns its answer.
func (v *visitor) orders(order byte) (net.Conn, byte) {
	v.t.Helper()
	c, err := v.door.Accept()
	must(v.t, err)
	v.t.Cleanup(func() { _ = c.Close() })
	must(v.t, c.SetDeadline(time.Now().Add(30*time.Second)))
	var token marketplace.Hash
	_, err = io.ReadFull(c, token[:])
	must(v.t, err)
	if token != v.carry.Token {
		v.t.Fatalf("the carrier shows %s", token)
	}
	_, err = c.Write([]byte{order})
	must(v.t, err)
	answer, err := readByte(c)
	must(v.t, err)
	return c, answer
}

func hello(h marketplace.Infohash) string {
	return protocol + "\x00\x00\x00\x00\x00\x10\x00\x00" + string(h[:]) + "-XX0001-" + rand.Text()[:12]
}

// fetch downloads the first block of a torrent over a connection on which handshakes were begun by us, or not.
func fetch(t *testing.T, c io.ReadWriter, h marketplace.Infohash, begun bool) {
	t.Helper()
	hello := hello(h)
	if !begun {
		theirs := make([]byte, handshakeSize)
		_, err := io.ReadFull(c, theirs)
		must(t, err)
		if string(theirs[:len(protocol)]) != protocol {
			t.Fatalf("it begins with %q", theirs)
		}
	}
	_, err := io.WriteString(c, hello+"\x00\x00\x00\x01\x02")
	must(t, err)
	if begun {
		_, err := io.ReadFull(c, make([]byte, handshakeSize))
		must(t, err)
	}
	for {
		head := make([]byte, 5)
		_, err := io.ReadFull(c, head[:4])
		must(t, err)
		n := binary.BigEndian.Uint32(head)
		if n == 0 {
			continue
		}
		body := make([]byte, n)
		_, err = io.ReadFull(c, body)
		must(t, err)
		switch body[0] {
		case 1: // unchoke: ask for 16 KiB
			_, err := io.WriteString(c, "\x00\x00\x00\x0d\x06"+"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00")
			must(t, err)
		case 7:
			if len(body) != 9+16<<10 {
				t.Fatalf("a block of %d bytes", len(body)-9)
			}
			return
		}
	}
}

// proves runs an agent until its lease is proving.
func proves(t *testing.T, f *fair, a *Agent, l marketplace.Lease) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	someone := f.as(newKey(t))
	for end := time.Now().Add(time.Minute); l.State != marketplace.Proving || !a.state.holds(l.ID, l.Infohash); {
		if time.Now().After(end) {
			t.Fatalf("the lease is %s", l.State)
		}
		time.Sleep(10 * time.Millisecond)
		var err error
		l, err = someone.Lease(t.Context(), l.ID)
		must(t, err)
	}
}

func TestAnAgentCarriesAnAuditorsVisitOverTCPAndUTP(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	_, l := employed(t, f, itself)
	c := carrier(t, f)
	v := newVisitor(t, f, f.auditor(true), l)
	v.asks(c)
	for _, order := range []byte{overTCP, overUTP} {
		for _, obfuscated := range []bool{false, true} {
			line, answer := v.orders(order)
			if answer != metAnswer {
				t.Fatalf("%c is answered with %c", order, answer)
			}
			var rw io.ReadWriter = line
			if obfuscated {
				var err error
				rw, _, err = mse.InitiateHandshake(line, l.Infohash[:], nil, mse.AllSupportedCrypto)
				must(t, err)
			}
			fetch(t, rw, l.Infohash, true)
			_ = line.Close()
		}
	}
	_ = v.door.Close()
	c.work.Wait()
	s, err := c.Status()
	must(t, err)
	if s.Lent.Visits != 1 || s.Lent.Bytes < 4*16<<10 || s.Lent.Bytes > 5*16<<10 || s.Lent.Most != 256<<20 {
		t.Errorf("the owner is told %+v", s.Lent)
	}
}

func TestAnAgentThatNobodyCanConnectToComesToTheCarrier(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	a, l := employed(t, f, "")
	proves(t, f, a, l)
	c := carrier(t, f)
	v := newVisitor(t, f, f.auditor(true), l)
	v.asks(c)
	for _, order := range []byte{overTCP, overUTP, 'x', 0} {
		if _, answer := v.orders(order); answer != missedAnswer {
			t.Errorf("order %q is answered with %c", order, answer)
		}
	}
	line, answer := v.orders(awaited)
	if answer != metAnswer {
		t.Fatalf("the carrier answers %c", answer)
	}
	fetch(t, line, l.Infohash, false)
}

func TestNobodyIsAwaitedForATorrentThatIsHeldOrByWhomNobodyCanConnectTo(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	_, l := employed(t, f, "")
	auditor := f.auditor(true)
	holds, hidden := carrier(t, f), carrier(t, f)
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/content", make([]byte, 100_000), 0o600))
	raw, err := holds.Market.Metainfo(t.Context(), l.Infohash)
	must(t, err)
	_, err = holds.Engine.Adopt(raw, dir)
	must(t, err)
	hidden.Config.Peer = ""
	for name, c := range map[string]*Agent{"held": holds, "hidden": hidden} {
		v := newVisitor(t, f, auditor, l)
		v.asks(c)
		if _, answer := v.orders(awaited); answer != missedAnswer {
			t.Errorf("%s: the carrier answers %c", name, answer)
		}
	}
}

func TestAVisitIsCarriedOnlyIfAllIsWellWithIt(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	_, l := employed(t, f, itself)
	auditor, applicant := f.auditor(true), f.auditor(false)
	c := carrier(t, f)
	mine, own := employed(t, f, itself)
	mine.porter = newPorter()
	miser := carrier(t, f)
	miser.Config.Carry = 0
	careful := carrier(t, f) // on the public internet, this machine is nobody
	careful.Engine.Close()
	var err error
	careful.Engine, err = swarm.Open(swarm.Config{Dir: careful.Config.Dir, Listen: "127.0.0.1:0", NoDHT: true})
	must(t, err)
	defer careful.Engine.Close()
	leaver, over := employed(t, f, itself)
	_, err = leaver.Market.Decline(t.Context(), over.ID, "no")
	must(t, err)
	unknown, seen := l, newVisitor(t, f, auditor, l).carry
	unknown.ID += 1000
	if _, err := c.checkCarry(t.Context(), seen, time.Now()); err != nil {
		t.Fatalf("a good carry: %v", err)
	}
	good := func(by escrow.Key, l marketplace.Lease, change func(*marketplace.Carry)) marketplace.Carry {
		v := newVisitor(t, f, by, l)
		change(&v.carry)
		return v.carry
	}
	as := func(*marketplace.Carry) {}
	to := func(door string) marketplace.Carry {
		return good(auditor, l, func(c *marketplace.Carry) { c.Door = door })
	}
	for says, tc := range map[string]struct {
		by    *Agent
		carry marketplace.Carry
		want  marketplace.Kind
	}{
		"lends nothing":      {miser, good(auditor, l, as), marketplace.Forbidden},
		"carried already":    {c, seen, marketplace.Conflict},
		"admitted no":        {c, good(applicant, l, as), marketplace.Forbidden},
		"is signed by":       {c, good(auditor, l, func(c *marketplace.Carry) { c.Lease++ }), marketplace.Invalid},
		"signature":          {c, good(auditor, l, func(c *marketplace.Carry) { c.Signature = marketplace.Signature{} }), marketplace.Invalid},
		"is for epoch":       {c, good(auditor, l, func(c *marketplace.Carry) { c.Epoch += 3 }), marketplace.Invalid},
		"; this is":          {c, good(auditor, l, func(c *marketplace.Carry) { c.Epoch -= 3 }), marketplace.Invalid},
		"is my own":          {mine, good(auditor, own, as), marketplace.Invalid},
		"is released":        {c, good(auditor, over, as), marketplace.Conflict},
		"read the lease":     {c, good(auditor, unknown, as), marketplace.NotFound},
		"is not ip:port":     {c, to("localhost:80"), marketplace.Invalid},
		"192.168.1.1:80":     {c, to("192.168.1.1:80"), marketplace.Invalid},
		"169.254.169.254:80": {c, to("169.254.169.254:80"), marketplace.Invalid},
		"8.8.8.8:0":          {c, to("8.8.8.8:0"), marketplace.Invalid},
		"agent of lease":     {careful, to("8.8.8.8:80"), marketplace.Invalid},
		"auditor's door":     {careful, to("127.0.0.1:80"), marketplace.Invalid},
	} {
		_, err := tc.by.checkCarry(t.Context(), tc.carry, time.Now())
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestACarryEndsInTimeHoweverTheAuditorHoldsOn(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	_, l := employed(t, f, itself)
	auditor := f.auditor(true)
	for _, orders := range []int{0, 1, linesMax} {
		c := carrier(t, f)
		c.info.Rules.ProbeTimeout = marketplace.Span(3 * time.Second)
		v := newVisitor(t, f, auditor, l)
		v.asks(c)
		began := time.Now()
		for range orders {
			if _, answer := v.orders(overTCP); answer != metAnswer { // and then it says nothing
				t.Errorf("after %s, an order is answered with %c", time.Since(began), answer)
			}
		}
		if orders == linesMax {
			must(t, v.door.SetDeadline(time.Now().Add(100*time.Millisecond)))
			if _, err := v.door.Accept(); err == nil {
				t.Errorf("it comes once more after %d orders", orders)
			}
		}
		c.work.Wait()
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("with %d orders it took %s", orders, took)
		}
		if len(c.porter.hands) != 0 {
			t.Error("a carry that is over is still on")
		}
	}
}

func TestTenThousandEventsMakeAnAgentConnectOnce(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	_, l := employed(t, f, itself)
	c := carrier(t, f)
	v := newVisitor(t, f, f.auditor(true), l)
	began := time.Now()
	for range 10_000 {
		v.asks(c)
	}
	c.lend(t.Context(), marketplace.Event{Kind: marketplace.CarryKind, Data: []byte("scrap")})
	c.porter.asked.SetLimit(0)
	if left := c.porter.asked.Tokens(); left > carriesRate*time.Since(began).Seconds() {
		t.Errorf("%.1f more were looked at after 10,000 events", left)
	}
	line, _ := v.orders('x')
	_ = line.Close()
	v.orders('x') // the next of the same carry
	_ = v.door.Close()
	c.work.Wait()
	if len(c.porter.hands) != 0 || len(c.porter.tokens) != 1 {
		t.Errorf("%d are on, %d were carried", len(c.porter.hands), len(c.porter.tokens))
	}
}

func TestAnAgentHearsOnItsStreamThatAVisitIsToBeCarried(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	_, l := employed(t, f, itself)
	c := carrier(t, f)
	v := newVisitor(t, f, f.auditor(true), l)
	data, err := json.Marshal(v.carry)
	must(t, err)
	event, err := json.Marshal(marketplace.Event{Kind: marketplace.CarryKind, Data: data})
	must(t, err)
	market := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/stream" {
			f.web.Config.Handler.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: %s\n\n", event)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer market.Close()
	c.Market.Base = market.URL
	ctx, stop := context.WithCancel(t.Context())
	wake := c.listen(ctx)
	if _, answer := v.orders('x'); answer != missedAnswer {
		t.Errorf("it answers %c", answer)
	}
	select {
	case <-wake:
		t.Error("its leases have not changed")
	default:
	}
	stop()
	c.work.Wait()
}

func TestNoMoreThanFourVisitsAreCarriedAtATime(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	_, l := employed(t, f, itself)
	c, auditor := carrier(t, f), f.auditor(true)
	var all []*visitor
	for range carriesMax {
		v := newVisitor(t, f, auditor, l)
		v.asks(c)
		v.orders('x')
		all = append(all, v)
	}
	more := newVisitor(t, f, auditor, l)
	more.asks(c)
	must(t, more.door.SetDeadline(time.Now().Add(300*time.Millisecond)))
	if _, err := more.door.Accept(); err == nil {
		t.Error("a fifth visit is carried")
	}
	for _, v := range all {
		_ = v.door.Close()
	}
	c.work.Wait()
}

func TestTokensAreForgottenAfterTheirEpochs(t *testing.T) {
	t.Parallel()
	p := newPorter()
	for i := range tokensMax {
		must(t, p.use(marketplace.Hash{1, byte(i), byte(i >> 8)}, 5, 5))
	}
	if err := p.use(marketplace.Hash{2}, 6, 6); !errors.Is(err, marketplace.TooMany) {
		t.Errorf("one more token: %v", err)
	}
	must(t, p.use(marketplace.Hash{2}, 7, 7))
	if len(p.tokens) != 1 {
		t.Errorf("%d tokens are known", len(p.tokens))
	}
}
