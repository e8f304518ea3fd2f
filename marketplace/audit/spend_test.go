package audit

import (
	"testing"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// Lots are the parts that a ration counts in.
const Lots = lots

// Spend returns the bytes on the wire for one replica and day by a ration, when every audit passes at the
// first try.
func Spend(r marketplace.Rules, share Ration, size, pieceLength int64) int64 {
	c, d := costOf(size, pieceLength, share.Proof), dayOf(r)
	blocks, pieces := float64(share.Blocks)/lots, float64(share.Pieces)/lots
	return int64(float64(d.audits)*(meetBytes+blocks*float64(c.block)+pieces*float64(c.whole)) +
		float64(d.windows)*(ticketBytes+blocks*float64(c.warm)+float64(share.Burst*c.whole)))
}

// usualPieces are lengths with which a torrent has about as many pieces as torrents have.
func usualPieces(size int64) (all []int64) {
	for length := int64(16 << 10); length <= 16<<20; length *= 2 {
		if n := size / length; n >= 500 && n <= 8192 {
			all = append(all, length)
		}
	}
	return all
}

func TestAuditsTakeAtMostAHundredthOfTheContentADay(t *testing.T) {
	t.Parallel()
	r := marketplace.DefaultRules()
	for _, size := range []int64{32 << 20, 64 << 20, 128 << 20, 256 << 20, 1 << 30, 10 << 30, 100 << 30} {
		for _, length := range usualPieces(size) {
			for name, share := range map[string]Ration{
				"v2": ration(r, size, length, ByTorrent),
				"v1": ration(r, size, length, ByRoot),
			} {
				spent := Spend(r, share, size, length)
				if spent > size/100 {
					t.Errorf("%s of %d MiB in %d KiB: %d bytes a day", name, size>>20, length>>10, spent)
				}
				audits := float64(dayOf(r).audits)
				t.Logf("%6d MiB in %5d KiB, %s %.1f blocks, %.2f pieces, a burst of %d: %.2f %% a day",
					size>>20, length>>10, name, audits*float64(share.Blocks)/lots,
					audits*float64(share.Pieces)/lots, share.Burst, 100*float64(spent)/float64(size))
				if share.Pieces > lots && share.Pieces*length > lots*marketplace.AskedMax {
					t.Errorf("%s of %d MiB in %d KiB: more pieces than fit into an audit", name, size>>20,
						length>>10)
				}
				if size >= 128<<20 && share.Blocks*dayOf(r).audits < 66*lots {
					t.Errorf("%s of %d MiB: too few blocks to find a tenth within a day", name, size>>20)
				}
				if size >= 256<<20 && share.Blocks != int64(r.Challenges)*lots {
					t.Errorf("%s of %d MiB in %d KiB: less than all blocks", name, size>>20, length>>10)
				}
			}
		}
	}
}

// TestADayAsksForWhatItsRationSays holds what is drawn against what is reckoned.
func TestADayAsksForWhatItsRationSays(t *testing.T) {
	t.Parallel()
	r := marketplace.DefaultRules()
	for _, meta := range []*metainfo.Torrent{torrentOf(64<<20, 64<<10), torrentOf(1<<30, 1<<20)} {
		l := marketplace.Lease{ID: 1, Infohash: meta.Infohash, Root: marketplace.Hash{1}}
		for _, believed := range []bool{true, false} {
			share := RationOf(r, meta, l, believed)
			const days = 500
			var sum int64
			for day := range int64(days) {
				sum += drawnDay(r, share, l, meta, day)
			}
			spent, reckoned := sum/days, Spend(r, share, meta.Size, meta.PieceLength)
			t.Logf("%d MiB, believed %t: %d bytes a day, reckoned %d", meta.Size>>20, believed, spent, reckoned)
			if believed && spent > meta.Size/100*102/100 || spent < reckoned*94/100 || spent > reckoned*102/100 {
				t.Errorf("%d MiB: %d bytes a day, reckoned %d", meta.Size>>20, spent, reckoned)
			}
		}
	}
}

// drawnDay returns the bytes that the draws of a simulated day ask for, as the wire has them.
func drawnDay(r marketplace.Rules, share Ration, l marketplace.Lease, t *metainfo.Torrent, day int64,
) (sum int64) {
	c := costOf(t.Size, t.PieceLength, share.Proof)
	for epoch := range int64(4) {
		e := marketplace.AuditEpoch{Epoch: day*4 + epoch, Leases: []marketplace.Lease{l},
			Auditors: marketplace.SignersPanel(auditors(3))}
		for _, v := range Plan(r, e)[l.ID] {
			asks := Challenges(share, v.Seed, t, none)
			sum += meetBytes
			if v.InWindow() {
				sum += ticketBytes
				asks = Burst(share, v.Burst, t, asks)
			}
			for _, ask := range asks {
				switch {
				case isWhole(ask):
					sum += c.whole
				case v.InWindow():
					sum += c.block + c.warm
				default:
					sum += c.block
				}
			}
		}
	}
	return sum
}

// TestBelowAFloorADayCostsTheSame says from which size on a hundredth suffices for one block an audit.
func TestBelowAFloorADayCostsTheSame(t *testing.T) {
	t.Parallel()
	r := marketplace.DefaultRules()
	for size := int64(1 << 20); size < 27<<20; size += 1 << 20 {
		for _, by := range []Proof{ByTorrent, ByRoot} {
			share := ration(r, size, 16<<10, by)
			if spent := Spend(r, share, size, 16<<10); share.Blocks < lots || share.Pieces == 0 ||
				spent > max(270_000, size/100) {
				t.Errorf("%d MiB: %d bytes a day for %+v", size>>20, spent, share)
			}
		}
	}
}

// TestAdmissionTakesADayAndAnEighthOfTheContentBeforeAnybodyPays says what the root of a v1 torrent costs until
// it is believed, when every audit passes. One more epoch asks for whole pieces: it opens before the last
// one is judged.
func TestAdmissionTakesADayAndAnEighthOfTheContentBeforeAnybodyPays(t *testing.T) {
	t.Parallel()
	r := marketplace.DefaultRules()
	l := marketplace.Lease{Root: marketplace.Hash{1}}
	for _, tc := range []struct {
		size, length int64
		epochs       int
		percent      float64 // at most
	}{{1 << 30, 256 << 10, 4, 3}, {1 << 30, 1 << 20, 4, 12}, {1000 << 20, 1 << 20, 4, 12.1}, {10 << 30, 2 << 20, 4, 2.4},
		{10 << 30, 4 << 20, 8, 4.3}, {10 << 30, 8 << 20, 16, 8}, {100 << 30, 16 << 20, 32, 1.6}} {
		meta := torrentOf(tc.size, tc.length)
		epochs := (r.CleanMin(tc.length, meta.Pieces) + r.Auditors - 1) / r.Auditors
		share := RationOf(r, meta, l, false)
		c := costOf(tc.size, tc.length, ByRoot)
		each := meetBytes + share.Pieces/lots*c.whole
		percent := 100 * float64(int64(epochs+1)*int64(r.Auditors)*each) / float64(tc.size)
		t.Logf("%d MiB in %d KiB: %d epochs, %.2f %% of the content", tc.size>>20, tc.length>>10, epochs, percent)
		if epochs != tc.epochs || percent > tc.percent {
			t.Errorf("%d MiB in %d KiB: %d epochs, %.2f %%", tc.size>>20, tc.length>>10, epochs, percent)
		}
		if share.Blocks != 0 || share.Burst != 0 || share.Pieces != int64(r.WholeMax(tc.length))*lots {
			t.Errorf("%d MiB in %d KiB: asks for %+v", tc.size>>20, tc.length>>10, share)
		}
	}
	if share := RationOf(r, torrentOf(1<<30, 1<<20), marketplace.Lease{}, true); share.Proof != Unproven {
		t.Errorf("who committed to nothing: %+v", share)
	}
}
