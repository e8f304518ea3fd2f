package devchain

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"

	"github.com/everseed/everseed/marketplace"
)

// What the HTTP API says in another way than the gRPC service: calls by function_selector and
// parameter, constructors with an ABI, and transactions with their id beside them.

func (w *wallet) blockByID(_ context.Context, id *api.BytesMessage) (*api.BlockExtention, error) {
	return w.view().byID(id.Value), nil
}

// aBlock is the page of a block by number, by id or the newest; its transactions are told only
// when details are asked for.
func aBlock(
	v view, now func(context.Context, *api.EmptyMessage) (*api.BlockExtention, error),
) page {
	return func(ctx context.Context, q query) (any, error) {
		b, err := now(ctx, nil)
		if which := q.str("id_or_num"); which != "" {
			if n, bad := strconv.ParseInt(which, 10, 64); bad == nil {
				b = v.block(n)
			} else {
				var id []byte
				id, err = unhex(which)
				b = v.byID(id)
			}
		}
		if err != nil {
			return nil, err
		}
		if !q.is("detail") {
			b.Transactions = nil
		}
		return b, nil
	}
}

// ofContract is the page of a call whose value is an address.
func ofContract[Out proto.Message](
	do func(context.Context, *api.BytesMessage) (Out, error),
) page {
	return func(ctx context.Context, q query) (any, error) {
		at, err := q.readAddress(q.str("value"))
		if err != nil {
			return nil, err
		}
		return do(ctx, &api.BytesMessage{Value: at})
	}
}

func validateAddress(_ context.Context, q query) (any, error) {
	text, kind := q.str("address"), "Base58check format"
	_, err := marketplace.ParseAddress(text)
	if raw, bad := unhex(text); bad == nil {
		kind = "Hex string format"
		if _, ok := evmAddress(raw); !ok {
			err = errors.New("not a TRON address")
		} else {
			err = nil
		}
	}
	if err != nil {
		return map[string]any{"result": false, "message": "Invalid address"}, nil
	}
	return map[string]any{"result": true, "message": kind}, nil
}

// finish gives an offered transaction what the query says of it: fee limit, permission, memo.
func (q query) finish(tx *core.Transaction) error {
	limit, err := q.long("fee_limit")
	if err != nil {
		return err
	}
	permission, err := q.long("Permission_id")
	if err != nil {
		return err
	}
	memo, err := unhex(q.str("extra_data"))
	if err != nil {
		return err
	}
	if q.visible {
		memo = []byte(q.str("extra_data"))
	}
	if permission < 0 || permission > 9 {
		return fmt.Errorf("permission id is %d, and goes from 0 to 9", permission)
	}
	tx.RawData.FeeLimit, tx.RawData.Data = limit, memo
	tx.RawData.Contract[0].PermissionId = int32(permission)
	return nil
}

// build is the page of a transaction that is offered alone.
func build[In any, P interface {
	*In
	proto.Message
}](do func(context.Context, P) (*api.TransactionExtention, error)) page {
	return func(ctx context.Context, q query) (any, error) {
		in := P(new(In))
		if err := q.read(q.text, in); err != nil {
			return nil, err
		}
		return q.offered(do(ctx, in))
	}
}

// offered returns the transaction alone, or why there is none.
func (q query) offered(out *api.TransactionExtention, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if out.Transaction == nil {
		return nil, errors.New(string(out.Result.Message))
	}
	return out.Transaction, q.finish(out.Transaction)
}

// trigger is the page of a call of a contract.
func trigger[Out proto.Message](
	do func(context.Context, *core.TriggerSmartContract) (Out, error),
) page {
	return func(ctx context.Context, q query) (any, error) {
		in := &core.TriggerSmartContract{}
		if err := q.read(q.text, in); err != nil {
			return nil, err
		}
		if selector := q.str("function_selector"); selector != "" {
			args, err := unhex(q.str("parameter"))
			if err != nil {
				return nil, err
			}
			in.Data = append(crypto.Keccak256([]byte(selector))[:4], args...)
		}
		out, err := do(ctx, in)
		if err != nil {
			return nil, err
		}
		if made, ok := any(out).(*api.TransactionExtention); ok {
			made.Txid = nil // it stands in the transaction
			if made.Transaction != nil {
				return out, q.finish(made.Transaction)
			}
		}
		return out, nil
	}
}

// deploy is the page of a deployment.
func deploy(
	do func(context.Context, *core.CreateSmartContract) (*api.TransactionExtention, error),
) page {
	return func(ctx context.Context, q query) (any, error) {
		in := &core.CreateSmartContract{NewContract: &core.SmartContract{}}
		abi, err := q.takeABI()
		if err != nil {
			return nil, err
		}
		if err := errors.Join(q.read(q.text, in), q.read(q.text, in.NewContract)); err != nil {
			return nil, err
		}
		in.NewContract.Abi = abi
		args, err := unhex(q.str("parameter"))
		if err != nil {
			return nil, err
		}
		in.NewContract.OriginAddress = in.OwnerAddress
		in.NewContract.Bytecode = append(in.NewContract.Bytecode, args...)
		return q.offered(do(ctx, in))
	}
}

// takeABI reads the ABI, a list of its own in a string, and takes it out of the query.
func (q *query) takeABI() (*core.SmartContract_ABI, error) {
	abi := &core.SmartContract_ABI{}
	if text := q.str("abi"); text != "" {
		if err := q.read([]byte(`{"entrys":`+text+`}`), abi); err != nil {
			return nil, fmt.Errorf("abi: %w", err)
		}
	}
	delete(q.in, "abi")
	text, err := json.Marshal(q.in)
	q.text = text
	return abi, err
}

// broadcastJSON is the page of a signed transaction. Like java-tron it reads raw_data, and
// believes neither txID nor raw_data_hex.
func (w *wallet) broadcastJSON(ctx context.Context, q query) (any, error) {
	tx := &core.Transaction{}
	if err := q.read(q.text, tx); err != nil {
		return nil, err
	}
	return w.broadcasts(ctx, q, tx)
}

// broadcastHex is the page of a signed transaction as it is on the wire.
func (w *wallet) broadcastHex(ctx context.Context, q query) (any, error) {
	raw, err := unhex(q.str("transaction"))
	if err != nil {
		return nil, err
	}
	tx := &core.Transaction{}
	if err := proto.Unmarshal(raw, tx); err != nil {
		return nil, fmt.Errorf("read transaction: %w", err)
	}
	out, err := w.broadcasts(ctx, q, tx)
	if err != nil {
		return nil, err
	}
	text, err := q.encode(tx)
	out["transaction"] = string(text)
	return out, err
}

func (w *wallet) broadcasts(
	ctx context.Context, q query, tx *core.Transaction,
) (map[string]any, error) {
	said, err := w.BroadcastTransaction(ctx, tx)
	if err != nil {
		return nil, err
	}
	id, out := txID(tx), q.fields(said.ProtoReflect())
	out["txid"] = hex.EncodeToString(id[:])
	return out, nil
}
