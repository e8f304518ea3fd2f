package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// noticesMax is how many of the newest notices the hub keeps.
const noticesMax = 1024

// notify has notices read at once, rather than at the next tick.
func (h *hub) notify() {
	select {
	case h.bell <- struct{}{}:
	default:
	}
}

// readNotices takes new notices out of the book.
func (h *hub) readNotices(ctx context.Context) error {
	_, last := h.noticesAfter(0)
	more, err := h.book.NoticesAfter(ctx, last, readMax)
	if err != nil {
		return err
	}
	if len(more) == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notices = append(h.notices, more...)
	if extra := len(h.notices) - noticesMax; extra > 0 {
		h.notices = slices.Clone(h.notices[extra:])
	}
	h.noticed = more[len(more)-1].ID
	h.wakeAll()
	return nil
}

// noticesAfter returns the notices after the one with an id, and the id of the newest.
func (h *hub) noticesAfter(id int64) (more []orderbook.Notice, last int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.notices)
	for i > 0 && h.notices[i-1].ID > id {
		i--
	}
	return h.notices[i:len(h.notices):len(h.notices)], h.noticed
}

// passNotices tells the client what is for it alone. A notice has no id to resume by: one that was missed
// is repeated by who gave it.
func (c *stream) passNotices() error {
	if !c.own {
		return nil
	}
	more, last := c.server.hub.noticesAfter(c.noticed)
	c.noticed = last
	for _, n := range more {
		if n.Agent != *c.who {
			continue
		}
		e := marketplace.Event{Kind: n.Kind, Who: []marketplace.Address{n.Agent}, Data: n.Data,
			At: time.Now().UTC()}
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode notice: %w", err)
		}
		if err := c.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", e.Kind, data)); err != nil {
			return err
		}
	}
	return nil
}
