package audit

// For tests of what a try goes over first.
type Transport = transport

const (
	OverTCP = overTCP
	OverUTP = overUTP
)

var (
	ProbeOver   = probeOver
	TransportOf = transportOf
)
