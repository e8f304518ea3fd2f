package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
}

// Postgres is a running server that only this machine's Unix socket reaches.
type Postgres struct {
	opts   PostgresOptions
	socket string
	cmd    *exec.Cmd
	done   chan struct{}
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
	if o.Cache == "" {
		o.Cache = cacheDir()
	}
	if o.Bin == "" {
		var err error
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

// prepare makes the data and socket folders and initialises the data folder once.
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
	if cred != nil {
		for _, dir := range []string{p.opts.Dir, p.socket} {
			if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
				return fmt.Errorf("give data folder to Postgres: %w", err)
			}
		}
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

func (p *Postgres) init(ctx context.Context, cred *syscall.Credential) error {
	initdb := exec.CommandContext(ctx, filepath.Join(p.opts.Bin, "initdb"), // #nosec G204
		"-D", p.opts.Dir, "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
		"--no-instructions")
	initdb.Dir = p.socket
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", p.opts.Dir, err, out)
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
	cred, err := dropTo()
	if err != nil {
		return err
	}
	args := []string{"-D", p.opts.Dir, "-k", p.socket, "-c", "listen_addresses=",
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "log_min_messages=fatal"}
	if !p.opts.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off",
			"-c", "full_page_writes=off")
	}
	log, err := os.OpenFile(p.opts.Dir+".log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open Postgres's log: %w", err)
	}
	defer log.Close()
	p.cmd = exec.Command(filepath.Join(p.opts.Bin, "postgres"), args...) // #nosec G204
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.socket, log, log
	p.cmd.SysProcAttr = dieWithParent(cred)
	if err := startTied(p.cmd); err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}(p.cmd, p.done)
	return p.await(ctx)
}

// startTied starts a child from a thread that lives as long as this process: the kernel's
// parent-death signal counts the death of the thread.
func startTied(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			select {}
		}
	}()
	return <-started
}

// await polls until a connection is answered.
func (p *Postgres) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, p.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.done:
			return fmt.Errorf("postgres ended at once; see %s.log", p.opts.Dir)
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
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

func (p *Postgres) end(s syscall.Signal) error {
	target := p.cmd.Process.Pid
	if s == syscall.SIGKILL {
		target = -target // its whole group
	}
	if err := syscall.Kill(target, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end Postgres: %w", err)
	}
	<-p.done
	return nil
}
