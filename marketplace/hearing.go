package marketplace

import (
	"slices"
	"time"
)

// An Accusation is what one auditor alone said of a lease: that it serves wrong data or withholds
// some. It costs no holdback before others were asked the very same (Rules.Hear).
type Accusation struct {
	Epoch   int64   `json:"epoch"`
	Auditor Address `json:"auditor" doc:"Who said so; not asked again until the hearing"`
	Pieces  []int   `json:"pieces" doc:"What was wrong: asked of the agent in full at the hearing"`
	Refuted int64   `json:"refuted,omitzero" doc:"Epoch whose auditors asked the same and passed it"`
}

// piecesMax bounds how many pieces of an accusation are asked again.
const piecesMax = 4

// Waits says whether the accusation was not heard yet. Nil is no accusation.
func (a *Accusation) Waits() bool { return a != nil && a.Refuted == 0 }

// Asks says whether an auditor may be drawn for a lease, as it stood when the epoch opened: any may,
// but for one whose accusation is heard.
func (l Lease) Asks(who Address) bool { return !l.Accused.Waits() || l.Accused.Auditor != who }

// A Ruling is what an epoch's reports come to for one lease.
type Ruling struct {
	Verdict Verdict
	Passes  int
	Accused *Accusation // that stands against the lease from now on
	Said    []Report    // as it counts for the agent's Record
}

// Hear judges a lease by what is believed of an epoch's reports (Heard). It takes the lease as it
// stands and as the epoch's auditors found it (asked: frozen when the epoch opened), and how many
// auditors there were.
//
// What costs the holdback is lost for good, so one voice alone does not do: the lease goes to
// grace, unpaid, and in the first epoch that opens with the accusation known others are asked the
// pieces that were wrong, and their usual ones. Any further data fault confirms it, and so does
// an agent that does not pass before its grace is over: who is silent about the pieces in question
// says enough. A pass refutes it. The second auditor that accuses a lease, whenever it does, is
// believed at once; the first one that accuses it again is not. So a liar costs a lease one epoch
// and its hearing, once, and an agent that spoils what it sends lives no longer than to the second
// auditor that notices. Where there are too few auditors to hold a hearing, one voice is enough.
func (r Rules) Hear(l, asked Lease, epoch int64, said []Report, auditors int, now time.Time) Ruling {
	said = l.Accused.Unheeding(r, said)
	v, passes := r.Judge(said)
	out := Ruling{Verdict: v, Passes: passes, Accused: l.Accused, Said: said}
	switch waits := l.Accused.Waits(); {
	case v == VerdictDataFault && l.Accused == nil && auditors > r.AuditQuorum:
		if by, alone := r.accuser(said); alone {
			out.Verdict = VerdictAccused
			out.Accused = &Accusation{Epoch: epoch, Auditor: by}
			out.Said = out.Accused.Unheeding(r, said)
		}
	case v == VerdictFail && waits && l.State == Grace && !l.Deadline.After(now):
		out.Verdict = VerdictDataFault
		out.Said = append(slices.Clone(said), l.Accused.report(l))
	case v == VerdictDataFault && waits:
		out.Said = append(slices.Clone(said), l.Accused.report(l))
	case v == VerdictPass && waits && asked.Accused.Waits():
		refuted := *l.Accused
		refuted.Refuted = epoch
		out.Accused = &refuted
	}
	return out
}

// accuser returns who accuses, and whether nobody else does.
func (r Rules) accuser(said []Report) (by Address, alone bool) {
	for _, rep := range said {
		if r.Accuses(rep) {
			if alone {
				return by, false
			}
			by, alone = rep.Auditor, true
		}
	}
	return by, alone
}

// Unheeding leaves out what the accuser says against the same lease in later epochs: it was heard, or
// will be.
func (a *Accusation) Unheeding(r Rules, said []Report) []Report {
	if a == nil {
		return said
	}
	said = slices.Clone(said)
	for i, rep := range said {
		if rep.Auditor == a.Auditor && r.Accuses(rep) {
			said[i].Outcome, said[i].Tries = AuditorFault, nil
		}
	}
	return said
}

// report is a confirmed accusation, as it counts for the agent's record.
func (a *Accusation) report(l Lease) Report {
	return Report{Lease: l.ID, Epoch: a.Epoch, Auditor: a.Auditor, Outcome: BadData}
}

// Wrong returns the pieces that a report says were wrong or withheld, each once, at most as many
// as are asked again.
func (r Report) Wrong() (pieces []int) {
	for _, a := range r.Answers {
		if (a.Outcome == BadData || a.Outcome == Withheld) && !slices.Contains(pieces, a.Piece) &&
			len(pieces) < piecesMax {
			pieces = append(pieces, a.Piece)
		}
	}
	return pieces
}
