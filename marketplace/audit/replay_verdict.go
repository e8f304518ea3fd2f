package audit

import "github.com/everseed/everseed/marketplace"

// verdicts judges every lease by what genuine reports say, as far as they are heard, and compares.
func (j *judge) verdicts() {
	of := map[int64][]marketplace.Report{}
	for _, r := range j.Rules.Heard(j.genuine) {
		of[r.Lease] = append(of[r.Lease], r)
	}
	before := map[int64]marketplace.Verdict{}
	for _, p := range j.Log.Before {
		if p.Epoch == j.Log.Epoch.Epoch-1 {
			before[p.Lease] = p.Verdict
		}
	}
	proofs := map[int64]bool{}
	for _, p := range j.Log.Proofs {
		if proofs[p.Lease] = true; j.looksAt(p.Lease) {
			j.verdict(p, of[p.Lease], before[p.Lease])
		}
	}
	for _, l := range j.Log.Epoch.Leases {
		if !proofs[l.ID] && j.looksAt(l.ID) {
			j.unchecked("lease %d has no proof: it ended before the epoch was judged, or is not judged yet",
				l.ID)
		}
	}
}

// verdict holds one proof against what is said of its lease.
func (j *judge) verdict(p marketplace.Proof, said []marketplace.Report, before marketplace.Verdict) {
	asked, audited := j.leases[p.Lease]
	l := j.accused(asked)
	fits, words := false, ""
	for _, r := range j.rulings(l, asked, said) {
		if words == "" {
			words = string(r.Verdict)
		}
		if !fits && r.Verdict == p.Verdict && r.Passes == p.Passes {
			fits = true
			j.hearing(p, l, r)
		}
	}
	if !audited || !fits || len(said) != p.Reports {
		v, passes := j.Rules.Judge(said)
		j.fault(BadVerdict, voice{lease: p.Lease}, "the proof says %s by %d of %d, the reports say %s by %d of"+
			" %d, which comes to %s", p.Verdict, p.Passes, p.Reports, v, passes, len(said), words)
	}
	// A lease ends sooner than it was to when its epoch was opened, never later.
	most := j.Rules.PaidSeconds(p.Epoch, before == marketplace.VerdictPass, l.ActiveAt, l.EndsAt)
	if p.Verdict != marketplace.VerdictPass || !fits {
		most = 0
	}
	if p.Seconds > most {
		j.fault(BadPay, voice{lease: p.Lease}, "%d s are paid, and at most %d follow", p.Seconds, most)
	}
}

// rulings returns what the reports of an epoch may come to. The log tells how a lease stood when the
// epoch opened, and it is judged as it stands at the end, with its grace over or not.
func (j *judge) rulings(l, asked marketplace.Lease, said []marketplace.Report) []marketplace.Ruling {
	e := j.Log.Epoch
	judged := j.Rules.CommitBy(e.Epoch)
	all := []marketplace.Ruling{j.Rules.Hear(l, asked, e.Epoch, said, len(e.Auditors), judged)}
	if l.Accused.Waits() {
		l.State, l.Deadline = marketplace.Grace, judged
		all = append(all, j.Rules.Hear(l, asked, e.Epoch, said, len(e.Auditors), judged))
	}
	return all
}
