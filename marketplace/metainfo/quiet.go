package metainfo

import (
	"encoding/binary"

	"github.com/everseed/everseed/marketplace"
)

// QuietExtension is the name of a BEP 10 extension, by which an auditor asks an agent for a quiet window:
// it shows a ticket (TicketMessage and the ticket), and the agent answers with a byte, QuietMessage if it
// serves nobody else from now on for as long as the market's rules say, LoudMessage if not.
const QuietExtension = "es_quiet"

// The messages of QuietExtension.
const (
	TicketMessage = 1
	QuietMessage  = 2
	LoudMessage   = 3
)

// ticketSize is the length of a ticket on the wire: lease, epoch, auditor, signature.
const ticketSize = 8 + 8 + len(marketplace.Address{}) + len(marketplace.Signature{})

// AppendTicket writes a ticket as it stands on the wire.
func AppendTicket(b []byte, t marketplace.Ticket) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.Lease)) // #nosec G115 -- bits of it
	b = binary.BigEndian.AppendUint64(b, uint64(t.Epoch)) // #nosec G115 -- bits of it
	return append(append(b, t.Auditor[:]...), t.Signature[:]...)
}

// ParseTicket reads a ticket; whether its signature is good remains to be seen.
func ParseTicket(b []byte) (t marketplace.Ticket, ok bool) {
	if len(b) != ticketSize {
		return t, false
	}
	t.Lease = int64(binary.BigEndian.Uint64(b))     // #nosec G115 -- bits of it
	t.Epoch = int64(binary.BigEndian.Uint64(b[8:])) // #nosec G115 -- bits of it
	t.Auditor = marketplace.Address(b[16:36])
	t.Signature = marketplace.Signature(b[36:])
	return t, true
}
