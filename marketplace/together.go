package marketplace

// togetherMin is how many shared failures say anything: fewer are chance.
const togetherMin = 4

// Together scores how much two agents fail together, in basis points: of the epochs in which
// either failed an audit, the part in which both did. The epochs of each ascend. It is zero until
// they shared four. Strangers come to a few hundred; names on one disk to most of the scale. A
// score is no proof and costs nothing by itself: it tells whoever matches replicas which agents
// to keep apart as one owner.
func Together(a, b []int64) (scoreBps int) {
	either, both := 0, 0
	for len(a) > 0 || len(b) > 0 {
		either++
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			b = b[1:]
		default:
			both++
			a, b = a[1:], b[1:]
		}
	}
	if both < togetherMin {
		return 0
	}
	return both * bps / either
}

// A Partner is an agent that another one fails together with. From Rules.OneOwnerBps on calls keep
// the two apart like agents of one owner.
type Partner struct {
	Agent    Address `json:"agent"`
	ScoreBps int     `json:"score_bps" doc:"Of the epochs that either missed, the part that both did"`
}

// A Pair are two agents that calls keep apart as one owner.
type Pair struct{ A, B Address }
