package seederagent

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"github.com/everseed/everseed/marketplace"
)

// Config is what the owner of a machine decides. Every field is a key of the same name in
// agent.toml; a key that is not one of these is an error, so that a typo cannot lift a limit.
type Config struct {
	Market string `toml:"market" comment:"The market's address"`
	Dir    string `toml:"dir" comment:"Where torrents, cheques and the key are kept"`

	Storage    Size `toml:"storage" comment:"Disk for sale"`
	KeepFree   Size `toml:"keep_free" comment:"Never leave less than this free on the disk"`
	UploadRate Rate `toml:"upload_rate" comment:"Upload for sale"`
	LeasesMax  int  `toml:"leases_max" comment:"Most torrents held for pay at a time"`
	TorrentMax Size `toml:"torrent_max" comment:"Largest torrent taken"`

	PriceMin marketplace.Amount  `toml:"price_min" comment:"Least BTT per GiB-day, as text"`
	TermMin  marketplace.Span    `toml:"term_min" comment:"Shortest term"`
	TermMax  marketplace.Span    `toml:"term_max" comment:"Longest term"`
	Payee    marketplace.Address `toml:"payee" comment:"TRON address that is paid. Keep its key elsewhere: losing this machine then loses no money. Default: the agent's own"`
	Region   string              `toml:"region" comment:"africa, asia, europe, north-america, oceania or south-america"`

	Listen string `toml:"listen" comment:"Address for BitTorrent peers to connect to"`
	Peer   string `toml:"peer" comment:"The same as the internet sees it, ip:port. Empty: nobody can connect to this machine, as behind most home routers, and the agent connects to who asks for it through the market. The market tells it to auditors that are about to look and to agents that hold the same torrent, and publishes it nowhere"`

	UTP bool `toml:"utp" comment:"Serve over uTP besides TCP, on the same port by UDP: it makes room for whatever else your line is used for"`

	Carry Size `toml:"carry" comment:"How much of your line you lend a day (UTC) to auditors that visit other agents: BitTorrent to peers of this market, to nobody else. An agent cannot know then who visits it, so that it serves everybody, as others check yours. At least 40 MiB; '0 B' lends nothing"`

	DenyPosters    []marketplace.Address  `toml:"deny_posters" comment:"Posters never worked for"`
	DenyInfohashes []marketplace.Infohash `toml:"deny_infohashes" comment:"Torrents never held"`

	Canary      bool                  `toml:"canary" comment:"For the market's operator: be silent in the epochs that EVERSEED_CANARY_SECRET draws, so that auditors who invent are found out. Let it work for your own bounties only (only_posters)"`
	OnlyPosters []marketplace.Address `toml:"only_posters" comment:"Posters worked for, and no others; empty: all"`

	TronGRPC string `toml:"tron_grpc" comment:"TRON nodes, to check every poster's mandate on chain, the favourite first: 'host:port,grpcs://host:port?solid=50061'; empty: not checked"`
}

// DefaultConfig are sane values for a home machine; Payee, Region and Peer are the owner's.
func DefaultConfig() Config {
	return Config{
		Market: "http://localhost:8080", Dir: defaultDir(),
		Storage: 100 << 30, KeepFree: 10 << 30, UploadRate: 2_500_000, LeasesMax: 100,
		TorrentMax: 50 << 30, PriceMin: marketplace.BTT(300),
		TermMin: marketplace.Span(marketplace.Day), TermMax: marketplace.Span(90 * marketplace.Day),
		Region: "europe", Listen: "0.0.0.0:6881", UTP: true, Carry: 256 << 20,
		OnlyPosters: []marketplace.Address{},
		DenyPosters: []marketplace.Address{}, DenyInfohashes: []marketplace.Infohash{},
	}
}

func defaultDir() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" { // systemd
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "everseed-agent"
	}
	return filepath.Join(home, ".local", "share", "everseed-agent")
}

// Purse is the folder of the signed cheques.
func (c Config) Purse() string { return filepath.Join(c.Dir, "cheques") }

// ReadConfig reads a file over the defaults and checks it.
func ReadConfig(path string) (Config, error) {
	c := DefaultConfig()
	text, err := os.ReadFile(path) // #nosec G304 -- the owner names the file
	if errors.Is(err, os.ErrNotExist) {
		return c, marketplace.NotFound.Errorf("there is no %s; make one with `everseed-agent init`", path)
	}
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	if err := withUnits(text); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	err = toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&c)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		return c, marketplace.Invalid.Errorf("%s has keys that mean nothing:\n%s", path,
			unknown.String())
	case errors.As(err, &wrong):
		return c, marketplace.Invalid.Errorf("%s:\n%s", path, wrong.String())
	case err != nil:
		return c, marketplace.Invalid.Errorf("%s: %v", path, err)
	}
	return c, c.Check()
}

// withUnits refuses bare numbers where a text with a unit belongs: storage = 200 would be read
// as 200 bytes.
func withUnits(text []byte) error {
	var raw map[string]any
	if err := toml.Unmarshal(text, &raw); err != nil {
		return nil // the strict decoder says what is wrong, and where
	}
	for f := range reflect.TypeFor[Config]().Fields() {
		key := f.Tag.Get("toml")
		_, isText := reflect.New(f.Type).Interface().(encoding.TextUnmarshaler)
		if value, given := raw[key]; given && isText {
			if _, ok := value.(string); !ok {
				return marketplace.Invalid.Errorf("%s is %v; it must be text in quotes, with its unit", key,
					value)
			}
		}
	}
	return nil
}

// Write stores the configuration with a comment above each key. It never overwrites a file.
func (c Config) Write(path string) error {
	text, err := toml.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make configuration folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304
	if errors.Is(err, os.ErrExist) {
		return marketplace.Conflict.Errorf("%s is there already; edit it, or name another", path)
	}
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// Check says what of the configuration cannot work. What the market's rules say of an offer is
// checked by [marketplace.OfferTerms.Check] when the rules are known.
func (c Config) Check() error {
	var errs []error
	if u, err := url.Parse(c.Market); err != nil || u.Host == "" {
		errs = append(errs, marketplace.Invalid.Errorf(
			"market is %q; it must be an address like https://market.example", c.Market))
	}
	if _, err := netip.ParseAddrPort(c.Listen); err != nil {
		errs = append(errs, marketplace.Invalid.Errorf(
			"listen is %q; it must be ip:port like 0.0.0.0:6881", c.Listen))
	}
	if c.Carry != 0 && c.Carry < carryBytes {
		errs = append(errs, marketplace.Invalid.Errorf(
			"carry is %s a day; one visit may take %s, and 0 B lends nothing", c.Carry, Size(carryBytes)))
	}
	if c.Dir == "" {
		errs = append(errs, marketplace.Invalid.Errorf("dir is empty"))
	}
	return errors.Join(errs...)
}

// Offer returns what the configuration sells, for an agent with the given address.
func (c Config) Offer(self marketplace.Address, held []marketplace.Infohash) marketplace.OfferTerms {
	t := marketplace.OfferTerms{
		Storage: int64(c.Storage), UploadRate: int64(c.UploadRate), LeasesMax: c.LeasesMax,
		PriceMin: c.PriceMin, TermMin: c.TermMin, TermMax: c.TermMax,
		TorrentMax: int64(c.TorrentMax), Region: c.Region, Peer: c.Peer, Carry: c.Carry > 0, Payee: c.Payee,
		DenyPoster: c.DenyPosters, DenyHash: c.DenyInfohashes, Held: held,
	}
	if t.Payee.IsZero() {
		t.Payee = self
	}
	return t
}

// Refuse returns why a lease is outside the owner's limits, or nil. used are the bytes that other
// live leases hold, free is what the disk has left.
func (c Config) Refuse(l marketplace.Lease, rules marketplace.Rules, used, free int64) error {
	no := marketplace.Invalid.Errorf
	switch {
	case l.Price.Cmp(c.PriceMin) < 0:
		return no("price %s BTT is below my %s", l.Price, c.PriceMin)
	case l.Size > int64(c.TorrentMax):
		return no("torrent of %s is larger than my %s", Size(l.Size), c.TorrentMax)
	case l.KeepFor < c.TermMin || l.KeepFor > c.TermMax:
		return no("term %s is outside my %s to %s", l.KeepFor, c.TermMin, c.TermMax)
	case used+l.Size > int64(c.Storage):
		return no("%s more would pass my quota of %s", Size(l.Size), c.Storage)
	case free-l.Size < int64(c.KeepFree):
		return no("%s more would leave less than %s of the disk free", Size(l.Size), c.KeepFree)
	case l.Billed != rules.Billed(l.Size):
		return no("billed for %d bytes; the rules say %d", l.Billed, rules.Billed(l.Size))
	}
	for _, p := range c.DenyPosters {
		pays := func(f marketplace.Funder) bool { return f.Poster == p }
		if p == l.Poster || slices.ContainsFunc(l.Funders, pays) {
			return no("poster %s is on my deny list", p)
		}
	}
	if len(c.OnlyPosters) > 0 && !slices.Contains(c.OnlyPosters, l.Poster) {
		return no("poster %s is not among those that I work for", l.Poster)
	}
	for _, h := range c.DenyInfohashes {
		if h == l.Infohash {
			return no("torrent %s is on my deny list", h)
		}
	}
	return nil
}
