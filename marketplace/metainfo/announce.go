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
	top["announce"] = string(tracker.out)
	var out encoder
	out.raw("d")
	for _, key := range slices.Sorted(maps.Keys(top)) {
		out.text(key)
		out.raw(top[key])
	}
	out.raw("e")
	return out.out, nil
}
