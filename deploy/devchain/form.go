package devchain

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/everseed/everseed/marketplace"
)

// A form is how a caller of the HTTP API wants protobufs written, and writes them itself. Names
// are the protobufs' own, enums go by name, bytes in hex, and what is zero is left out. A form
// that is visible has addresses in base58 and texts as texts.
type form struct {
	visible bool
	longs   bool // 64-bit integers as strings
}

// write returns a message as what encodes to java-tron's JSON.
func (f form) write(m proto.Message) any {
	switch m := m.(type) {
	case *core.Transaction:
		return f.transaction(m)
	case *api.BlockExtention:
		return f.block(m)
	case *api.BlockListExtention:
		return map[string]any{"block": each(m.Block, f.block)}
	case *api.TransactionInfoList: // a list, where all others are objects
		return each(m.TransactionInfo, func(i *core.TransactionInfo) any { return f.write(i) })
	case *anypb.Any:
		return f.any(m)
	default:
		return f.fields(m.ProtoReflect())
	}
}

func each[T any](all []T, write func(T) any) []any {
	out := make([]any, 0, len(all))
	for _, one := range all {
		out = append(out, write(one))
	}
	return out
}

func (f form) fields(m protoreflect.Message) map[string]any {
	out := map[string]any{}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap():
		case field.IsList():
			list := []any{}
			for i := range v.List().Len() {
				list = append(list, f.value(field, v.List().Get(i)))
			}
			out[string(field.Name())] = list
		default:
			out[string(field.Name())] = f.value(field, v)
		}
		return true
	})
	return out
}

func (f form) value(field protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return f.write(v.Message().Interface())
	case protoreflect.EnumKind:
		if named := field.Enum().Values().ByNumber(v.Enum()); named != nil {
			return string(named.Name())
		}
		return v.Enum()
	case protoreflect.BytesKind:
		return f.bytes(field, v.Bytes())
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		if f.longs {
			return strconv.FormatInt(v.Int(), 10)
		}
		return v.Int()
	default:
		return v.Interface()
	}
}

func (f form) bytes(field protoreflect.FieldDescriptor, b []byte) string {
	switch {
	case f.visible && isText(field):
		return string(b)
	case f.visible && isAddress(field):
		if a, err := marketplace.AddressFromBytes(b); err == nil {
			return a.String()
		}
	}
	return hex.EncodeToString(b)
}

// isAddress says whether a field of bytes is an account.
func isAddress(field protoreflect.FieldDescriptor) bool {
	name := string(field.Name())
	return name == "address" || strings.HasSuffix(name, "_address")
}

// isText says whether a field of bytes is for people.
func isText(field protoreflect.FieldDescriptor) bool {
	switch field.FullName() {
	case "protocol.Return.message", "protocol.TransactionInfo.resMessage",
		"protocol.Account.account_name":
		return true
	}
	return false
}

// any returns what is packed, opened.
func (f form) any(a *anypb.Any) any {
	m, err := a.UnmarshalNew()
	if err != nil {
		return map[string]any{"type_url": a.TypeUrl, "value": hex.EncodeToString(a.Value)}
	}
	return map[string]any{"type_url": a.TypeUrl, "value": f.write(m)}
}

func (f form) transaction(tx *core.Transaction) any {
	if tx.GetRawData() == nil {
		return map[string]any{}
	}
	out := f.fields(tx.ProtoReflect())
	raw, err := proto.Marshal(tx.RawData)
	must(err)
	id := txID(tx)
	out["visible"], out["txID"], out["raw_data_hex"] = f.visible, hex.EncodeToString(id[:]),
		hex.EncodeToString(raw)
	return out
}

func (f form) block(b *api.BlockExtention) any {
	if b.BlockHeader == nil {
		return map[string]any{}
	}
	out := map[string]any{"blockID": hex.EncodeToString(b.Blockid),
		"block_header": f.write(b.BlockHeader)}
	if len(b.Transactions) > 0 {
		out["transactions"] = each(b.Transactions,
			func(tx *api.TransactionExtention) any { return f.transaction(tx.Transaction) })
	}
	return out
}

// encode returns the JSON of an answer: of a protobuf or of what was made from one.
func (f form) encode(answer any) ([]byte, error) {
	if m, ok := answer.(proto.Message); ok {
		answer = f.write(m)
	}
	return json.Marshal(answer)
}
