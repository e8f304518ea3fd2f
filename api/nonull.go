package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Lists are never null here, in no answer and in the spec: one thing less to check for in every
// client. huma offers only this variable to say so.
func init() { huma.DefaultArrayNullable = false }

// noNull replaces nil lists by empty ones on their way out. Those that are left out when empty
// stay nil.
func noNull(_ huma.Context, _ string, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	in := reflect.ValueOf(v)
	if in.Kind() != reflect.Struct {
		return v, nil
	}
	out := reflect.New(in.Type()).Elem()
	out.Set(in)
	fill(out)
	return out.Interface(), nil
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f)
			}
		}
	case reflect.Slice:
		if v.IsNil() && v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		for i := range v.Len() {
			if !holdsLists(v.Type().Elem()) {
				return
			}
			fill(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem())
		}
	}
}

// holdsLists spares lists of plain things the walk.
func holdsLists(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer
}
