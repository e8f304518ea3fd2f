package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A process is one of our own programs, run as the operating system runs it: it can be killed
// with -9 and started again with the same folder.
type process struct {
	name string
	bin  string
	args []string
	env  []string
	log  string

	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done is closed
}

// start runs the process; its output goes to the end of its log.
func (p *process) start() error {
	out, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", p.name, err)
	}
	defer out.Close()                      // the child has its own descriptor
	p.cmd = exec.Command(p.bin, p.args...) // #nosec G204 -- our own programs
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.done = done
	go func(cmd *exec.Cmd) {
		p.err = cmd.Wait()
		close(done)
	}(p.cmd)
	return nil
}

// kill ends the process as a power cut would.
func (p *process) kill() error { return p.signal(syscall.SIGKILL) }

// stop asks the process to end and insists after ten seconds.
func (p *process) stop() error { return p.signal(syscall.SIGTERM) }

func (p *process) signal(s syscall.Signal) error {
	if p.done == nil || p.ended() {
		return nil
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("kill %s: %w", p.name, err)
		}
		<-p.done
	}
	return nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// until waits for a condition of a running process. It gives up at once when the process ends.
func (p *process) until(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %s: %w\n%s", p.name, what, ctx.Err(), p.tail())
		case <-p.done:
			return fmt.Errorf("%s ended while we waited for: %s (%v)\n%s", p.name, what, p.err, p.tail())
		case <-tick.C:
		}
	}
	return nil
}

// tail returns the last lines of the log, for an error message.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "last of " + filepath.Base(p.log) + ":\n  " +
		strings.Join(lines[max(0, len(lines)-12):], "\n  ")
}
