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
	Timeout      Outcome = "timeout"       // connected, advertised, did not deliver in time
	Unreachable  Outcome = "unreachable"   // no connection, or no handshake
	AuditorFault Outcome = "auditor_fault" // the auditor could not do its work; says nothing
)

// A Report is one auditor's finding for one lease and epoch, signed with the auditor's key.
type Report struct {
	Lease     int64     `json:"lease"`
	Epoch     int64     `json:"epoch"`
	Auditor   Address   `json:"auditor"`
	Outcome   Outcome   `json:"outcome"`
	Answers   []Answer  `json:"answers" doc:"What became of each challenge at the last try"`
	Tries     []Outcome `json:"tries" doc:"What each try found, in order"`
	Bytes     int64     `json:"bytes" doc:"Bytes of content received, all tries"`
	Wire      int64     `json:"wire" doc:"Bytes on the wire both ways, all tries"`
	TookMS    int64     `json:"took_ms" doc:"Time of the last try, milliseconds"`
	At        time.Time `json:"at" doc:"End of the last try"`
	Signature Signature `json:"signature" doc:"Over the report's text, TRON signed message"`
}

// WholePiece, in place of a block's number, means all of its piece.
const WholePiece = -1

// An Answer is what became of one challenge: 16 KiB of a piece, or all of it.
type Answer struct {
	Piece   int     `json:"piece"`
	Block   int     `json:"block" doc:"16 KiB block of the piece; -1 is the whole piece"`
	Outcome Outcome `json:"outcome"`
	TookMS  int64   `json:"took_ms" doc:"From the beginning of the try, milliseconds"`
	Hash    Hash    `json:"hash,omitzero" doc:"SHA-256 of what came; of a piece, its root"`
}

func (a Answer) text() string {
	return fmt.Sprintf("\npiece %d block %d %s %d ms %s", a.Piece, a.Block, a.Outcome, a.TookMS, a.Hash)
}

// Text returns what the auditor signs: every field but the signature, one line each, and a line
// for each answer.
func (r Report) Text() string {
	tries := make([]string, len(r.Tries))
	for i, t := range r.Tries {
		tries[i] = string(t)
	}
	text := fmt.Sprintf("Everseed audit report\nlease %d\nepoch %d\nauditor %s\noutcome %s\n"+
		"tries %s\nbytes %d\nwire %d\ntook %d ms\nat %s", r.Lease, r.Epoch, r.Auditor, r.Outcome,
		strings.Join(tries, " "), r.Bytes, r.Wire, r.TookMS, r.At.UTC().Format(time.RFC3339Nano))
	for _, a := range r.Answers {
		text += a.text()
	}
	return text
}

// dataFaultTries is how many tries with wrong bytes, over all auditors, make a data fault.
const dataFaultTries = 2

// Judge returns the verdict of one lease and epoch from its reports. Wrong bytes seen twice are a
// data fault whatever the majority says: by majority alone an agent that misses a tenth of the
// data would pass two epochs in five (proof.md, Audits).
func (r Rules) Judge(reports []Report) (v Verdict, passes int) {
	heard, bad := 0, 0
	for _, rep := range reports {
		if rep.Outcome == AuditorFault {
			continue
		}
		heard++
		if rep.Outcome == Pass {
			passes++
		}
		for _, try := range rep.Tries {
			if try == BadData {
				bad++
			}
		}
	}
	switch {
	case bad >= dataFaultTries:
		return VerdictDataFault, passes
	case passes >= r.AuditQuorum:
		return VerdictPass, passes
	case heard == 0:
		return VerdictUnaudited, passes
	default:
		return VerdictFail, passes
	}
}

// Settle returns what an auditor reports after some tries: a pass ends the tries; otherwise the
// gravest thing that was seen.
func Settle(tries []Outcome) Outcome {
	for _, o := range []Outcome{Pass, BadData, Timeout, Unreachable} {
		if slices.Contains(tries, o) {
			return o
		}
	}
	return AuditorFault
}
