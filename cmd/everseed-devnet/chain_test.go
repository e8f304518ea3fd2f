package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/everseed/everseed/deploy/devchain"
)

// aChain runs `everseed-devnet chain` on free ports.
func aChain(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: "chain", bin: filepath.Join(bin, "everseed-devnet"),
		log: filepath.Join(t.TempDir(), "chain.log"),
		args: append([]string{"chain", "--dir", dir, "--listen", "127.0.0.1:0", "--control",
			"127.0.0.1:0", "--http", "127.0.0.1:0", "--block-time", "20ms"}, args...)}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// said waits for a line of the log and returns what it says under a key.
func said(t *testing.T, p *process, message, key string) (value string) {
	t.Helper()
	if err := p.until(t.Context(), "it says "+message, func() bool {
		text, err := os.ReadFile(p.log)
		if err != nil {
			return false
		}
		for line := range bytes.Lines(text) {
			var said map[string]any
			if json.Unmarshal(line, &said) == nil && said["msg"] == message {
				value, _ = said[key].(string)
			}
		}
		return value != ""
	}); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestTheChainAloneSaysWhereItIsAndObeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := aChain(t, dir, "--busy-rate", "0.5", "--seed", "7")
	url := said(t, p, "dev chain obeys", "addr")
	var f devchain.Faults
	if err := instruct(t.Context(), "GET", url+"/faults", nil, &f); err != nil {
		t.Fatal(err)
	}
	if f != (devchain.Faults{BusyRate: 0.5, Seed: 7}) {
		t.Errorf("it begins with %+v", f)
	}
	f = devchain.Faults{Stale: true}
	if err := instruct(t.Context(), "PUT", url+"/faults", f, &f); err != nil {
		t.Fatal(err)
	}
	var before, after struct {
		Head struct {
			Number int64
			ID     string
		}
		GRPC string
	}
	if err := instruct(t.Context(), "POST", url+"/mine", map[string]int{"blocks": 30},
		&before); err != nil {
		t.Fatal(err)
	}
	if at := said(t, p, "dev chain serves gRPC", "addr"); at != before.GRPC || !listens(at) {
		t.Errorf("gRPC is at %s, or at %s", at, before.GRPC)
	}
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	again := aChain(t, dir, "--stale")
	url = said(t, again, "dev chain obeys", "addr")
	if err := instruct(t.Context(), "GET", url+"/chain", nil, &after); err != nil {
		t.Fatal(err)
	}
	if after.Head != before.Head {
		t.Errorf("killed at block %+v, started at %+v", before.Head, after.Head)
	}
	err := instruct(t.Context(), "POST", url+"/reorg", map[string]int{"depth": 0}, nil)
	if err == nil || !strings.Contains(err.Error(), "depth is 0") {
		t.Errorf("a reorganisation of nothing: %v", err)
	}
}
