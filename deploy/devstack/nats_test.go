package devstack

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestNATSCarriesAMessageAndComesBackOnItsPort(t *testing.T) {
	t.Parallel()
	n, err := StartNATS(0)
	if err != nil {
		t.Fatal(err)
	}
	carry(t, n)
	port := n.Port()
	n.Stop()
	if n, err = StartNATS(port); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	carry(t, n)
}

func carry(t *testing.T, n *NATS) {
	t.Helper()
	conn, err := nats.Connect(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	news, err := conn.SubscribeSync("news")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish("news", []byte("bounty 7")); err != nil {
		t.Fatal(err)
	}
	m, err := news.NextMsg(10 * time.Second)
	if err != nil || string(m.Data) != "bounty 7" {
		t.Fatalf("got %v, %v", m, err)
	}
}

func TestNATSSaysThatItsPortIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	_, err = StartNATS(l.Addr().(*net.TCPAddr).Port)
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("said %v after %s", err, time.Since(began))
	}
}
