package swarm

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/everseed/everseed/deploy/devstack/line"
)

// overUTP has libtorrent speak nothing but uTP.
const overUTP = `'enable_incoming_tcp': False, 'enable_outgoing_tcp': False, `

// libtorrent runs a torrent in dir with the Python that Debian's python3-libtorrent is for, with
// settings of its own. It connects to a peer, if one is named, and returns where it listens.
func libtorrent(t *testing.T, dir string, raw []byte, settings string, peer netip.AddrPort) netip.AddrPort {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import libtorrent").Run() != nil {
		t.Skip("NO INTEROP TESTED: python3-libtorrent is not installed")
	}
	file := filepath.Join(t.TempDir(), "t.torrent")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", peerScript, file, dir, settings, peer.Addr().String(),
		fmt.Sprint(peer.Port()))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill() // gone already, mostly
		_ = cmd.Wait()
	})
	text, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(fmt.Sprint("127.0.0.1:", strings.TrimSpace(text)))
}

const peerScript = `
import sys, time, libtorrent as lt
s = lt.session({'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False, 'allow_multiple_connections_per_ip': True,
    **eval(sys.argv[3])})
h = s.add_torrent({'ti': lt.torrent_info(sys.argv[1]), 'save_path': sys.argv[2]})
if sys.argv[5] != '0': h.connect_peer((sys.argv[4], int(sys.argv[5])))
else:
    while not h.status().is_seeding: time.sleep(0.02)
print(s.listen_port(), flush=True)
sys.stdin.read()
`

func TestLibtorrentAndAnEngineServeEachOtherOverUTP(t *testing.T) {
	t.Parallel()
	for name, encryption := range map[string]string{
		"plainly":   `'in_enc_policy': 2, 'out_enc_policy': 2`,
		"encrypted": `'in_enc_policy': 0, 'out_enc_policy': 0, 'allowed_enc_level': 2`,
	} {
		settings := "{" + overUTP + encryption + "}"
		t.Run("libtorrent downloads "+name, func(t *testing.T) {
			t.Parallel()
			parent, raw := content(t, 64<<10, 4_000_000, 300_000, 5)
			source, dir := seeder(t, parent, raw), t.TempDir()
			want := digest(t, filepath.Join(parent, "things"))
			libtorrent(t, dir, raw, settings, source.Addr())
			eventually(t, "libtorrent has everything", func() bool {
				_, err := os.Stat(filepath.Join(dir, "things"))
				return err == nil && digest(t, filepath.Join(dir, "things")) == want
			})
		})
		t.Run("the engine downloads "+name, func(t *testing.T) {
			t.Parallel()
			parent, raw := content(t, 64<<10, 4_000_000, 300_000, 5)
			peer := libtorrent(t, parent, raw, settings, netip.AddrPort{})
			e := open1(t, config(t.TempDir()))
			h := parse(t, raw).Infohash
			between := &line.Line{Queue: 4096} // libtorrent still listens for TCP, and hangs up there
			if err := e.Add(h, raw, []netip.AddrPort{between.Open(t, peer)}); err != nil {
				t.Fatal(err)
			}
			wait(t, e, h)
			same(t, parent, e.dataOf(h))
		})
	}
}
