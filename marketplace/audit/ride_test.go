package audit

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A ride's door is open to everybody. Who comes in heaps and keeps silent, or shows a token that it was told
// and does it again and again, costs no more than a few connections, and none when the ride is over.
func TestAFewWaitAtADoorAndNobodyWhenTheRideIsOver(t *testing.T) {
	t.Parallel()
	for name, shows := range map[string]bool{"silent": false, "with the token": true} {
		for end, ends := range map[string]func(*ride, context.CancelFunc){
			"the ride ends":    func(r *ride, _ context.CancelFunc) { r.close() },
			"the auditor ends": func(_ *ride, stop context.CancelFunc) { stop() },
		} {
			t.Run(name+", "+end, func(t *testing.T) {
				t.Parallel()
				door, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				r := newRide(ctx, door)
				defer r.close()
				var all []net.Conn
				for range 5 * guestsMax {
					c, err := net.Dial("tcp", door.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					if shows {
						_, _ = c.Write(r.token[:]) // it may be closed
					}
					all = append(all, c)
				}
				if left := openOf(all, time.Second); left != guestsMax {
					t.Errorf("%d wait at the door", left)
				}
				ends(r, stop)
				if left := openOf(all, time.Second); left != 0 {
					t.Errorf("%d wait at the door when it is over", left)
				}
			})
		}
	}
}

// openOf is how many connections the other side has not closed within a time.
func openOf(all []net.Conn, within time.Duration) int64 {
	var open atomic.Int64
	var reads sync.WaitGroup
	for _, c := range all {
		_ = c.SetReadDeadline(time.Now().Add(within))
		reads.Go(func() {
			if _, err := c.Read([]byte{0}); errors.Is(err, os.ErrDeadlineExceeded) {
				open.Add(1)
			}
		})
	}
	reads.Wait()
	return open.Load()
}
