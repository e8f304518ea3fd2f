package marketplace

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Outcome is what an auditor found, or one of its tries.
type Outcome string

// The outcomes, kept apart because each costs somebody else something (proof.md, Audits).
const (
	Pass         Outcome = "pass"
	BadData      Outcome = "bad_data"      // bytes came and their hash is wrong
	Withheld     Outcome = "withheld"      // said it has a piece and refuses to send that one
	Timeout      Outcome = "timeout"       // connected, did not deliver in time
	Unreachable  Outcome = "unreachable"   // no connection, or no handshake
	AuditorFault Outcome = "auditor_fault" // the auditor could not do its work; says nothing
)

// A Report is one auditor's finding for one lease and epoch, signed with the auditor's key.
type Report struct {
	ID        int64       `json:"id,omitzero" doc:"Its number in the market's log; not signed"`
	Lease     int64       `json:"lease"`
	Epoch     int64       `json:"epoch"`
	Auditor   Address     `json:"auditor"`
	Outcome   Outcome     `json:"outcome"`
	Answers   []Answer    `json:"answers" doc:"What became of each challenge at the last try, or at the last one that found wrong data"`
	Tries     []Outcome   `json:"tries" doc:"What each try found, in order"`
	Began     []time.Time `json:"began,omitempty" doc:"When each try began, in order"`
	Carriers  []Address   `json:"carriers,omitempty" doc:"By whose line each try came, in order; the auditor's own address: by its own. Left out: all did"`
	Bytes     int64       `json:"bytes" doc:"Bytes of content received, all tries"`
	Wire      int64       `json:"wire" doc:"Bytes on the wire both ways, all tries"`
	TookMS    int64       `json:"took_ms" doc:"Time of the last try, milliseconds"`
	At        time.Time   `json:"at" doc:"End of the last try"`
	Window    *Window     `json:"window,omitempty" doc:"What was measured, if the first try was in a quiet window"`
	Signature Signature   `json:"signature" doc:"Over the report's text, TRON signed message"`
}

// WholePiece, in place of a block's number, means all of its piece.
const WholePiece = -1

// An Answer is what became of one challenge: 16 KiB of a piece, or all of it.
type Answer struct {
	Piece   int     `json:"piece"`
	Block   int     `json:"block" doc:"16 KiB block of the piece; -1 is the whole piece"`
	Outcome Outcome `json:"outcome"`
	TookMS  int64   `json:"took_ms" doc:"From the beginning of the try, milliseconds"`
	Hash    Hash    `json:"hash,omitzero" doc:"SHA-256 of what came; of a piece, its root; where the root that the agent committed to has another in its place, that one"`
}

func (a Answer) text() string {
	return fmt.Sprintf("\npiece %d block %d %s %d ms %s", a.Piece, a.Block, a.Outcome, a.TookMS, a.Hash)
}

// Text returns what the auditor signs: every field but the number and the signature, one line
// each, and a line for each answer. Reports without times, carriers or a window have no such line.
func (r Report) Text() string {
	tries := make([]string, len(r.Tries))
	for i, t := range r.Tries {
		tries[i] = string(t)
	}
	began := ""
	for _, at := range r.Began {
		began += " " + at.UTC().Format(time.RFC3339Nano)
	}
	if began != "" {
		began = "\nbegan" + began
	}
	carriers := ""
	for _, who := range r.Carriers {
		carriers += " " + who.String()
	}
	if carriers != "" {
		carriers = "\ncarriers" + carriers
	}
	text := fmt.Sprintf("Everseed audit report\nlease %d\nepoch %d\nauditor %s\noutcome %s\n"+
		"tries %s%s%s\nbytes %d\nwire %d\ntook %d ms\nat %s", r.Lease, r.Epoch, r.Auditor, r.Outcome,
		strings.Join(tries, " "), began, carriers, r.Bytes, r.Wire, r.TookMS, r.At.UTC().Format(time.RFC3339Nano))
	if r.Window != nil {
		text += r.Window.text()
	}
	for _, a := range r.Answers {
		text += a.text()
	}
	return text
}

// Accuses says whether a report finds a data fault: bytes with a wrong hash in any try, or a piece
// that the agent says it has and refuses at every try that an auditor has. A line that is slow or
// down never does so.
func (r Rules) Accuses(rep Report) bool {
	withheld := 0
	for _, try := range rep.Tries {
		switch try {
		case BadData:
			return true
		case Withheld:
			withheld++
		}
	}
	return rep.Outcome == BadData || withheld >= r.Attempts
}

// Judge returns the verdict of one lease and epoch from its reports. A data fault found by any
// auditor is one whatever the majority says: by majority alone an agent that misses a tenth of the
// data would pass two epochs in five, and one with a twentieth of it spoiled would earn a quarter
// of an honest agent's pay before it is cut off (audit/ADVERSARIES.md).
func (r Rules) Judge(reports []Report) (v Verdict, passes int) {
	heard, accused := 0, false
	for _, rep := range reports {
		if rep.Outcome == AuditorFault {
			continue
		}
		heard++
		if rep.Outcome == Pass {
			passes++
		}
		accused = accused || r.Accuses(rep)
	}
	switch {
	case accused:
		return VerdictDataFault, passes
	case passes >= r.AuditQuorum:
		return VerdictPass, passes
	case heard == 0:
		return VerdictUnaudited, passes
	default:
		return VerdictFail, passes
	}
}

// Settle returns what an auditor reports after some tries: wrong bytes outweigh a later pass, a
// pass ends the tries, and otherwise it is the gravest thing that was seen.
func Settle(tries []Outcome) Outcome {
	for _, o := range []Outcome{BadData, Pass, Withheld, Timeout, Unreachable} {
		if slices.Contains(tries, o) {
			return o
		}
	}
	return AuditorFault
}
