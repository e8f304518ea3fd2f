package devchain

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// requestMax bounds a body: a transaction in hex and as JSON, and its envelope.
const requestMax = 4*txSizeMax + 64<<10

// A query is a request of the HTTP API: the JSON object of its body, or its URL's parameters.
type query struct {
	form
	text []byte
	in   object
}

// A page answers a query with a protobuf or with what encodes to JSON.
type page func(context.Context, query) (any, error)

// pages are the HTTP API: what tronweb and TronLink use of a full node and of a solidity node.
// Each is a call of the gRPC service, read and written in JSON.
func (c *Chain) pages() map[string]page {
	w, s := &wallet{chain: c}, &solidity{chain: c}
	return map[string]page{
		"wallet/getnowblock":                   ask(w.GetNowBlock2),
		"wallet/getblock":                      aBlock(w.view(), w.GetNowBlock2),
		"wallet/getblockbynum":                 ask(w.GetBlockByNum2),
		"wallet/getblockbyid":                  ask(w.blockByID),
		"wallet/getblockbylimitnext":           ask(w.GetBlockByLimitNext2),
		"wallet/getblockbylatestnum":           ask(w.GetBlockByLatestNum2),
		"wallet/gettransactioncountbyblocknum": ask(w.GetTransactionCountByBlockNum),
		"wallet/gettransactionbyid":            ask(w.GetTransactionById),
		"wallet/gettransactioninfobyid":        ask(w.GetTransactionInfoById),
		"wallet/gettransactioninfobyblocknum":  ask(w.GetTransactionInfoByBlockNum),
		"wallet/gettransactionfrompending":     ask(w.GetTransactionFromPending),
		"wallet/gettransactionlistfrompending": ask(w.GetTransactionListFromPending),
		"wallet/getpendingsize":                ask(w.GetPendingSize),
		"wallet/totaltransaction":              ask(w.TotalTransaction),
		"wallet/getaccount":                    ask(w.GetAccount),
		"wallet/getaccountresource":            ask(w.GetAccountResource),
		"wallet/getaccountnet":                 ask(w.GetAccountNet),
		"wallet/getcontract":                   ofContract(w.GetContract),
		"wallet/getcontractinfo":               ofContract(w.GetContractInfo),
		"wallet/getchainparameters":            ask(w.GetChainParameters),
		"wallet/getenergyprices":               ask(w.GetEnergyPrices),
		"wallet/getbandwidthprices":            ask(w.GetBandwidthPrices),
		"wallet/getmemofee":                    ask(w.GetMemoFee),
		"wallet/getnextmaintenancetime":        ask(w.GetNextMaintenanceTime),
		"wallet/getnodeinfo":                   ask(w.GetNodeInfo),
		"wallet/listnodes":                     ask(w.ListNodes),
		"wallet/validateaddress":               validateAddress,
		"wallet/createtransaction":             build(w.CreateTransaction2),
		"wallet/triggersmartcontract":          trigger(w.TriggerContract),
		"wallet/triggerconstantcontract":       trigger(w.TriggerConstantContract),
		"wallet/estimateenergy":                trigger(w.EstimateEnergy),
		"wallet/deploycontract":                deploy(w.DeployContract),
		"wallet/broadcasttransaction":          w.broadcastJSON,
		"wallet/broadcasthex":                  w.broadcastHex,

		"walletsolidity/getnowblock":                   ask(s.GetNowBlock2),
		"walletsolidity/getblock":                      aBlock(s.view(), s.GetNowBlock2),
		"walletsolidity/getblockbynum":                 ask(s.GetBlockByNum2),
		"walletsolidity/gettransactioncountbyblocknum": ask(s.GetTransactionCountByBlockNum),
		"walletsolidity/gettransactionbyid":            ask(s.GetTransactionById),
		"walletsolidity/gettransactioninfobyid":        ask(s.GetTransactionInfoById),
		"walletsolidity/gettransactioninfobyblocknum":  ask(s.GetTransactionInfoByBlockNum),
		"walletsolidity/getaccount":                    ask(s.GetAccount),
		"walletsolidity/triggerconstantcontract":       trigger(s.TriggerConstantContract),
		"walletsolidity/estimateenergy":                trigger(s.EstimateEnergy),
		"walletsolidity/getenergyprices":               ask(s.GetEnergyPrices),
		"walletsolidity/getbandwidthprices":            ask(s.GetBandwidthPrices),
	}
}

// node is the HTTP API.
func (c *Chain) node() http.Handler {
	m := http.NewServeMux()
	for path, p := range c.pages() {
		m.Handle("/"+path, c.serves(p))
	}
	return m
}

// serves makes a handler of a page. A node answers 200 whatever came of it, and any web page may
// ask it.
func (c *Chain) serves(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		switch r.Method {
		case http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "Content-Type, TRON-PRO-API-KEY")
			w.WriteHeader(http.StatusNoContent)
			return
		case http.MethodGet, http.MethodPost:
		default:
			h.Set("Allow", "GET, POST, OPTIONS")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		text, err := c.answer(w, r, p)
		h.Set("Content-Type", "application/json; charset=utf-8")
		if err != nil {
			if status.Code(err) == codes.Unavailable {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			text, err = json.Marshal(map[string]string{"Error": status.Convert(err).Message()})
			must(err)
		}
		_, _ = w.Write(text) // #nosec G104,G705 -- JSON; who asked is gone when this fails
	}
}

func (c *Chain) answer(w http.ResponseWriter, r *http.Request, p page) ([]byte, error) {
	if err := c.disturb(r.Context()); err != nil {
		return nil, err
	}
	q, err := readQuery(w, r)
	if err != nil {
		return nil, err
	}
	out, err := p(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return q.encode(out)
}

func readQuery(w http.ResponseWriter, r *http.Request) (q query, err error) {
	q.in = object{}
	if r.Method == http.MethodPost {
		if q.text, err = io.ReadAll(http.MaxBytesReader(w, r.Body, requestMax)); err != nil {
			return q, fmt.Errorf("read body: %w", err)
		}
	}
	if len(q.text) > 0 {
		if err := json.Unmarshal(q.text, &q.in); err != nil {
			return q, fmt.Errorf("read JSON: %w", err)
		}
	} else {
		for name, values := range r.URL.Query() {
			text, err := json.Marshal(values[0])
			must(err)
			q.in[name] = text
		}
		q.text, err = json.Marshal(q.in)
		must(err)
	}
	q.visible, q.longs = q.is("visible"), q.is("int64_as_string")
	return q, nil
}

func (q query) is(name string) bool { return strings.Trim(string(q.in[name]), `"`) == "true" }

// str returns a text of the query, empty when there is none.
func (q query) str(name string) (s string) {
	if json.Unmarshal(q.in[name], &s) != nil {
		return ""
	}
	return s
}

// long returns a number of the query, zero when there is none.
func (q query) long(name string) (int64, error) {
	text := strings.Trim(string(q.in[name]), `"`)
	if text == "" || text == "null" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// ask makes a page of a call that is answered as it is.
func ask[In any, Out proto.Message, P interface {
	*In
	proto.Message
}](do func(context.Context, P) (Out, error)) page {
	return func(ctx context.Context, q query) (any, error) {
		in := P(new(In))
		if err := q.read(q.text, in); err != nil {
			return nil, err
		}
		return do(ctx, in)
	}
}
