package tracker

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

var hash = strings.Repeat("h", 20)

func ask(t *testing.T, tr *Tracker, from string, now time.Time, fields ...string) string {
	t.Helper()
	q := url.Values{"info_hash": {hash}, "port": {"7000"}, "left": {"5"}}
	for i := 0; i < len(fields); i += 2 {
		q.Set(fields[i], fields[i+1])
	}
	body, err := tr.announce(q, from, now)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestPeersMeetUntilTheyStopOrExpire(t *testing.T) {
	t.Parallel()
	tr, now := &Tracker{}, time.Unix(1_000_000, 0)
	if body := ask(t, tr, "1.1.1.1:9", now, "left", "0"); !strings.Contains(body, "5:peers0:") {
		t.Errorf("the first peer was told of %q", body)
	}
	body := ask(t, tr, "[2606::1]:9", now, "port", "7001")
	if !strings.Contains(body, "5:peers6:\x01\x01\x01\x01\x1b\x58") ||
		!strings.Contains(body, "8:completei1e10:incompletei1e8:intervali30e") {
		t.Errorf("the second peer was told of %q", body)
	}
	body = ask(t, tr, "3.3.3.3:9", now)
	if !strings.Contains(body, "6:peers618:\x26\x06") {
		t.Errorf("the third peer was told of %q", body)
	}
	if body := ask(t, tr, "3.3.3.3:9", now, "numwant", "1"); strings.Contains(body, "618:") {
		t.Errorf("who wants one peer was told of %q", body)
	}
	ask(t, tr, "1.1.1.1:9", now, "event", "stopped")
	if body := ask(t, tr, "3.3.3.3:9", now); !strings.Contains(body, "5:peers0:") {
		t.Errorf("a peer that stopped is still told of: %q", body)
	}
	if body := ask(t, tr, "3.3.3.3:9", now.Add(time.Minute+time.Second)); !strings.Contains(body,
		"peers60:") {
		t.Errorf("a peer that went silent is still told of: %q", body)
	}
}

func TestScrapeCounts(t *testing.T) {
	t.Parallel()
	tr, now := &Tracker{}, time.Unix(1_000_000, 0)
	ask(t, tr, "1.1.1.1:9", now, "left", "0", "event", "completed")
	ask(t, tr, "2.2.2.2:9", now)
	ask(t, tr, "2.2.2.2:9", now)
	body, err := tr.scrape([]string{hash, strings.Repeat("x", 20), hash}, now)
	want := "d5:filesd20:" + hash + "d8:completei1e10:downloadedi1e10:incompletei1eeee"
	if err != nil || body != want {
		t.Fatalf("got %q, %v", body, err)
	}
}

func TestBadAnnouncesAreRefusedInBencoding(t *testing.T) {
	t.Parallel()
	tr := &Tracker{}
	for _, path := range []string{"/announce", "/announce?info_hash=short&port=1",
		"/announce?info_hash=" + hash, "/announce?port=0&info_hash=" + hash,
		"/announce?port=70000&info_hash=" + hash, "/scrape", "/scrape?info_hash=x"} {
		w := httptest.NewRecorder()
		tr.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "d14:failure reason") {
			t.Errorf("%s gave %d %q", path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	tr.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 404 {
		t.Errorf("/ gave %d", w.Code)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	tr, now := &Tracker{}, time.Unix(1_000_000, 0)
	for i := range torrentsMax + 10 {
		_, err := tr.announce(url.Values{"info_hash": {fmt.Sprintf("%020d", i)}, "port": {"1"}},
			"1.1.1.1:1", now)
		if (err != nil) != (i >= torrentsMax) {
			t.Fatalf("torrent %d: %v", i, err)
		}
	}
	one := url.Values{"info_hash": {fmt.Sprintf("%020d", 1)}, "port": {"1"}}
	for i := range peersMax + 10 {
		_, err := tr.announce(one, fmt.Sprintf("9.9.%d.%d:1", i/250, 1+i%250), now)
		if (err != nil) != (i >= peersMax-1) {
			t.Fatalf("peer %d: %v", i, err)
		}
	}
	tr.sweep(now.Add(time.Hour))
	if len(tr.torrents) != 0 {
		t.Fatalf("%d torrents are left after an hour of silence", len(tr.torrents))
	}
}
