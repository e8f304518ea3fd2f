package audit

import (
	"testing"

	"github.com/everseed/everseed/marketplace"
)

func TestWhoCameShowsThatTheDoorIsOpen(t *testing.T) {
	t.Parallel()
	a := &Auditor{} // without a market that could be asked
	for _, came := range []marketplace.Outcome{marketplace.Pass, marketplace.Timeout,
		marketplace.BadData, marketplace.Withheld} {
		a.setDoor(threshold{7, true})
		if f := a.excused(t.Context(), 7, Finding{Outcome: came}); f.Outcome != came {
			t.Errorf("%s became %s", came, f.Outcome)
		}
		if f := a.excused(t.Context(), 7, Finding{Outcome: marketplace.Unreachable}); f.Outcome !=
			marketplace.Unreachable {
			t.Errorf("one came and %s, and then one who did not is %s", came, f.Outcome)
		}
	}
	a.setDoor(threshold{7, true})
	if f := a.excused(t.Context(), 7, Finding{Outcome: marketplace.AuditorFault}); f.Outcome !=
		marketplace.AuditorFault || !a.door.shut {
		t.Error("a fault of ours opens the door")
	}
}
