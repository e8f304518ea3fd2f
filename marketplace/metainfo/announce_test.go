package metainfo

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAnotherTrackerLeavesTheInfohashAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := Build(t.Context(), path, 0, []string{"http://a/announce", "http://b/announce"})
	if err != nil {
		t.Fatal(err)
	}
	changed, err := WithTracker(raw, "http://c/announce")
	if err != nil {
		t.Fatal(err)
	}
	before, err1 := Parse(raw, DefaultLimits())
	after, err2 := Parse(changed, DefaultLimits())
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if before.Infohash != after.Infohash ||
		!slices.Equal(after.Trackers, []string{"http://c/announce"}) {
		t.Errorf("%s with %v became %s with %v", before.Infohash, before.Trackers, after.Infohash,
			after.Trackers)
	}
}
