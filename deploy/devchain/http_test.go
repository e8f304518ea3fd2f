package devchain

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// page asks the HTTP API.
func (r *rig) page(method, path, body string) (*http.Response, string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, "http://"+r.HTTPAddr()+path,
		strings.NewReader(body))
	r.must(err)
	resp, err := http.DefaultClient.Do(req)
	r.must(err)
	text, err := io.ReadAll(resp.Body)
	r.must(err)
	r.must(resp.Body.Close())
	return resp, string(text)
}

// says posts to the HTTP API and wants something in the answer.
func (r *rig) says(path, body, want string) {
	r.Helper()
	if _, got := r.page("POST", path, body); !strings.Contains(got, want) {
		r.Errorf("%s %.200s\n says %.400s\n want %s", path, body, got, want)
	}
}

func TestTheHTTPAPISpeaksAsANodeDoes(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	info := r.mustSend(r.transfer(trx))
	r.Stale(true)
	id := hex.EncodeToString(info.Id)
	hexed, shown := hex.EncodeToString(alice.address()), alice.address().String()
	for _, c := range []struct{ path, body, want string }{
		{"/wallet/getaccount", `{"address":"` + hexed + `"}`, `"address":"` + hexed + `","balance":99`},
		{"/wallet/getaccount", `{"address":"` + shown + `","visible":true}`, `"address":"` + shown},
		{"/wallet/getaccount", `{"address":"` + shown + `"}`, `"Error":`},
		{"/wallet/getaccount", `{"address":"41` + strings.Repeat("7", 40) + `"}`, `{}`},
		{"/wallet/getaccount", `{`, `"Error":"read JSON`},
		{"/wallet/gettransactionbyid", `{"value":"` + id + `"}`, `"type":"TransferContract"`},
		{"/wallet/gettransactionbyid", `{"value":"` + id + `","visible":true}`,
			`"owner_address":"` + shown},
		{"/wallet/gettransactionbyid", `{"value":"77"}`, `{}`},
		{"/wallet/gettransactioninfobyid", `{"value":"` + id + `","int64_as_string":true}`,
			`"fee":"1100000"`},
		{"/wallet/gettransactioninfobyblocknum", `{"num":0}`, `[]`},
		{"/walletsolidity/gettransactionbyid", `{"value":"` + id + `"}`, `{}`},
		{"/walletsolidity/getnowblock", ``, `"blockID":"0000`},
		{"/wallet/getblock", `{"id_or_num":"0","detail":true}`, `"blockID":"0000000000000000`},
		{"/wallet/getblock", `{"id_or_num":"99999"}`, `{}`},
		{"/wallet/validateaddress", `{"address":"` + shown + `"}`, `"result":true`},
		{"/wallet/validateaddress", `{"address":"` + hexed + `"}`, `"result":true`},
		{"/wallet/validateaddress", `{"address":"` + hexed[2:] + `"}`, `"result":false`},
		{"/wallet/validateaddress", `{"address":"T"}`, `"result":false`},
		{"/wallet/triggersmartcontract", `{"owner_address":"` + hexed + `","contract_address":"` +
			hexed + `","function_selector":"a()"}`, `"code":"CONTRACT_VALIDATE_ERROR"`},
		{"/wallet/broadcasthex", `{"transaction":"zz"}`, `"Error":"read hex`},
		{"/wallet/broadcasttransaction", `{}`, `exactly one contract` /* in hex below */},
	} {
		if c.path == "/wallet/broadcasttransaction" {
			c.want = hex.EncodeToString([]byte(c.want))
		}
		r.says(c.path, c.body, c.want)
	}
	_, asked := r.page("GET", "/wallet/getaccount?visible=true&address="+shown, "")
	if !strings.Contains(asked, `"address":"`+shown) {
		t.Errorf("asked by GET: %s", asked)
	}
}

func TestTheHTTPAPIHasLimitsAndLetsPagesIn(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	resp, _ := r.page("OPTIONS", "/wallet/getnowblock", "")
	if resp.StatusCode != http.StatusNoContent ||
		resp.Header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Content-Type") {
		t.Errorf("before a page asks: %s %v", resp.Status, resp.Header)
	}
	if resp, _ := r.page("DELETE", "/wallet/getnowblock", ""); resp.StatusCode != 405 {
		t.Errorf("DELETE: %s", resp.Status)
	}
	if resp, _ := r.page("POST", "/wallet/freezebalance", "{}"); resp.StatusCode != 404 {
		t.Errorf("what there is not: %s", resp.Status)
	}
	r.says("/wallet/broadcasthex", `{"transaction":"`+strings.Repeat("0", requestMax)+`"}`,
		"too large")
	r.says("/wallet/getblockbynum", `{"num":`+strings.Repeat("[", 20_000)+`}`, `"Error"`)
}

func TestFaultsStrikeThroughBothDoors(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	tx := r.transfer(trx)
	raw, err := proto.Marshal(tx)
	r.must(err)
	body := `{"transaction":"` + hex.EncodeToString(raw) + `"}`
	r.misbehaves(`{"busy":1,"mute":1}`)
	r.says("/wallet/broadcasthex", body, `"code":"SERVER_BUSY"`)
	if resp, said := r.page("POST", "/wallet/broadcasthex", body); resp.StatusCode != 503 {
		t.Errorf("the answer was not lost: %s %s", resp.Status, said)
	}
	r.confirm(tx)
	r.says("/wallet/broadcasthex", body, `"code":"DUP_TRANSACTION_ERROR"`)
	r.misbehaves(`{"outage":true}`)
	if resp, _ := r.page("GET", "/wallet/getnowblock", ""); resp.StatusCode != 503 {
		t.Errorf("in an outage: %s", resp.Status)
	}
}

// What the node builds from selector, parameters and ABI is what the gRPC service would.
func TestTheHTTPAPIBuildsDeploymentsAndCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	hexed := hex.EncodeToString(alice.address())
	abi := `[{"type":"function","name":"add","stateMutability":"nonpayable","inputs":[]}]`
	quoted, err := json.Marshal(abi)
	r.must(err)
	_, text := r.page("POST", "/wallet/deploycontract", `{"owner_address":"`+hexed+`","abi":`+
		string(quoted)+`,"bytecode":"`+hex.EncodeToString(counterCode)+`","name":"counter",`+
		`"fee_limit":1000000000,"consume_user_resource_percent":100,"origin_energy_limit":1}`)
	at := r.sends(text).ContractAddress
	contract, err := r.sdk.Client.GetContract(t.Context(), &api.BytesMessage{Value: at})
	r.must(err)
	if e := contract.Abi.GetEntrys(); len(e) != 1 || contract.Name != "counter" ||
		e[0].Type != core.SmartContract_ABI_Entry_Function ||
		e[0].StateMutability != core.SmartContract_ABI_Entry_Nonpayable {
		t.Errorf("deployed %v", contract)
	}
	r.says("/wallet/getcontract", `{"value":"`+hex.EncodeToString(at)+`"}`, `"name":"counter"`)
	call := `{"owner_address":"` + hexed + `","contract_address":"` + hex.EncodeToString(at) +
		`","function_selector":"add(uint256)","parameter":"07","fee_limit":100000000,` +
		`"Permission_id":0,"extra_data":"c0ffee"`
	r.says("/wallet/triggerconstantcontract", call+`}`, `"constant_result":["`)
	r.says("/wallet/estimateenergy", call+`}`, `"energy_required":`)
	var made struct{ Transaction json.RawMessage }
	_, text = r.page("POST", "/wallet/triggersmartcontract", call+`}`)
	r.must(json.Unmarshal([]byte(text), &made))
	info := r.sends(string(made.Transaction))
	if info.Receipt.Result != core.Transaction_Result_SUCCESS {
		t.Errorf("called: %v", info)
	}
	tx, err := r.sdk.GetTransactionByID(hex.EncodeToString(info.Id))
	r.must(err)
	if string(tx.RawData.Data) != "\xc0\xff\xee" || tx.RawData.FeeLimit != 100_000_000 {
		t.Errorf("its memo and limit are %v", tx.RawData)
	}
}

// sends signs what the node built, as JSON, and sends it so.
func (r *rig) sends(text string) *core.TransactionInfo {
	r.Helper()
	tx := &core.Transaction{}
	r.must(form{}.read([]byte(text), tx))
	alice.sign(tx)
	signed, err := form{}.encode(tx)
	r.must(err)
	r.says("/wallet/broadcasttransaction", string(signed), `"result":true`)
	return r.confirm(tx)
}

func FuzzAFormReadsWhatItWrites(f *testing.F) {
	tx, err := wrap(&core.TransactionRaw{RefBlockBytes: []byte{1, 2}, Expiration: 1 << 50},
		&core.TransferContract{OwnerAddress: alice.address(), ToAddress: bob.address(),
			Amount: 1 << 60}, core.Transaction_Contract_TransferContract)
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []form{{}, {visible: true}, {longs: true}} {
		text, err := kind.encode(tx)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, kind.visible, kind.longs)
	}
	f.Fuzz(func(t *testing.T, text []byte, visible, longs bool) {
		kind, tx, again := form{visible, longs}, &core.Transaction{}, &core.Transaction{}
		if kind.read(text, tx) != nil || tx.RawData == nil {
			return
		}
		out, err := kind.encode(tx)
		if err != nil {
			t.Fatal(err)
		}
		if visible {
			return // an address that is none has no text
		}
		if err := kind.read(out, again); err != nil || !proto.Equal(tx, again) {
			t.Errorf("%s\n became %v\n and then %v (%v)", out, tx, again, err)
		}
	})
}
