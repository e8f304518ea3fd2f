package audit

import "github.com/everseed/everseed/marketplace"

// verdicts judges every lease by what genuine reports say, as far as they are heard, and compares.
func (j *judge) verdicts() {
	of := map[int64][]marketplace.Report{}
	for _, r := range j.Rules.Heard(j.genuine) {
		of[r.Lease] = append(of[r.Lease], r)
	}
	before := map[int64]marketplace.Proof{}
	for _, p := range j.Log.Before {
		if p.Epoch == j.Log.Epoch.Epoch-1 {
			before[p.Lease] = p
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
func (j *judge) verdict(p marketplace.Proof, said []marketplace.Report, before marketplace.Proof) {
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
			j.root(p, asked, before, r)
		}
	}
	if !audited || !fits || len(said) != p.Reports {
		v, passes := j.Rules.Judge(said)
		j.fault(BadVerdict, voice{lease: p.Lease}, "the proof says %s by %d of %d, the reports say %s by %d of"+
			" %d, which comes to %s", p.Verdict, p.Passes, p.Reports, v, passes, len(said), words)
	}
	// A lease ends sooner than it was to when its epoch was opened, never later.
	l = j.begun(l)
	most := j.Rules.PaidSeconds(p.Epoch, before.Verdict == marketplace.VerdictPass, l.ActiveAt, l.EndsAt)
	if p.Verdict != marketplace.VerdictPass || !fits {
		most = 0
	}
	if p.Seconds > most {
		j.fault(BadPay, voice{lease: p.Lease}, "%d s are paid, and at most %d follow", p.Seconds, most)
	}
}

// begun returns a lease with the most of its term. Epochs may open before the last one is judged, which may make
// a lease active: from the beginning of this one on.
func (j *judge) begun(l marketplace.Lease) marketplace.Lease {
	if l.ActiveAt.IsZero() {
		l.ActiveAt = j.Rules.EpochStart(j.Epoch)
	}
	if l.EndsAt.IsZero() {
		l.EndsAt = j.Rules.EpochStart(j.Epoch + 1)
	}
	return l
}

// root holds what a proof says of how often the lease's root was shown against the reports, and against what is
// paid: nothing before it was shown often enough.
func (j *judge) root(p marketplace.Proof, asked marketplace.Lease, before marketplace.Proof,
	is marketplace.Ruling) {
	l, of := asked, voice{lease: p.Lease}
	if before.Lease == l.ID {
		l.Clean = before.Clean
	}
	if t := j.Torrents[l.Infohash]; t != nil {
		needs := 0
		if _, committed := t.Committed(l.Root); committed {
			needs = j.Rules.CleanMin(t.PieceLength, t.Pieces)
		}
		if l.CleanMin != needs {
			j.fault(BadRoot, of, "%d audits in a row must show its root, and the market says %d", needs, l.CleanMin)
		}
	}
	if due := j.Rules.Shows(l, asked, j.believed[l.ID], is); p.Clean != due {
		j.fault(BadRoot, of, "the proof says that %d audits in a row showed its root, the reports say %d", p.Clean, due)
	}
	if p.Seconds > 0 && !l.Shown() {
		j.fault(BadRoot, of, "%d s are paid, and %d audits in a row of %d had shown its root", p.Seconds, l.Clean,
			l.CleanMin)
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
