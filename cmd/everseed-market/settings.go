package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// settings are the environment of a market. Each field's doc is a line of --help.
type settings struct {
	DatabaseURL string `env:"DATABASE_URL" doc:"Postgres, like postgres://user:password@host/everseed (needed)"`
	NATSURL     string `env:"NATS_URL" doc:"NATS, like nats://host:4222; without it processes find news by asking"`
	TronGRPC    string `env:"TRON_GRPC" doc:"TRON nodes, the favourite first: host:port,grpcs://host:port?solid=50061 (needed)"`
	TronAPIKey  string `env:"TRON_PRO_API_KEY" doc:"key of public nodes; sent to those with grpcs:// only"`
	Token       string `env:"EVERSEED_TOKEN" doc:"BTT contract, T… (needed)"`
	Vault       string `env:"EVERSEED_VAULT" doc:"vault contract, T… (needed)"`
	First       int64  `env:"EVERSEED_FIRST_BLOCK" doc:"block of the vault's deployment: where to begin reading the chain"`
	TRXInBTT    string `env:"EVERSEED_TRX_IN_BTT" doc:"worth of one TRX in BTT, to redeem when the fee is small; default: by age only"`
	FeeLimit    int64  `env:"EVERSEED_FEE_LIMIT_TRX" envDefault:"300" doc:"TRX that one transaction may burn at most"`
	Key         string `env:"EVERSEED_MARKET_KEY" doc:"private key that sends redemptions and gets the fee (this, or the next, is needed)"`
	KeyFile     string `env:"EVERSEED_MARKET_KEY_FILE" doc:"file with that key, bare or encrypted"`
	Passphrase  string `env:"EVERSEED_PASSPHRASE" doc:"opens an encrypted key file"`
	PassFile    string `env:"EVERSEED_PASSPHRASE_FILE" doc:"file with that passphrase"`
	Auditors    string `env:"EVERSEED_AUDITORS" doc:"auditors that sign cheques, comma-separated; others register and are admitted (needed)"`
	Secret      string `env:"EVERSEED_CANARY_SECRET" doc:"64 hex digits, shared with agents of your own that are silent at times to find auditors who invent; default: none"`
	Canaries    string `env:"EVERSEED_CANARIES" doc:"addresses of these agents, comma-separated"`
	Quorum      int    `env:"EVERSEED_QUORUM" envDefault:"2" doc:"signatures that a cheque needs"`
	Roles       string `env:"EVERSEED_ROLES" envDefault:"api,matcher,settlement,feed" doc:"what this process does"`
	Rules       string `env:"EVERSEED_RULES" envDefault:"default" doc:"default, or devnet for epochs of seconds"`
	Listen      string `env:"EVERSEED_LISTEN" envDefault:"127.0.0.1:8080" doc:"address of API and dashboard"`
	Domain      string `env:"EVERSEED_DOMAIN" doc:"host that browsers see, for signing in; default: listen"`

	rules    marketplace.Rules
	key      escrow.Key
	token    marketplace.Address
	vault    marketplace.Address
	auditors []marketplace.Address
	canaries marketplace.Canaries
	trx      marketplace.Amount
}

var roles = []string{"api", "matcher", "settlement", "feed"}

// help lists the settings.
func help() string {
	var out strings.Builder
	for f := range reflect.TypeFor[settings]().Fields() {
		name := f.Tag.Get("env")
		if name == "" {
			continue
		}
		line := f.Tag.Get("doc")
		if d := f.Tag.Get("envDefault"); d != "" {
			line += " (default " + d + ")"
		}
		fmt.Fprintf(&out, "  %-24s %s\n", name, line)
	}
	return out.String()
}

func databaseURL(getenv func(string) string) (string, error) {
	url := getenv("DATABASE_URL")
	if url == "" {
		return "", marketplace.Invalid.Errorf("DATABASE_URL is not set; it names the market's Postgres")
	}
	return url, nil
}

// readSettings reads the environment. What is missing is named all at once.
func readSettings(getenv func(string) string) (c settings, err error) {
	environment := map[string]string{}
	var missing []string
	for f := range reflect.TypeFor[settings]().Fields() {
		name := f.Tag.Get("env")
		if name == "" {
			continue
		}
		if value := getenv(name); value != "" {
			environment[name] = value
		} else if strings.Contains(f.Tag.Get("doc"), "(needed)") {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return c, marketplace.Invalid.Errorf("not set: %s. everseed-market settles real money and has no"+
			" built-in chain or database; to try the whole market on this machine run `everseed-devnet`",
			strings.Join(missing, ", "))
	}
	if err := env.ParseWithOptions(&c, env.Options{Environment: environment}); err != nil {
		return c, marketplace.Invalid.Errorf("environment: %v", err)
	}
	c.key, err = terminal.Key(getenv, "EVERSEED_MARKET_KEY", c.KeyFile,
		"everseed wallet new --key FILE` and set EVERSEED_MARKET_KEY_FILE to `FILE")
	c.Key, c.Passphrase = "", "" // kept nowhere else
	return c, errors.Join(err, c.parse())
}

func (c *settings) parse() error {
	var errs []error
	address := func(name, text string) marketplace.Address {
		a, err := marketplace.ParseAddress(text)
		if err != nil {
			errs = append(errs, marketplace.Invalid.Errorf("%s: %v", name, err))
		}
		return a
	}
	c.token, c.vault = address("EVERSEED_TOKEN", c.Token), address("EVERSEED_VAULT", c.Vault)
	for _, text := range strings.Split(c.Auditors, ",") {
		c.auditors = append(c.auditors, address("EVERSEED_AUDITORS", strings.TrimSpace(text)))
	}
	if c.Secret != "" {
		var err error
		if c.canaries.Secret, err = marketplace.ParseHash(c.Secret); err != nil {
			errs = append(errs, marketplace.Invalid.Errorf("EVERSEED_CANARY_SECRET is not 64 hex digits"))
		}
		for _, text := range strings.FieldsFunc(c.Canaries, func(r rune) bool { return r == ',' }) {
			c.canaries.Agents = append(c.canaries.Agents, address("EVERSEED_CANARIES",
				strings.TrimSpace(text)))
		}
		c.Secret = "" // kept nowhere else
	}
	if c.Quorum < 1 || c.Quorum > len(c.auditors) {
		errs = append(errs, marketplace.Invalid.Errorf("EVERSEED_QUORUM is %d of %d auditors", c.Quorum,
			len(c.auditors)))
	}
	if c.FeeLimit < 1 || c.FeeLimit > 15_000 {
		errs = append(errs, marketplace.Invalid.Errorf("EVERSEED_FEE_LIMIT_TRX is %d; TRON takes 1 to"+
			" 15000", c.FeeLimit))
	}
	var err error
	if c.TRXInBTT != "" {
		if c.trx, err = marketplace.ParseAmount(c.TRXInBTT); err != nil {
			errs = append(errs, marketplace.Invalid.Errorf("EVERSEED_TRX_IN_BTT: %v", err))
		}
	}
	switch c.Rules {
	case "default":
		c.rules = marketplace.DefaultRules()
	case "devnet":
		c.rules = marketplace.DevnetRules()
	default:
		errs = append(errs, marketplace.Invalid.Errorf("EVERSEED_RULES is %q; default or devnet", c.Rules))
	}
	for _, role := range strings.Split(c.Roles, ",") {
		if !slices.Contains(roles, role) {
			errs = append(errs, marketplace.Invalid.Errorf("EVERSEED_ROLES has %q; known are %s", role,
				strings.Join(roles, ", ")))
		}
	}
	if c.Domain == "" {
		c.Domain = c.Listen
	}
	return errors.Join(errs...)
}

// plays says whether this process has a role.
func (c settings) plays(role string) bool {
	return slices.Contains(strings.Split(c.Roles, ","), role)
}
