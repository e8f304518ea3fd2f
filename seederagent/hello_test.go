package seederagent

import (
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// A stranger is somebody who has nothing to do with the market, and notes what comes in.
type stranger struct {
	*net.TCPListener
	came chan string
}

// newStranger answers each connection with a text.
func newStranger(t *testing.T, says string) stranger {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := stranger{l, make(chan string, 10)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, says)
			all, _ := io.ReadAll(c)
			_ = c.Close()
			s.came <- string(all)
		}
	}()
	return s
}

func TestAnAuditorAndAnAgentCannotUseACarrierAgainstAStranger(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	auditor := f.auditor(true)
	chance := func(n int) string {
		b := make([]byte, n)
		_, _ = rand.Read(b) // never fails
		return string(b)
	}
	text := strings.Repeat("250 at your service\r\n", 20)
	tls := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance(200)
	for name, tc := range map[string]struct {
		says   string
		hello  func(marketplace.Infohash) string
		passes int // bytes to the stranger
	}{
		"mail":                       {text, func(marketplace.Infohash) string { return "EHLO x\r\nMAIL FROM" }, 0},
		"the web":                    {text, func(marketplace.Infohash) string { return "GET / HTTP/1.1\r\nHost: x\r\n" }, 0},
		"TLS":                        {text, func(marketplace.Infohash) string { return tls }, 0},
		"another torrent":            {text, func(marketplace.Infohash) string { return hello(marketplace.Infohash{3}) }, 0},
		"mail after a handshake":     {text, hello, handshakeSize},
		"mail after a key":           {text, func(marketplace.Infohash) string { return chance(keySize) }, keySize},
		"TLS after a key":            {tls, func(marketplace.Infohash) string { return chance(keySize) }, keySize},
		"a key after a handshake":    {chance(keySize), hello, handshakeSize},
		"who says nothing, politely": {"", hello, handshakeSize},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStranger(t, tc.says)
			_, l := employed(t, f, s.Addr().String())
			c := carrier(t, f)
			c.info.Rules.ProbeTimeout = marketplace.Span(3 * time.Second)
			v := newVisitor(t, f, auditor, l)
			v.asks(c)
			line, answer := v.orders(overTCP)
			if answer != metAnswer {
				t.Fatalf("the carrier answers %c", answer)
			}
			_, err := io.WriteString(line, tc.hello(l.Infohash)+strings.Repeat("RCPT TO: victim\r\n", 100))
			must(t, err)
			if heard, _ := io.ReadAll(line); len(heard) > 0 { // it may be cut off
				t.Errorf("the auditor hears %q", heard)
			}
			if came := <-s.came; len(came) != tc.passes || strings.Contains(came, "RCPT") {
				t.Errorf("the stranger gets %q", came)
			}
		})
	}
}

func TestACarryPassesSoMuchAndNoMore(t *testing.T) {
	t.Parallel()
	f := newFair(t)
	h := make(chan marketplace.Infohash, 1)
	flood, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer flood.Close()
	go func() { // a peer that sends without end
		c, err := flood.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, hello(<-h))
		for b := make([]byte, 64<<10); err == nil; {
			_, err = c.Write(b)
		}
		_ = c.Close()
	}()
	_, l := employed(t, f, flood.Addr().String())
	h <- l.Infohash
	c := carrier(t, f)
	c.Config.Carry = carryBytes
	auditor := f.auditor(true)
	v := newVisitor(t, f, auditor, l)
	v.asks(c)
	line, _ := v.orders(overTCP)
	_, err = io.WriteString(line, hello(l.Infohash))
	must(t, err)
	heard, _ := io.Copy(io.Discard, line) // which is cut off
	if heard+handshakeSize > carryBytes || heard < carryBytes-64<<10 {
		t.Errorf("%d bytes came", heard)
	}
	_ = v.door.Close()
	c.work.Wait()
	s, err := c.Status()
	must(t, err)
	if s.Lent.Visits != 1 || s.Lent.Bytes > carryBytes || s.Lent.Bytes < heard {
		t.Errorf("the owner is told %+v", s.Lent)
	}
	err = c.carry(t.Context(), newVisitor(t, f, auditor, l).carry, time.Now())
	if !errors.Is(err, marketplace.TooMany) {
		t.Errorf("with the day's most used up it carries: %v", err)
	}
}
