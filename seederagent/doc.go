// Package seederagent is the daemon on a home machine that sells spare disk and upload.
//
// It is a loop that makes this machine agree with its leases. Each [Agent.Step] reads the agent's
// live leases from the market and moves every one a step on: checks a new one against the
// agent's own [Config] before a byte is fetched, fetches and verifies, says so, seeds, and removes
// what no lease holds any more. The market's event stream only wakes the loop: an agent that
// missed every event, was killed or lost its network does the right thing at its next step. Only
// knocks are answered at once: the agent connects to who cannot connect to it. And an auditor's ticket,
// shown in an ordinary connection, makes it serve one torrent to auditors only for a moment, so that no
// relay has anybody to ask.
//
// The agent also lends some of its line to auditors that visit other agents, so that nobody can serve
// known auditors only. It calls the auditor's door and connects it with the visited agent, whom it calls over
// TCP or uTP or, where nobody can, knocks for and waits for. Both must speak BitTorrent, of the lease's
// torrent; a visit and a day have a most, which the owner sets; of what passes nothing is kept.
//
// The agent trusts nobody. A lease outside its own limits is declined, a poster whose mandate the
// chain does not show is declined, and a cheque counts only once the quorum's signatures on it
// were checked and it was synced to disk. From then on it can be redeemed without the market.
package seederagent
