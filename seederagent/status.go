package seederagent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// Status is what `everseed-agent status` shows.
type Status struct {
	Agent     marketplace.Address `json:"agent"`
	Payee     marketplace.Address `json:"payee"`
	Market    string              `json:"market"`
	SteppedAt time.Time           `json:"stepped_at" doc:"Last time the market answered"`
	Trouble   string              `json:"trouble,omitempty"`
	Offer     marketplace.Offer   `json:"offer" doc:"As the market has it, with the agent's standing"`
	Torrents  []TorrentStatus     `json:"torrents"`
	OnCheque  marketplace.Amount  `json:"on_cheque" doc:"BTT on signed cheques in the purse"`
	DiskFree  int64               `json:"disk_free"`
	Quiet     int64               `json:"quiet_windows" doc:"Since the agent started: for moments it served auditors only"`
	Lent      LentStatus          `json:"lent"`
}

// LentStatus is what visits to other agents took of the line today, a day of UTC.
type LentStatus struct {
	Visits int   `json:"visits"`
	Bytes  int64 `json:"bytes" doc:"Passed on, both ways"`
	Most   int64 `json:"most" doc:"Bytes a day, by the configuration"`
}

// TorrentStatus is one lease with what is on disk for it.
type TorrentStatus struct {
	Lease    marketplace.Lease `json:"lease"`
	Bytes    int64             `json:"bytes" doc:"Verified bytes on disk"`
	Peers    int               `json:"peers"`
	Uploaded int64             `json:"uploaded" doc:"Bytes since the agent started"`
}

// status is what the loop leaves for the status page.
type status struct {
	mu      sync.Mutex // guards the fields below
	leases  []marketplace.Lease
	stepped time.Time
	trouble string
	offer   marketplace.Offer
	looked  time.Time
}

func (s *status) setOffer(o marketplace.Offer, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offer, s.looked = o, now
}

// lookDue says whether the offer was last read before a time, and which it is.
func (s *status) lookDue(before time.Time) (id int64, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offer.ID, s.offer.ID != 0 && s.looked.Before(before)
}

func (s *status) set(leases []marketplace.Lease, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases, s.stepped = leases, now
}

func (s *status) setErr(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = ""
	if err != nil {
		s.trouble = err.Error()
	}
}

// Status returns the present state of the agent.
func (a *Agent) Status() (Status, error) {
	a.state.mu.Lock()
	s := Status{
		Agent: a.Key.Address(), Payee: a.Config.Offer(a.Key.Address(), nil).Payee,
		Market: a.Config.Market, SteppedAt: a.state.stepped, Trouble: a.state.trouble,
		Offer: a.state.offer, Torrents: []TorrentStatus{}, Quiet: a.Engine.QuietWindows(),
	}
	leases := a.state.leases
	a.state.mu.Unlock()
	lent := a.lent.today(time.Now())
	s.Lent = LentStatus{Visits: lent.Visits, Bytes: lent.Bytes, Most: int64(a.Config.Carry)}
	for _, l := range leases {
		t := TorrentStatus{Lease: l}
		if e, ok := a.Engine.Status(l.Infohash); ok {
			t.Bytes, t.Peers, t.Uploaded = e.Bytes, e.Peers, e.Uploaded
		}
		s.Torrents = append(s.Torrents, t)
	}
	var err error
	if s.DiskFree, err = a.Engine.DiskFree(); err != nil {
		return s, err
	}
	if a.purse == nil {
		return s, nil
	}
	cheques, err := a.purse.Cheques()
	for _, c := range cheques {
		s.OnCheque = s.OnCheque.Add(c.Cheque.Cumulative)
	}
	return s, err
}

// socketPath is where the running agent answers its owner. The folder is 0700: who can open it
// owns the agent.
func socketPath(dir string) string { return filepath.Join(dir, "agent.sock") }

// ServeStatus answers `everseed-agent status` until ctx is done.
func (a *Agent) ServeStatus(ctx context.Context) error {
	path := socketPath(a.Config.Dir)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove old status socket: %w", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("open status socket: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			s, err := a.Status()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(s); err != nil {
				a.Log.Info("status reader left", "err", err)
			}
		})}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve status: %w", err)
	}
	return nil
}

// AskStatus reads the status of the agent that runs on a folder.
func AskStatus(ctx context.Context, dir string) (s Status, err error) {
	var d net.Dialer
	web := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socketPath(dir))
		}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := web.Do(req)
	if err != nil {
		return s, marketplace.Unavailable.Errorf("no agent is running on %s; start it with"+
			" `everseed-agent run`", dir)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("agent answers %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	return s, nil
}
