package metainfo

// What Everseed's programs say to peers that they are (BEP 20, BEP 10). Agents, downloaders and
// auditors say the same: an agent must not be able to tell an auditor from a customer.
const (
	PeerIDPrefix = "-ES0100-"
	ClientName   = "Everseed/0.1"
)
