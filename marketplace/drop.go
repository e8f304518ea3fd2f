package marketplace

// Drop forecasts, in basis points, that an agent misses the next epoch: that fewer auditors than
// the quorum pass its replicas. It looks at how its last tries went and where that leads.
//
//	next   = clamp(2·recent − uptime): the trend of the last ten or so tries goes on
//	missed = (1 − next)^attempts: an auditor fails when all its tries do
//	drop   = P[X < quorum], X binomial(auditors, 1 − missed)
//
// Recent and uptime are one score with a short and a long memory (RecentMemoryBps and
// UptimeMemoryBps). A home that misses a try now and then comes to nothing; one that was away for a
// whole epoch to about two thirds. The tries of one outage fail together, so the formula is too
// kind to who is often away for hours; but those have a low score for it.
func (r Rules) Drop(rec Record) (chanceBps int) {
	next := int64(min(max(2*rec.Recent.Bps()-rec.Uptime.Bps(), 0), bps))
	missed := int64(bps)
	for range r.Attempts {
		missed = missed * (bps - next) / bps
	}
	// passing[n] is the chance that n auditors pass it, in billionths.
	const whole = 1_000_000_000
	passing := make([]int64, r.Auditors+1)
	passing[0] = whole
	for seen := range r.Auditors {
		for n := seen + 1; n > 0; n-- {
			passing[n] = passing[n]*missed/bps + passing[n-1]*(bps-missed)/bps
		}
		passing[0] = passing[0] * missed / bps
	}
	enough := int64(0)
	for n := r.AuditQuorum; n < len(passing); n++ {
		enough += passing[n]
	}
	return int((whole - min(enough, whole)) / (whole / bps))
}

// Drops says whether an agent that missed an epoch is forecast to miss the next one too, so that
// another one is called before its grace is over.
func (r Rules) Drops(rec Record) bool { return r.Drop(rec) >= r.DropBps }
