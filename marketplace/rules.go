package marketplace

import "time"

// Rules are the market's constants: everything that a poster, an agent or an auditor must know to
// predict what the market will do. A market publishes its own at GET /v1/rules. Defaults are
// those of the design (market.md, proof.md); shares are in basis points of 1/10,000.
type Rules struct {
	CallEvery      Span `json:"call_every" doc:"Longest wait between two calls of the matcher"`
	AcceptDeadline Span `json:"accept_deadline" doc:"An agent must answer a new lease by then"`
	FetchDeadline  Span `json:"fetch_deadline" doc:"An agent must hold all data by then"`
	ProveDeadline  Span `json:"prove_deadline" doc:"A first epoch must have passed by then; on v1, each that shows more of the root gives as long anew"`
	Notice         Span `json:"notice" doc:"Leases run on this long after a cancel"`

	Epoch       Span `json:"epoch" doc:"Accounting interval; epochs are counted from 1970"`
	Grace       Span `json:"grace" doc:"How long a replica may fail audits before it is re-matched"`
	ReportSlack Span `json:"report_slack" doc:"How long after an epoch reports are taken"`

	Auditors     int  `json:"auditors" doc:"Auditors asked per replica and epoch"`
	AuditQuorum  int  `json:"audit_quorum" doc:"How many of them must pass a replica"`
	Attempts     int  `json:"attempts" doc:"Tries an auditor has per epoch, all on the same pieces"`
	AttemptGap   Span `json:"attempt_gap" doc:"Least time between two tries"`
	ProbeTimeout Span `json:"probe_timeout" doc:"Longest time one try may take"`
	AuditBps     int  `json:"audit_bps" doc:"Part of its content that audits of a replica take a day, at most"`
	Challenges   int  `json:"challenges" doc:"Random blocks asked for per audit, where that part allows so many"`
	WholeEvery   Span `json:"whole_every" doc:"A whole piece is asked of a replica about this often, a large one more seldom"`

	CarriedBps int `json:"carried_bps" doc:"Part of visits that come by another agent's line"`

	Seasoned int `json:"seasoned" doc:"Whole pieces that a replica of a v1 torrent shows to be of its root before anybody is paid by it"`

	Quiet      Span  `json:"quiet" doc:"Length of a quiet window, in which agents serve a torrent to auditors only"`
	QuietEvery Span  `json:"quiet_every" doc:"A torrent under lease has a quiet window about this often"`
	BurstMax   int64 `json:"burst_max" doc:"Most bytes of whole pieces asked for in one, of all replicas at once"`

	CanarySealed Span `json:"canary_sealed" doc:"How long it stays sealed which replicas are canaries"`

	HoldbackBps   int    `json:"holdback_bps" doc:"Part of pay that vests at the end of a lease"`
	FeeBps        int    `json:"fee_bps" doc:"Fee on settled value, from the poster"`
	AuditShareBps int    `json:"audit_share_bps" doc:"Part of the fee that the auditors of a paid epoch share"`
	BilledMin     int64  `json:"billed_min" doc:"Smallest billed size of a replica, bytes"`
	BountyMin     Amount `json:"bounty_min" doc:"Smallest worst case of a bounty, and smallest pledge"`
	FundersMax    int    `json:"funders_max" doc:"Most accounts that pay for one bounty"`

	KeepMin      Span `json:"keep_min" doc:"Shortest term"`
	KeepMax      Span `json:"keep_max" doc:"Longest term"`
	GoodFor      Span `json:"good_for" doc:"How long an unfilled bounty stays, unless it says"`
	ReplicasMax  int  `json:"replicas_max" doc:"Most replicas of one bounty"`
	OpenMax      int  `json:"open_max" doc:"Most open bounties of one poster"`
	LeasesNewMax int  `json:"leases_new_max" doc:"Most leases of an agent that is not vetted"`
	VetAudits    int  `json:"vet_audits" doc:"Passed audits that make an agent vetted"`
	VetAfter     Span `json:"vet_after" doc:"Least age of an agent that becomes vetted"`

	// Scores: see Score. A memory of 9,900 bps weighs what was n audits ago by 0.99ⁿ.
	ReputationMemoryBps int `json:"reputation_memory_bps" doc:"Weight a score keeps at each audit"`
	ReputationWarnBps   int `json:"reputation_warn_bps" doc:"Reputation below which an agent is warned"`
	ReputationMinBps    int `json:"reputation_min_bps" doc:"... below which it is disqualified"`
	UptimeMemoryBps     int `json:"uptime_memory_bps" doc:"Weight uptime keeps at each try"`
	UptimeWarnBps       int `json:"uptime_warn_bps" doc:"Uptime below which an agent is warned"`
	UptimeMinBps        int `json:"uptime_min_bps" doc:"... below which it gets no new leases"`

	RecentMemoryBps int `json:"recent_memory_bps" doc:"Weight the recent uptime keeps at each try"`
	DropBps         int `json:"drop_bps" doc:"Forecast of another missed epoch from which a replica in grace is replaced"`

	OneOwnerBps int `json:"one_owner_bps" doc:"Agents that fail together from this score on are kept apart"`

	AllowLoopback  bool `json:"allow_loopback" doc:"Peers on this machine are accepted (devnet)"`
	NetworkPrefix4 int  `json:"network_prefix_4" doc:"Replicas differ in this IPv4 prefix"`
	NetworkPrefix6 int  `json:"network_prefix_6" doc:"Replicas differ in this IPv6 prefix"`

	RedeemFeeBps int  `json:"redeem_fee_bps" doc:"A cheque is redeemed when its fee is at most this"`
	RedeemAfter  Span `json:"redeem_after" doc:"... or when it has waited this long"`
}

// DefaultRules are those of a market with real money.
func DefaultRules() Rules {
	return Rules{
		CallEvery: sec(5), AcceptDeadline: sec(600), FetchDeadline: days(1),
		ProveDeadline: sec(14 * 3600), Notice: days(1),
		Epoch: sec(6 * 3600), Grace: sec(2 * 3600), ReportSlack: sec(600),
		Auditors: 3, AuditQuorum: 2, Attempts: 3, AttemptGap: sec(1200), ProbeTimeout: sec(60),
		AuditBps: 100, Challenges: 8, WholeEvery: days(1), Seasoned: 96, CanarySealed: days(30),
		CarriedBps: 6667,
		Quiet:      sec(20), QuietEvery: days(1), BurstMax: 4 << 20,
		HoldbackBps: 2500, FeeBps: 100, AuditShareBps: 5000, BilledMin: 64 << 20, BountyMin: BTT(100_000),
		FundersMax: 16,
		KeepMin:    sec(3600), KeepMax: days(540), GoodFor: days(7), ReplicasMax: 100, OpenMax: 100,
		LeasesNewMax: 5, VetAudits: 100, VetAfter: days(7),
		ReputationMemoryBps: 9900, ReputationWarnBps: 9500, ReputationMinBps: 9000,
		UptimeMemoryBps: 9500, UptimeWarnBps: 8000, UptimeMinBps: 6000,
		RecentMemoryBps: 9000, DropBps: 5000, OneOwnerBps: 4000,
		NetworkPrefix4: 24, NetworkPrefix6: 48,
		RedeemFeeBps: 200, RedeemAfter: days(7),
	}
}

// DevnetRules are the same market with days shrunk to seconds, for one machine.
func DevnetRules() Rules {
	r := DefaultRules()
	r.CallEvery, r.AcceptDeadline, r.FetchDeadline = sec(1), sec(10), sec(60)
	r.ProveDeadline, r.Notice = sec(20), sec(8)
	r.Epoch, r.Grace, r.ReportSlack = sec(5), sec(4), sec(2)
	r.WholeEvery, r.Seasoned, r.CanarySealed = sec(20), 1, sec(60)
	r.AuditBps = 1_000_000_000 // some bytes each second are many a day
	r.Quiet, r.QuietEvery = sec(1), sec(10)
	r.AttemptGap, r.ProbeTimeout = Span(300*time.Millisecond), Span(1500*time.Millisecond)
	r.BilledMin, r.BountyMin = 1<<20, MustAmount("0.001")
	r.KeepMin, r.VetAudits, r.VetAfter = sec(10), 10, sec(30)
	r.AllowLoopback = true
	r.RedeemAfter = sec(2)
	return r
}

func sec(n int) Span  { return Span(time.Duration(n) * time.Second) }
func days(n int) Span { return Span(time.Duration(n) * Day) }

// EpochAt returns the number of the epoch that t falls in.
func (r Rules) EpochAt(t time.Time) int64 {
	return t.UnixMicro() / time.Duration(r.Epoch).Microseconds()
}

// EpochStart returns the first moment of epoch k; its end is EpochStart(k+1).
func (r Rules) EpochStart(k int64) time.Time {
	return time.UnixMicro(k * time.Duration(r.Epoch).Microseconds()).UTC()
}
