package metainfo

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/everseed/everseed/marketplace"
)

func TestATicketTravels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		is := marketplace.Ticket{Lease: rapid.Int64().Draw(t, "lease"), Epoch: rapid.Int64().Draw(t, "epoch")}
		copy(is.Auditor[:], rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "auditor"))
		copy(is.Signature[:], rapid.SliceOfN(rapid.Byte(), 65, 65).Draw(t, "signature"))
		b := AppendTicket(nil, is)
		if got, ok := ParseTicket(b); !ok || got != is {
			t.Fatalf("%v became %v, %v", is, got, ok)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		for _, wrong := range [][]byte{b[:cut], append(b, 0)} {
			if _, ok := ParseTicket(wrong); ok {
				t.Fatalf("%d bytes were read as a ticket", len(wrong))
			}
		}
	})
}
