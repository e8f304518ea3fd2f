package devstack

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// A guard is a small process that outlives ours by a moment: when ours is gone, even by kill -9,
// the pipe between them closes, and it ends the Postgres of a data folder. The kernel's own
// parent-death signal would follow a thread and not the process, and exists on Linux only.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// guardScript reads its orders line by line: the number of the process to end when the orders stop
// coming (0 for none), or that it is dismissed. $1 is a folder to remove after that, or nothing.
// It waits for Postgres no longer than 20 s.
const guardScript = `trap '' HUP INT TERM
pid=0
while read -r order; do
	case $order in
	dismissed) exit ;;
	*) pid=$order ;;
	esac
done
if [ "$pid" != 0 ] && kill -QUIT "$pid" 2>/dev/null; then
	for tenth in $(seq 200); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
fi
[ -z "$1" ] || rm -rf "$1"
`

// postGuard starts a guard; when it acts, it removes the folder too, unless that is "".
func postGuard(remove string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", remove) // #nosec G204
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not meant for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the guard's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard of Postgres: %w", err)
	}
	return &guard{cmd: cmd, pipe: pipe}, nil
}

// order names the process to end; 0 for none.
func (g *guard) order(pid int) error {
	if _, err := fmt.Fprintln(g.pipe, pid); err != nil {
		return fmt.Errorf("tell the guard of Postgres: %w", err)
	}
	return nil
}

// dismiss ends the guard and leaves everything as it is.
func (g *guard) dismiss() error {
	if _, err := io.WriteString(g.pipe, "dismissed\n"); err != nil {
		return fmt.Errorf("dismiss the guard of Postgres: %w", err)
	}
	return g.cmd.Wait()
}
