package audit

import (
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// hear holds one report against its signature, the schedule, its commitment and the .torrent. One that
// is its author's own counts, whatever it says.
func (j *judge) hear(r marketplace.Report) {
	of := voice{r.Lease, r.Auditor}
	v, drawn := j.visits[of]
	sealed, committed := j.commitments[of]
	who, err := j.Signer(r.Text(), r.Signature)
	switch {
	case err != nil || who != r.Auditor:
		j.fault(Forged, of, "its signature is not the auditor's over this report")
		return
	case r.Epoch != j.Log.Epoch.Epoch || !drawn:
		j.fault(Undrawn, of, "the schedule of the epoch does not send it there")
		return
	case j.said[of]:
		j.fault(Forged, of, "says two things")
		return
	case !committed:
		j.fault(Unopened, of, "reports, and had committed to nothing")
		return
	case sealed.Hash != r.Commitment():
		j.fault(Unopened, of, "is not the report that it had committed to")
		return
	}
	j.said[of] = true
	j.genuine = append(j.genuine, r)
	if !j.looksAt(r.Lease) {
		return
	}
	j.Reports++
	j.tries(of, v, r)
	h := j.leases[r.Lease].Infohash
	t := j.Torrents[h]
	if t == nil {
		if !j.untold[h] {
			j.unchecked("answers of torrent %s: its .torrent is not at hand", h)
		}
		j.untold[h] = true
		return
	}
	j.challenges(of, r, t)
	for _, a := range r.Answers {
		j.answer(of, a, t)
	}
}

// tries looks at when the auditor says that it tried, and what it says of each try.
func (j *judge) tries(of voice, v Visit, r marketplace.Report) {
	if n := len(r.Tries); n == 0 || n > len(v.Tries) {
		j.fault(BadTries, of, "%d tries, and %d were due at most", n, len(v.Tries))
		return
	}
	last := len(r.Tries) - 1
	if slices.Contains(r.Tries[:last], marketplace.Pass) {
		j.fault(BadTries, of, "went on after a pass: %s", r.Tries)
	}
	if sum := marketplace.Settle(r.Tries); sum != r.Outcome {
		j.fault(BadTries, of, "says %s where its tries %s come to %s", r.Outcome, r.Tries, sum)
	}
	if slices.Contains(r.Tries, marketplace.BadData) { // its answers are those of the last of these
		last = len(r.Tries) - 1
		for r.Tries[last] != marketplace.BadData {
			last--
		}
	}
	if sum := gravest(r.Answers); len(r.Answers) > 0 && sum != r.Tries[last] {
		j.fault(BadTries, of, "its answers are of a try that found %s, and say %s", r.Tries[last], sum)
	}
	j.carriers(of, v, r)
	if len(r.Began) == 0 {
		j.unchecked("when auditor %s tried lease %d: its report does not tell", of.auditor, of.lease)
		return
	}
	j.times(of, v, r)
}

// carriers looks at by whose lines an auditor came. That it came by its own where none was there is for it to
// say: how often it does is counted.
func (j *judge) carriers(of voice, v Visit, r marketplace.Report) {
	lent := IsCarried(j.Rules, v.Part)
	if lent {
		j.Carriable += len(r.Tries)
	}
	if len(r.Carriers) == 0 {
		return
	}
	if len(r.Carriers) != len(r.Tries) {
		j.fault(BadTries, of, "%d tries, and %d are told of by whose line they came", len(r.Tries),
			len(r.Carriers))
		return
	}
	seen := map[marketplace.Address]int{j.leases[of.lease].Agent: sameLine}
	for _, who := range r.Carriers {
		switch {
		case who == of.auditor:
			continue
		case !lent:
			j.fault(BadTries, of, "came by the line of %s, and had to come by its own", who)
		case seen[who] == sameLine:
			j.fault(BadTries, of, "came by the line of %s more than %d times, or visits it", who, sameLine)
		default:
			j.Carried++
		}
		seen[who]++
	}
}

// sameLine is how many tries of a visit may come by one line.
const sameLine = 2

// times compares when tries began with the schedule.
func (j *judge) times(of voice, v Visit, r marketplace.Report) {
	ends := j.Rules.EpochStart(r.Epoch + 1)
	if len(r.Began) != len(r.Tries) {
		j.fault(BadTries, of, "%d tries began, and %d are told of", len(r.Began), len(r.Tries))
		return
	}
	for i, at := range r.Began {
		switch {
		case at.Before(v.Tries[i].Truncate(time.Microsecond)):
			j.fault(BadTries, of, "try %d began at %s, before its time %s", i+1, instant(at),
				instant(v.Tries[i]))
		case !at.Before(ends):
			j.fault(BadTries, of, "try %d began at %s, and the epoch ended at %s", i+1, instant(at),
				instant(ends))
		case i > 0 && at.Sub(r.Began[i-1]) < j.Rules.AttemptGap.Duration():
			j.fault(BadTries, of, "tries %d and %d are %s apart, and have to be %s", i, i+1,
				at.Sub(r.Began[i-1]), j.Rules.AttemptGap)
		}
	}
	if r.Window != nil && !(v.InWindow() && r.Began[0].Before(v.Tries[0].Add(j.Rules.Quiet.Duration()/2))) {
		j.fault(BadTries, of, "tells of a quiet window, and there was none at %s", instant(r.Began[0]))
	}
	if r.At.Before(r.Began[len(r.Began)-1]) {
		j.fault(BadTries, of, "its last try ended at %s, before it began", instant(r.At))
	}
	j.untried(of, v, r)
}

// untried names a try that was due and not made, before a report says that nothing came, or not all.
// It was due when there was time for it: as much as the schedule leaves for each. Wrong bytes are found
// by one try.
func (j *judge) untried(of voice, v Visit, r marketplace.Report) {
	n := len(r.Tries)
	switch r.Outcome {
	case marketplace.Timeout, marketplace.Unreachable, marketplace.Withheld:
	default:
		return
	}
	if n >= len(v.Tries) {
		return
	}
	ended := r.Began[n-1].Add(j.Rules.ProbeTimeout.Duration()) // at the latest
	if r.At.Before(ended) {
		ended = r.At
	}
	due := ended.Add(j.Rules.AttemptGap.Duration())
	if last := j.Rules.EpochStart(r.Epoch).Add(lastTry(j.Rules)); !due.After(last) {
		j.fault(BadTries, of, "says %s after %d of %d tries; from %s on there was time for another",
			r.Outcome, n, len(v.Tries), instant(due))
	}
}

// gravest sums answers up as a try does.
func gravest(answers []marketplace.Answer) marketplace.Outcome {
	sum := marketplace.Pass
	for _, a := range answers {
		if slices.Index(gravity, a.Outcome) > slices.Index(gravity, sum) {
			sum = a.Outcome
		}
	}
	return sum
}

// challenges compares what was asked for with what was due. Where a report asks for a block of a piece
// that the .torrent has no root of, its author must have known the piece, or the lease have a root; where it
// asks for a whole piece, it need not have.
func (j *judge) challenges(of voice, r marketplace.Report, t *metainfo.Torrent) {
	if len(r.Answers) == 0 && len(r.Tries) > 0 &&
		r.Tries[len(r.Tries)-1] == marketplace.AuditorFault {
		return // it could not even ask
	}
	lease := j.leases[of.lease]
	share := RationOf(j.Rules, t, lease, j.believed[of.lease])
	blocks := map[int]bool{}
	for _, a := range r.Answers {
		if a.Block == marketplace.WholePiece || blocks[a.Piece] {
			continue
		}
		blocks[a.Piece] = true
		if !share.alone(t, a.Piece) && !j.known[knowledge{of.auditor, t.Infohash, a.Piece}] {
			j.fault(BadChallenges, of, "asked for block %d of piece %d and could not check it: no report of"+
				" an earlier epoch shows that it knew the piece", a.Block, a.Piece)
		}
	}
	v := j.visits[of]
	due := Challenges(share, v.Seed, t, func(piece int) bool { return blocks[piece] })
	if due = Again(share, lease, t, due); v.InWindow() {
		due = Burst(share, v.Burst, t, due)
	}
	answers := r.Answers
	for _, c := range due {
		switch {
		case len(answers) > 0 && answers[0].Piece == c.Piece && answers[0].Block == c.Block,
			len(answers) > 0 && answers[0].Piece == c.Piece && share.alone(t, c.Piece) && insisted(c, answers[0]):
			answers = answers[1:]
		case share.alone(t, c.Piece) && dropped(c, r.Answers, t):
		default:
			j.fault(BadChallenges, of, "did not ask for %s, which was due", spotOf(t, c.Piece, c.Block))
			return
		}
	}
	if len(answers) > 0 {
		j.fault(BadChallenges, of, "asked for %s, which was not due",
			spotOf(t, answers[0].Piece, answers[0].Block))
	}
}

// insisted says whether a whole piece was asked for in place of a block that the peer did not prove.
func insisted(due Challenge, a marketplace.Answer) bool {
	return !isWhole(due) && a.Block == marketplace.WholePiece
}

// dropped says whether a block that was not proven could be left out: its piece was asked for already,
// or did not fit any more.
func dropped(due Challenge, answers []marketplace.Answer, t *metainfo.Torrent) bool {
	if isWhole(due) {
		return false
	}
	bytes, whole := t.PieceSize(due.Piece), false
	for _, a := range answers {
		if a.Block != marketplace.WholePiece {
			bytes += metainfo.BlockSize
			continue
		}
		if whole = true; a.Piece == due.Piece {
			return true
		}
		bytes += t.PieceSize(a.Piece)
	}
	return whole && bytes > marketplace.AskedMax
}
