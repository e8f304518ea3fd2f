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
	Lease     int64     `json:"lease"`
	Epoch     int64     `json:"epoch"`
	Auditor   Address   `json:"auditor"`
	Outcome   Outcome   `json:"outcome"`
	Pieces    []int     `json:"pieces" doc:"Pieces asked for"`
	Tries     []Outcome `json:"tries" doc:"What each try found, in order"`
	Bytes     int64     `json:"bytes" doc:"Bytes received"`
	TookMS    int64     `json:"took_ms" doc:"Time of the last try, milliseconds"`
	At        time.Time `json:"at" doc:"End of the last try"`
	Signature Signature `json:"signature" doc:"Over the report's text, TRON signed message"`
}

// Text returns what the auditor signs: every field but the signature, one line each.
func (r Report) Text() string {
	tries := make([]string, len(r.Tries))
	for i, t := range r.Tries {
		tries[i] = string(t)
	}
	return fmt.Sprintf("Everseed audit report\nlease %d\nepoch %d\nauditor %s\noutcome %s\n"+
		"pieces %s\ntries %s\nbytes %d\ntook %d ms\nat %s", r.Lease, r.Epoch, r.Auditor, r.Outcome,
		strings.Trim(fmt.Sprint(r.Pieces), "[]"), strings.Join(tries, " "), r.Bytes, r.TookMS,
		r.At.UTC().Format(time.RFC3339Nano))
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
