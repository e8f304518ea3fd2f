package swarm

import (
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/everseed/everseed/deploy/devstack/tracker"
	"github.com/everseed/everseed/marketplace/metainfo"
)

func TestEnginesFindOneAnotherThroughATracker(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&tracker.Tracker{})
	defer server.Close()
	parent, _ := content(t, 0, 300_000, 50_000)
	raw, err := metainfo.Build(t.Context(), filepath.Join(parent, "things"), 0,
		[]string{server.URL + "/announce"})
	if err != nil {
		t.Fatal(err)
	}
	h := parse(t, raw).Infohash
	seeder(t, parent, raw)
	eventually(t, "the tracker knows the seeder", func() bool {
		w := httptest.NewRecorder()
		server.Config.Handler.ServeHTTP(w, httptest.NewRequest("GET",
			"/scrape?info_hash="+url.QueryEscape(string(h[:])), nil))
		return strings.Contains(w.Body.String(), "incomplete")
	})
	dir := t.TempDir()
	if err := Fetch(t.Context(), Download{Config: config(dir), Metainfo: raw}); err != nil {
		t.Fatal(err)
	}
	same(t, parent, dir)
}
