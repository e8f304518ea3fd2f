package marketplace

import "fmt"

// Who serves auditors alone keeps nothing alive, and an auditor's addresses become known: reports say
// when it came. So a part of all visits (Rules.CarriedBps) comes by way of another agent's line, whose
// address is that of any downloader. That agent, the carrier, is drawn by the market when the visit
// begins, and calls the auditor, so that it may sit behind any router.

// CarryKind is the kind of the event that asks an agent to carry a visit. Nobody else is told, and it
// is in no list of events.
const CarryKind = "carry"

// A Carry asks for an agent that lends its line for one try.
type Carry struct {
	Lease     int64     `json:"lease" doc:"Whose agent is visited"`
	Epoch     int64     `json:"epoch"`
	Auditor   Address   `json:"auditor"`
	Door      string    `json:"door" doc:"Where the auditor listens for the carrier, ip:port; without ip: at the address that the market sees"`
	Token     Hash      `json:"token" doc:"What the carrier shows there; random, and another one for each carrier"`
	Signature Signature `json:"signature" doc:"The auditor's, over the carry's text, TRON signed message"`
}

// Text returns what the auditor signs. The door is not in it: the market may complete it.
func (c Carry) Text() string {
	return fmt.Sprintf("Everseed carried visit\nlease %d\nepoch %d\nauditor %s\ntoken %s", c.Lease, c.Epoch,
		c.Auditor, c.Token)
}

// CarrierWish says who shall carry a visit, and who shall not.
type CarrierWish struct {
	Again *Address  `json:"again,omitempty" doc:"Who carried the first try, if it shall carry the second: goes before not"`
	Not   []Address `json:"not,omitempty" maxItems:"20" doc:"Who was asked before"`
}

// A Carrier is the agent that was asked to carry a visit.
type Carrier struct {
	Agent Address `json:"agent"`
}
