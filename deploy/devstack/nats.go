package devstack

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NATS is a server inside this process.
type NATS struct{ server *server.Server }

// StartNATS starts a server on a port of 127.0.0.1; 0 takes a free one.
func StartNATS(port int) (*NATS, error) {
	// The server would only log that its port is taken, and we would wait in vain.
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen for NATS: %w", err)
	}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("listen for NATS: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, errors.New("the NATS server does not get ready")
	}
	return &NATS{server: s}, nil
}

// URL returns the address for clients.
func (n *NATS) URL() string { return n.server.ClientURL() }

// Port returns the port that the server listens on; a later one can take the same.
func (n *NATS) Port() int { return n.server.Addr().(*net.TCPAddr).Port }

// Stop ends the server and waits until it is gone.
func (n *NATS) Stop() {
	n.server.Shutdown()
	n.server.WaitForShutdown()
}
