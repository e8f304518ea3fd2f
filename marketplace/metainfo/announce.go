package metainfo

import (
	"maps"
	"slices"
)

// WithTracker returns a .torrent that announces to one tracker only. Its infohash is the same:
// trackers are not part of it.
func WithTracker(raw []byte, announce string) ([]byte, error) {
	if _, err := Parse(raw, DefaultLimits()); err != nil {
		return nil, err
	}
	top := map[string]string{}
	for key, v := range value(raw).entries() {
		top[string(key)] = string(v)
	}
	delete(top, "announce-list")
	var tracker encoder
	tracker.text(announce)
	top["announce"] = tracker.String()
	var out encoder
	out.WriteString("d")
	for _, key := range slices.Sorted(maps.Keys(top)) {
		out.text(key)
		out.WriteString(top[key])
	}
	out.WriteString("e")
	return []byte(out.String()), nil
}
