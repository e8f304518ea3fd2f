package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
)

// A narrator tells a person what happens now and what it means: plain lines, with colour on a
// terminal only.
type narrator struct {
	mu     sync.Mutex // guards the fields below and the order of lines
	w      io.Writer
	colour bool
	began  time.Time
	number int
	names  map[marketplace.Address]string
}

func newNarrator(w io.Writer) *narrator {
	return &narrator{w: w, colour: terminal.IsTerminal(w), began: time.Now(),
		names: map[marketplace.Address]string{}}
}

const (
	bold = "1"
	dim  = "2"
)

// line writes one line with the time since the start.
func (n *narrator) line(style, text string) {
	if n.colour {
		text = "\x1b[" + style + "m" + text + "\x1b[0m"
	}
	fmt.Fprintf(n.w, "%6.1fs  %s\n", time.Since(n.began).Seconds(), text)
}

// chapter announces what is shown next.
func (n *narrator) chapter(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	fmt.Fprintln(n.w)
	n.line(bold, fmt.Sprintf("%d. ", n.number)+fmt.Sprintf(format, args...))
}

// say tells one thing.
func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line("0", "   "+fmt.Sprintf(format, args...))
}

// print writes several lines as they are.
func (n *narrator) print(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprint(n.w, "\n", text, "\n")
}

// name gives an account a name for the telling.
func (n *narrator) name(a marketplace.Address, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[a] = name
}

func (n *narrator) called(a marketplace.Address) string {
	if name, ok := n.names[a]; ok {
		return name
	}
	return "the market"
}

// follow tells of the market's events until ctx is done.
func (n *narrator) follow(ctx context.Context, c *client.Client) {
	for e := range c.Stream(ctx, marketplace.Address{}, "") {
		n.mu.Lock()
		if text := n.words(e); text != "" {
			n.line(dim, "     · "+text)
		}
		n.mu.Unlock()
	}
}

// words puts an event into a sentence; events that say nothing new have none.
func (n *narrator) words(e marketplace.Event) string {
	kind, what, _ := strings.Cut(e.Kind, ".")
	switch kind {
	case "call":
		var c marketplace.Call
		if json.Unmarshal(e.Data, &c) != nil {
			return ""
		}
		return fmt.Sprintf("call %d: %d of %d offers matched", c.ID, len(c.Fills), c.Offers)
	case "lease":
		var l marketplace.Lease
		if json.Unmarshal(e.Data, &l) != nil {
			return ""
		}
		text := fmt.Sprintf("%s: lease %d is %s", n.called(l.Agent), l.ID, what)
		if l.Reason != "" {
			text += " (" + l.Reason + ")"
		}
		return text
	case "proof":
		var p marketplace.Proof
		if json.Unmarshal(e.Data, &p) != nil {
			return ""
		}
		return fmt.Sprintf("%s: epoch %d %s, %d of %d auditors, %s BTT", n.called(p.Agent),
			p.Epoch%1000, what, p.Passes, p.Reports, terminal.BTT(p.Earned))
	case "cheque":
		var c marketplace.SignedCheque
		if what != "solid" || json.Unmarshal(e.Data, &c) != nil {
			return ""
		}
		return fmt.Sprintf("%s: cheque over %s BTT redeemed on the chain", n.called(c.Cheque.To),
			terminal.BTT(c.Cheque.Cumulative))
	case "bounty":
		return fmt.Sprintf("bounty %d is %s", e.Thing, what)
	default:
		return ""
	}
}
