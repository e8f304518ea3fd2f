package swarm

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A line is what lies between two homes: it sends at its rate, keeps packets waiting in a queue, drops
// what does not fit there and some others, and takes its time. What is counted is what went in.
type line struct {
	rate  int           // bytes/s each way; 0 is no limit
	queue int           // packets that wait each way
	delay time.Duration // each way
	loss  float64       // 0.01: one of a hundred, by chance

	up, down oneWay // to the far end and back

	mu    sync.Mutex                      // guards the field below
	ports map[netip.AddrPort]*net.UDPConn // at the far end, by who comes at the near one
	marks chan int64
}

// A oneWay is one way of a line.
type oneWay struct {
	bytes, packets, dropped atomic.Int64 // of packets, those that say more than what came
	wait                    chan parcel
}

type parcel struct {
	content []byte
	deliver func([]byte)
	at      time.Time // when it came, later when it leaves
}

// open lays the line to a far end on this machine, and returns the near end.
func (l *line) open(t testing.TB, far netip.AddrPort) netip.AddrPort {
	t.Helper()
	host := far.Addr()
	near, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	done := make(chan struct{})
	for _, w := range []*oneWay{&l.up, &l.down} {
		w.wait = make(chan parcel, l.queue)
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
			l.put(&l.up, b[:n], func(b []byte) { _, _ = out.Write(b) })
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

func (l *line) back(near, out *net.UDPConn, to netip.AddrPort) {
	b := make([]byte, 2048)
	for {
		n, err := out.Read(b)
		if err != nil {
			return
		}
		l.put(&l.down, b[:n], func(b []byte) { _, _ = near.WriteToUDPAddrPort(b, to) })
		if string(b[:n]) == mark {
			l.marks <- l.down.packets.Load()
		}
	}
}

const mark = "d4:marke" // is none of a stream

// mark returns how many packets had come from the far end before what it sends now.
func (l *line) mark(t *testing.T, far net.PacketConn) int64 {
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

func (l *line) put(w *oneWay, b []byte, deliver func([]byte)) {
	const heads = 28 // of IP and UDP
	w.bytes.Add(int64(len(b) + heads))
	if b[0] != 0x21 { // an acknowledgement
		w.packets.Add(1)
	}
	if rand.Float64() < l.loss {
		w.dropped.Add(1)
		return
	}
	select {
	case w.wait <- parcel{append([]byte(nil), b...), deliver, time.Now()}:
	default:
		w.dropped.Add(1)
	}
}

func (l *line) carry(w *oneWay, done chan struct{}) {
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
			if l.rate > 0 {
				free = free.Add(time.Duration(len(p.content)+28) * time.Second / time.Duration(l.rate))
				time.Sleep(time.Until(free))
			}
			p.at = free.Add(l.delay)
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
