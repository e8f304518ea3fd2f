package marketplace

import "slices"

// An auditor that alone accuses so many of the replicas that it saw in an epoch is not believed.
const (
	doubtMin   = 3 // replicas, at least
	doubtShare = 4 // ... and more than one in four
)

// Heard returns the reports of a whole epoch as far as they can be believed: what [Rules.Judge] is
// given. Any auditor may end a lease by an accusation, so one that accuses agents in heaps, all of
// which others pass, would empty the market within hours. Its accusations of that epoch count as
// faults of its own. Agents that really lack data are soon cut off and most are accused by two,
// so an honest auditor stays far below.
//
// Fewer than three accusations are believed whatever their share. In a market so small that an
// auditor sees no more replicas, a lie looks like the truth, and the truth must count: a data fault
// is one whatever the majority says. There a liar can end two leases an epoch.
func (r Rules) Heard(epoch []Report) []Report {
	doubted := r.doubted(epoch)
	if len(doubted) == 0 {
		return epoch
	}
	heard := slices.Clone(epoch)
	for i, rep := range heard {
		if doubted[rep.Auditor] && r.Accuses(rep) {
			heard[i].Outcome, heard[i].Tries = AuditorFault, nil
		}
	}
	return heard
}

// doubted names the auditors that are not believed.
func (r Rules) doubted(epoch []Report) map[Address]bool {
	accusers, passes := map[int64]int{}, map[int64]int{}
	for _, rep := range epoch {
		if r.Accuses(rep) {
			accusers[rep.Lease]++
		} else if rep.Outcome == Pass {
			passes[rep.Lease]++
		}
	}
	seen, alone := map[Address]int{}, map[Address]int{}
	for _, rep := range epoch {
		seen[rep.Auditor]++
		if r.Accuses(rep) && accusers[rep.Lease] == 1 && passes[rep.Lease] >= r.AuditQuorum {
			alone[rep.Auditor]++
		}
	}
	doubted := map[Address]bool{}
	for who, n := range alone {
		if n >= doubtMin && n*doubtShare > seen[who] {
			doubted[who] = true
		}
	}
	return doubted
}
