package marketplace

import "time"

// A Market is the whole market at a glance: GET /v1/market.
type Market struct {
	At          time.Time           `json:"at" doc:"When these figures were read"`
	Epoch       int64               `json:"epoch" doc:"Epoch that At falls in"`
	Bounties    map[BountyState]int `json:"bounties" doc:"Bounties in each state"`
	Wanted      int                 `json:"wanted" doc:"Replicas that live bounties ask for"`
	Leased      int                 `json:"leased" doc:"Replicas under a live lease"`
	Proven      int                 `json:"proven" doc:"Replicas whose last audit passed"`
	KeptAlive   int64               `json:"kept_alive" doc:"Bytes of the proven replicas"`
	Offers      int                 `json:"offers" doc:"Live offers"`
	FreeStorage int64               `json:"free_storage" doc:"Bytes that live offers still sell"`
	Reserved    Amount              `json:"reserved" doc:"BTT set aside for bounties"`
	Earned      Amount              `json:"earned" doc:"BTT ever earned by agents, redeemed or not"`
	Redeemed    Amount              `json:"redeemed" doc:"BTT ever paid out on chain"`
	Replaced    Replacements        `json:"replaced" doc:"How fast lost replicas were replaced"`
	AuditWire   int64               `json:"audit_wire" doc:"Bytes on the wire that audits took per replica and day, of the last day"`
	LastCall    *Call               `json:"last_call,omitempty" doc:"Newest call"`
	Clearings   []Price             `json:"clearings" doc:"Last price of each signature"`
}

// Replacements say how long lost replicas were missing: from the end of the last epoch that the lost
// one passed to the end of the first one that its replacement passed.
type Replacements struct {
	Count  int  `json:"count" doc:"Replicas that were replaced, the last 1000 at most"`
	Last   Span `json:"last"`
	Median Span `json:"median"`
	P90    Span `json:"p90" doc:"Nine in ten took no longer"`
}
