package marketplace

import "fmt"

// A Ticket lets an auditor into the quiet window of a torrent (proof.md, Lazy relays): for as long as
// Rules.Quiet, who holds the torrent under lease and is shown one serves nobody else, so that a relay
// finds nobody among the paid agents whom it could ask. It is good for one agent and one epoch.
type Ticket struct {
	Lease     int64     `json:"lease"`
	Epoch     int64     `json:"epoch"`
	Auditor   Address   `json:"auditor"`
	Signature Signature `json:"signature" doc:"Over the ticket's text, TRON signed message"`
}

// Text returns what the auditor signs.
func (t Ticket) Text() string {
	return fmt.Sprintf("Everseed quiet window\nlease %d\nepoch %d\nauditor %s", t.Lease, t.Epoch, t.Auditor)
}
