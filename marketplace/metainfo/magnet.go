package metainfo

import (
	"encoding/base32"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// A Magnet is what a magnet link says: enough to name a torrent, not enough to check its content.
type Magnet struct {
	Infohash marketplace.Infohash
	Name     string
	Trackers []string
}

// magnetBytesMax bounds a link; browsers stop far below.
const magnetBytesMax = 16 << 10

// ParseMagnet reads a magnet link with a v1 infohash (hex or base32) or a v2 one. A hybrid, which
// has both, is named by its v1 infohash; a v2 infohash is cut to its first 20 bytes.
func ParseMagnet(link string, limits Limits) (Magnet, error) {
	if len(link) > magnetBytesMax {
		return Magnet{}, marketplace.Invalid.Errorf("magnet link has %d bytes; at most %d", len(link),
			magnetBytesMax)
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "magnet" {
		return Magnet{}, marketplace.Invalid.Errorf("%.60q is not a magnet link", link)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Magnet{}, marketplace.Invalid.Errorf("magnet link: %v", err)
	}
	m := Magnet{Name: query.Get("dn")}
	for _, topic := range query["xt"] {
		if text, ok := strings.CutPrefix(topic, "urn:btih:"); ok {
			if m.Infohash, err = infohash(text); err != nil {
				break
			}
		}
		text, ok := strings.CutPrefix(topic, "urn:btmh:1220") // a multihash: SHA-256, 32 bytes
		if whole, notHex := marketplace.ParseHash(text); ok && notHex == nil && m.Infohash.IsZero() {
			copy(m.Infohash[:], whole[:])
		}
	}
	if err != nil || m.Infohash.IsZero() {
		return Magnet{}, marketplace.Invalid.Errorf(
			"magnet link has no infohash (xt=urn:btih:… or xt=urn:btmh:1220…)")
	}
	for _, tracker := range query["tr"] {
		if len(m.Trackers) < limits.Trackers && !slices.Contains(m.Trackers, tracker) {
			m.Trackers = append(m.Trackers, tracker)
		}
	}
	return m, nil
}

func infohash(text string) (h marketplace.Infohash, err error) {
	if len(text) == 32 {
		raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(text))
		if err != nil {
			return h, err
		}
		text = hex.EncodeToString(raw)
	}
	return marketplace.ParseInfohash(text)
}
