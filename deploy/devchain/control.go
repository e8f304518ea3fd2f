package devchain

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/everseed/everseed/marketplace"
)

// Limits of what the control port is asked.
const (
	orderMax = 16 << 10 // bytes of a body
	mineMax  = 10_000   // blocks of one call
)

// control is the whole control port.
func (c *Chain) control() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /chain", order(func(struct{}) (any, error) { return c.status(), nil }))
	m.HandleFunc("GET /faults", order(func(struct{}) (any, error) { return c.misbehaving(), nil }))
	m.HandleFunc("PUT /faults", order(func(f Faults) (any, error) {
		if err := c.Misbehave(f); err != nil {
			return nil, err
		}
		return c.misbehaving(), nil
	}))
	m.HandleFunc("POST /reorg", order(c.orderReorg))
	m.HandleFunc("POST /mine", order(c.orderMine))
	m.HandleFunc("POST /fund", order(c.orderFund))
	// A page that a browser shows beside the chain commands nothing.
	return http.NewCrossOriginProtection().Handler(m)
}

// order makes a handler of what decodes one noun and answers with another.
func order[T any](do func(T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := func() (any, error) {
			var in T
			if err := decodeOrder(http.MaxBytesReader(w, r.Body, orderMax), &in); err != nil {
				return nil, err
			}
			return do(in)
		}()
		code := http.StatusOK
		if err != nil {
			code, out = http.StatusBadRequest, map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(out) // who asked is gone when this fails
	}
}

// decodeOrder reads one JSON object; an empty body is an empty one.
func decodeOrder(body io.Reader, in any) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read body: more than one JSON value")
	}
	return nil
}

// A place is a block as the control port tells of it.
type place struct {
	Number int64  `json:"number"`
	ID     string `json:"id"`
	TimeMS int64  `json:"time_ms"`
}

func (b *block) place() place { return place{b.number, hex.EncodeToString(b.id[:]), b.at} }

// A condition is how the chain is, whatever it is told to make others believe.
type condition struct {
	Head    place  `json:"head"`
	Solid   place  `json:"solid"`
	Pending int    `json:"pending"`
	Reorgs  int64  `json:"reorgs"`
	ChainID uint64 `json:"chain_id"`
	GRPC    string `json:"grpc"`
	HTTP    string `json:"http"`
}

func (c *Chain) status() condition {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return condition{Head: c.head().place(), Solid: c.blocks[c.settled].place(),
		Pending: len(c.pending), Reorgs: c.forks, ChainID: c.opts.ChainID, GRPC: c.Addr(),
		HTTP: c.HTTPAddr()}
}

type reorgOrder struct {
	Depth int  `json:"depth"`
	Lose  bool `json:"lose"` // the transactions, instead of making them pending again
}

func (c *Chain) orderReorg(o reorgOrder) (any, error) {
	if o.Depth < 1 {
		return nil, fmt.Errorf("depth is %d; take back at least one block", o.Depth)
	}
	taken, err := c.reorg(o.Depth, !o.Lose)
	if err != nil {
		return nil, err
	}
	return struct {
		Depth int `json:"depth"` // how many were taken back: solid ones never are
		condition
	}{taken, c.status()}, nil
}

type mineOrder struct {
	Blocks int `json:"blocks"`
}

func (c *Chain) orderMine(o mineOrder) (any, error) {
	if o.Blocks < 1 || o.Blocks > mineMax {
		return nil, fmt.Errorf("blocks is %d, and goes from 1 to %d", o.Blocks, mineMax)
	}
	if err := c.mine(o.Blocks); err != nil {
		return nil, err
	}
	return c.status(), nil
}

type fundOrder struct {
	Address marketplace.Address `json:"address"`
	TRX     int64               `json:"trx"`
}

func (c *Chain) orderFund(o fundOrder) (any, error) {
	if o.Address.IsZero() {
		return nil, errors.New("address is missing: T…, whom to fund")
	}
	if o.TRX < 1 || o.TRX > faucetGives {
		return nil, fmt.Errorf("trx is %d, and goes from 1 to %d", o.TRX, faucetGives)
	}
	id, err := c.fund(common.Address(o.Address), o.TRX)
	if err != nil {
		return nil, err
	}
	return struct {
		TxID string `json:"txid"`
	}{hex.EncodeToString(id[:])}, nil
}
