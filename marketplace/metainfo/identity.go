package metainfo

// What Everseed's programs say to peers that they are (BEP 20, BEP 10). Agents, downloaders and
// auditors say the same: an agent must not be able to tell an auditor from a customer.
const (
	PeerIDPrefix = "-ES0100-"
	ClientName   = "Everseed/0.1"
)

// HashesExtension is the name of a BEP 10 extension, by which agents give hashes of blocks: its
// messages are the number of a BEP 52 message (HashRequestMessage, HashesMessage or
// HashRejectMessage) and what stands behind it there. The torrent library answers those messages
// itself, but knows no hashes below the pieces'.
const HashesExtension = "es_hashes"

// The messages of BEP 52.
const (
	HashRequestMessage = 21
	HashesMessage      = 22
	HashRejectMessage  = 23
)

// ExtensionID returns the number under which a peer wants messages of an extension, as its
// extended handshake (BEP 10) says; 0 if it does not speak it.
func ExtensionID(handshake []byte, name string) byte {
	limits := Limits{Bytes: 64 << 10, Depth: 8, Tokens: 1000}
	if scan(handshake, limits) != nil || !value(handshake).isDict() {
		return 0
	}
	id, ok := value(handshake).fields("m")[0].fields(name)[0].integer()
	if !ok || id < 0 || id > 255 {
		return 0
	}
	return byte(id)
}
