package audit_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
)

func TestWhoseOwnDoorIsShutSaysNothingOfAgentsThatDoNotCome(t *testing.T) {
	t.Parallel()
	_, raw := built(t, metainfo.V1)
	h := parse(t, raw).Infohash
	fault := marketplace.AuditorFault
	for name, c := range map[string]struct {
		reached bool
		err     error
		want    marketplace.Outcome
	}{
		"the market comes to the door":     {true, nil, away},
		"the market does not come either":  {false, nil, fault},
		"the market cannot say what it is": {false, errors.New("down"), away},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			d := &desk{rules: rules(), auditors: []marketplace.Address{{1}}, heard: make(chan struct{}, 1),
				torrents: map[marketplace.Infohash][]byte{h: raw}, tried: map[[2]int64]bool{},
				knocked: func(marketplace.Knock) {},
				reach: func(address string) (bool, error) {
					asked.Add(1)
					open, err := net.Dial("tcp", here(t, address).String())
					if err != nil {
						t.Errorf("it listens nowhere: %v", err)
						return false, err
					}
					return c.reached, errors.Join(c.err, open.Close())
				}}
			for id := int64(1); id < 4; id++ {
				d.leases = append(d.leases, marketplace.Lease{ID: id, Infohash: h, Peer: "127.0.0.1:0"})
			}
			a := &audit.Auditor{Address: d.auditors[0], Market: d, Rules: d.rules, Guard: devnet,
				Lobby: *lobby(t, "127.0.0.1:0", ""), Sign: sign, Parallel: 1}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- a.Run(ctx) }()
			reports := d.wait(t, 3)
			stop()
			if err := <-ended; err != nil {
				t.Errorf("run: %v", err)
			}
			for _, r := range reports {
				if r.Outcome != c.want || slices.ContainsFunc(r.Tries, func(o marketplace.Outcome) bool {
					return o != c.want
				}) {
					t.Errorf("%+v", r)
				}
			}
			epochs := int64(3) // that it may have been here for
			if n := asked.Load(); n == 0 || c.err == nil && n > epochs {
				t.Errorf("the market was asked %d times; once an epoch is enough", n)
			}
		})
	}
}
