package line

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Line is what lies between two homes: it sends at its rate, keeps packets waiting in a queue, drops
// what does not fit there and some others, and takes its time. What is counted is what went in.
type Line struct {
	Rate  int           // bytes/s each way; 0 is no limit
	Queue int           // packets that wait each way
	Delay time.Duration // each way
	Loss  float64       // 0.01: one of a hundred, by chance

	Up, Down Way // to the far end and back

	mu    sync.Mutex                      // guards the field below
	ports map[netip.AddrPort]*net.UDPConn // at the far end, by who comes at the near one
	marks chan int64
}

// A Way is one way of a line.
type Way struct {
	Bytes, Dropped atomic.Int64 // bytes with the heads of IP and UDP; packets
	Packets        atomic.Int64 // of uTP that say more than what came, and all others
	wait           chan parcel
}

type parcel struct {
	content []byte
	deliver func([]byte)
	at      time.Time // when it came, later when it leaves
}

// Open lays the line to a far end on this machine, and returns the near end.
func (l *Line) Open(t testing.TB, far netip.AddrPort) netip.AddrPort {
	t.Helper()
	host := far.Addr()
	near, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	done := make(chan struct{})
	for _, w := range []*Way{&l.Up, &l.Down} {
		w.wait = make(chan parcel, l.Queue)
		running.Go(func() { l.carry(w, done) })
	}
	l.ports, l.marks = map[netip.AddrPort]*net.UDPConn{}, make(chan int64, 1)
	running.Go(func() {
		b := make([]byte, 2048)
		for {
			n, from, err := near.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			l.mu.Lock()
			out := l.ports[from]
			if out == nil {
				if out, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(far)); err != nil {
					l.mu.Unlock()
					return
				}
				l.ports[from] = out
				running.Go(func() { l.back(near, out, from) })
			}
			l.mu.Unlock()
			l.put(&l.Up, b[:n], func(b []byte) { _, _ = out.Write(b) })
		}
	})
	t.Cleanup(func() {
		_ = near.Close()
		l.mu.Lock()
		for _, c := range l.ports {
			_ = c.Close()
		}
		l.mu.Unlock()
		close(done)
		running.Wait()
	})
	return near.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (l *Line) back(near, out *net.UDPConn, to netip.AddrPort) {
	b := make([]byte, 2048)
	for {
		n, err := out.Read(b)
		if err != nil {
			return
		}
		l.put(&l.Down, b[:n], func(b []byte) { _, _ = near.WriteToUDPAddrPort(b, to) })
		if string(b[:n]) == mark {
			l.marks <- l.Down.Packets.Load()
		}
	}
}

const mark = "d4:marke" // is none of a stream

// Mark returns how many packets had come from the far end before what it sends now.
func (l *Line) Mark(t *testing.T, far net.PacketConn) int64 {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, port := range l.ports {
		if _, err := far.WriteTo([]byte(mark), port.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		return <-l.marks
	}
	t.Fatal("nobody uses the line")
	return 0
}

func (l *Line) put(w *Way, b []byte, deliver func([]byte)) {
	const heads = 28 // of IP and UDP
	w.Bytes.Add(int64(len(b) + heads))
	if b[0] != 0x21 { // an acknowledgement
		w.Packets.Add(1)
	}
	if rand.Float64() < l.Loss { // #nosec G404 -- chance of a line, no secret
		w.Dropped.Add(1)
		return
	}
	select {
	case w.wait <- parcel{append([]byte(nil), b...), deliver, time.Now()}:
	default:
		w.Dropped.Add(1)
	}
}

func (l *Line) carry(w *Way, done chan struct{}) {
	way := make(chan parcel, 4096) // what is under way
	defer close(way)
	go func() {
		for p := range way {
			time.Sleep(time.Until(p.at))
			p.deliver(p.content)
		}
	}()
	free := time.Now()
	for {
		select {
		case <-done:
			return
		case p := <-w.wait:
			free = latest(free, p.at) // a late wake-up slows nothing down
			if l.Rate > 0 {
				free = free.Add(time.Duration(len(p.content)+28) * time.Second / time.Duration(l.Rate))
				time.Sleep(time.Until(free))
			}
			p.at = free.Add(l.Delay)
			way <- p
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
