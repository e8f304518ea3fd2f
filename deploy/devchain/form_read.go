package devchain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/everseed/everseed/marketplace"
)

// An object is a JSON object that is not read further yet.
type object map[string]json.RawMessage

// read fills a message from JSON. Names that the message does not have are passed over, as
// java-tron does.
func (f form) read(text []byte, m proto.Message) error {
	if packed, ok := m.(*anypb.Any); ok {
		return f.readAny(text, packed)
	}
	var in object
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	into := m.ProtoReflect()
	for name, value := range in {
		field := into.Descriptor().Fields().ByName(protoreflect.Name(name))
		if field == nil || field.IsMap() || string(value) == "null" {
			continue
		}
		if err := f.readField(value, into, field); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (f form) readField(
	text []byte, into protoreflect.Message, field protoreflect.FieldDescriptor,
) error {
	if !field.IsList() {
		v := into.NewField(field)
		if err := f.readValue(text, field, &v); err != nil {
			return err
		}
		into.Set(field, v)
		return nil
	}
	var all []json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	list := into.NewField(field).List()
	for _, one := range all {
		v := list.NewElement()
		if err := f.readValue(one, field, &v); err != nil {
			return err
		}
		list.Append(v)
	}
	into.Set(field, protoreflect.ValueOfList(list))
	return nil
}

// readValue reads one value. A message is filled where it is.
func (f form) readValue(
	text []byte, field protoreflect.FieldDescriptor, v *protoreflect.Value,
) (err error) {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return f.read(text, v.Message().Interface())
	case protoreflect.EnumKind:
		*v, err = readEnum(text, field.Enum())
	case protoreflect.BytesKind:
		var b []byte
		b, err = f.readBytes(text, field)
		*v = protoreflect.ValueOfBytes(b)
	case protoreflect.StringKind:
		var s string
		err = json.Unmarshal(text, &s)
		*v = protoreflect.ValueOfString(s)
	case protoreflect.BoolKind:
		var b bool
		b, err = strconv.ParseBool(string(bytes.Trim(text, `"`)))
		*v = protoreflect.ValueOfBool(b)
	case protoreflect.Int32Kind:
		var n int64
		n, err = strconv.ParseInt(string(bytes.Trim(text, `"`)), 10, 32)
		*v = protoreflect.ValueOfInt32(int32(n)) // #nosec G109 -- parsed as 32 bits
	case protoreflect.Int64Kind:
		var n int64
		n, err = strconv.ParseInt(string(bytes.Trim(text, `"`)), 10, 64)
		*v = protoreflect.ValueOfInt64(n)
	default:
		return fmt.Errorf("the dev chain does not read a %s", field.Kind())
	}
	return err
}

func (f form) readBytes(text []byte, field protoreflect.FieldDescriptor) ([]byte, error) {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	switch {
	case f.visible && isText(field):
		return []byte(s), nil
	case isAddress(field):
		return f.readAddress(s)
	default:
		return unhex(s)
	}
}

// readAddress reads an account in base58 when the form is visible, else in hex.
func (f form) readAddress(s string) ([]byte, error) {
	if !f.visible || s == "" {
		return unhex(s)
	}
	a, err := marketplace.ParseAddress(s)
	if err != nil {
		return nil, err
	}
	return a.Tron(), nil
}

func unhex(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		return nil, fmt.Errorf("read hex: %w", err)
	}
	return b, nil
}

// readEnum reads a name, which may begin small as in an ABI, or a number.
func readEnum(text []byte, enum protoreflect.EnumDescriptor) (v protoreflect.Value, err error) {
	name := string(bytes.Trim(text, `"`))
	if n, err := strconv.ParseInt(name, 10, 32); err == nil {
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n)), nil // #nosec G109 -- 32 bits
	}
	if name == "" {
		return v, errors.New("the name of an enum is missing")
	}
	for _, name := range []string{name, strings.ToUpper(name[:1]) + name[1:]} {
		if named := enum.Values().ByName(protoreflect.Name(name)); named != nil {
			return protoreflect.ValueOfEnum(named.Number()), nil
		}
	}
	return v, fmt.Errorf("%s has no %.40q", enum.Name(), name)
}

// readAny reads what is packed, and packs it.
func (f form) readAny(text []byte, into *anypb.Any) error {
	var in struct {
		URL   string          `json:"type_url"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByURL(in.URL)
	if err != nil {
		return fmt.Errorf("type_url %.80q: %w", in.URL, err)
	}
	m := kind.New().Interface()
	if err := f.read(in.Value, m); err != nil {
		return err
	}
	into.TypeUrl = in.URL
	into.Value, err = proto.Marshal(m)
	return err
}
