package marketplace

import "testing"

func TestAnAuditorThatAccusesInHeapsIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	for name, c := range map[string]struct {
		accused, seen int  // replicas that auditor 1 accuses, of those it saw
		second        bool // another auditor accuses them too
		want          Verdict
	}{
		"one of its replicas":        {1, 20, false, VerdictDataFault},
		"two, though it saw no more": {2, 2, false, VerdictDataFault},
		"a quarter of many":          {5, 20, false, VerdictDataFault},
		"more than a quarter":        {6, 20, false, VerdictPass},
		"all":                        {3, 3, false, VerdictPass},
		"all, and another says so":   {20, 20, true, VerdictDataFault},
	} {
		var epoch, first []Report
		for lease := range int64(c.seen) {
			says := [3]Outcome{Pass, Pass, Pass}
			if lease < int64(c.accused) {
				says[0] = BadData
				if c.second {
					says[1] = BadData
				}
			}
			for i, o := range says {
				rep := tried(o)
				rep.Lease, rep.Auditor = lease, Address{byte(i + 1)}
				epoch = append(epoch, rep)
			}
		}
		for _, rep := range r.Heard(epoch) {
			if rep.Lease == 0 {
				first = append(first, rep)
			}
		}
		if got, _ := r.Judge(first); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
