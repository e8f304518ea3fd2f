package audit_test

import (
	"crypto/sha256"
	"path/filepath"
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
)

func TestACopyOfTheContentTellsEveryHash(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		parent, _, all := content(t, 64<<10, 100_000, 50_000)
		raw, err := format.Build(t.Context(), filepath.Join(parent, "things"), 64<<10, nil)
		if err != nil {
			t.Fatal(err)
		}
		meta := parse(t, raw)
		for _, path := range []string{parent, filepath.Join(parent, "things")} {
			c, err := audit.OpenContent(meta, path)
			if err != nil {
				t.Fatal(err)
			}
			for piece := range meta.Pieces {
				root, err := c.Hash(piece, marketplace.WholePiece)
				if want, told := meta.PieceRoot(piece); err != nil || told && root != want || root.IsZero() {
					t.Errorf("%s, piece %d: %s %v, want %s", format, piece, root, err, want)
				}
			}
			e := agent(t, parent, raw)
			root, err := c.Root(t.Context())
			if want, told := e.Root(t.Context(), meta.Infohash); told != nil || root != want || root.IsZero() != (format != metainfo.V1) {
				t.Errorf("%s: the root is %s %v; the agent commits to %s %v", format, root, err, want, told)
			}
			if leaf, err := c.Hash(0, 1); err != nil || leaf != sha256.Sum256(all[16<<10:32<<10]) {
				t.Errorf("%s: %s %v", format, leaf, err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		spoil(t, filepath.Join(parent, "things", "a"), 20_000)
		c, err := audit.OpenContent(meta, parent)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Hash(0, marketplace.WholePiece); err == nil {
			t.Errorf("%s: a damaged copy tells a hash", format)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithTheContentNoAnswerIsBelieved(t *testing.T) {
	t.Parallel()
	p := pastEpoch(t)
	c, err := audit.OpenContent(p.t, p.file)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.Content = map[marketplace.Infohash]*audit.Content{p.t.Infohash: c}
	if r := p.Judge(); len(r.Faults) > 0 || r.Proven != r.Answers {
		t.Errorf("%+v", r)
	}
	for i := range p.Log.Reports { // all say the same, and it is wrong
		for j := range p.Log.Reports[i].Answers {
			if a := &p.Log.Reports[i].Answers[j]; a.Block != marketplace.WholePiece {
				a.Hash[0]++
			}
		}
		p.Log.Reports[i] = p.signed(p.Log.Reports[i])
		p.Log.Commitments[i].Hash = p.Log.Reports[i].Commitment()
	}
	if r := p.Judge(); len(r.Faults) == 0 || r.Faults[0].Kind != audit.BadAnswer {
		t.Errorf("%+v", r)
	}
	p.Content = nil
	if r := p.Judge(); len(r.Faults) > 0 {
		t.Errorf("nobody could know without: %+v", r.Faults)
	}
}
