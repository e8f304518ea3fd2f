package devchain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"google.golang.org/grpc"
)

// Limits of the HTTP doors.
const (
	headWithin   = 5 * time.Second
	bodyWithin   = 30 * time.Second
	answerWithin = delayMax + time.Minute
	headMax      = 16 << 10
)

// A door is an address at which the chain is served.
type door struct {
	name  string
	addr  net.Addr
	serve func() error
	close func() error
}

// openDoors listens at all addresses. Nobody is served yet.
func (c *Chain) openDoors(ctx context.Context) error {
	if err := c.openDoor(ctx, "gRPC", c.opts.Listen, c.rpc); err != nil {
		return err
	}
	if c.opts.HTTP != "" {
		if err := c.openDoor(ctx, "HTTP", c.opts.HTTP, func(ln net.Listener) (door, error) {
			return web(ln, c.node()), nil
		}); err != nil {
			return err
		}
	}
	if c.opts.Control == "" {
		return nil
	}
	return c.openDoor(ctx, "control", c.opts.Control, func(ln net.Listener) (door, error) {
		if at, ok := ln.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
			return door{}, fmt.Errorf("%s is not on loopback, and whoever reaches the control"+
				" port commands the chain", ln.Addr())
		}
		return web(ln, c.control()), nil
	})
}

func (c *Chain) openDoor(
	ctx context.Context, name, addr string, open func(net.Listener) (door, error),
) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", name, err)
	}
	d, err := open(ln)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for %s: %w", name, err), ln.Close())
	}
	d.name, d.addr = name, ln.Addr()
	c.doors = append(c.doors, d)
	return nil
}

func (c *Chain) closeDoors() (err error) {
	for _, d := range c.doors {
		err = errors.Join(err, d.close())
	}
	return err
}

// at returns the address of a door, or nothing.
func (c *Chain) at(name string) string {
	for _, d := range c.doors {
		if d.name == name {
			return d.addr.String()
		}
	}
	return ""
}

// Addr returns the gRPC address.
func (c *Chain) Addr() string { return c.at("gRPC") }

// HTTPAddr returns the address of the HTTP API, empty when there is none.
func (c *Chain) HTTPAddr() string { return c.at("HTTP") }

// ControlAddr returns the address of the control port, empty when there is none.
func (c *Chain) ControlAddr() string { return c.at("control") }

func (c *Chain) rpc(ln net.Listener) (door, error) {
	s := grpc.NewServer(grpc.UnaryInterceptor(c.disturbed))
	api.RegisterWalletServer(s, &wallet{chain: c})
	api.RegisterWalletSolidityServer(s, &solidity{chain: c})
	return door{serve: func() error { return s.Serve(ln) },
		close: func() error {
			s.Stop()
			return ignoreClosed(ln.Close())
		}}, nil
}

func web(ln net.Listener, h http.Handler) door {
	s := &http.Server{Handler: h, ReadHeaderTimeout: headWithin, ReadTimeout: bodyWithin,
		WriteTimeout: answerWithin, IdleTimeout: time.Minute, MaxHeaderBytes: headMax}
	return door{
		serve: func() error {
			if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
		close: func() error { return ignoreClosed(errors.Join(s.Close(), ln.Close())) },
	}
}

// ignoreClosed forgives closing what is closed: who serves closes its listener.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
