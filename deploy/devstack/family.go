package devstack

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// killFamily is a power cut: kill -9 of a process and of its children, and it waits until the
// children are gone. Postgres's own are in groups of their own, so killing a group is not enough:
// those that are busy go on writing and keep the next start out.
func killFamily(parent int) error {
	if err := syscall.Kill(parent, syscall.SIGSTOP); err != nil { // or it would start new ones
		return err
	}
	family, err := children(parent)
	if err != nil {
		return err
	}
	for _, pid := range append(family, parent) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			return err
		}
	}
	return gone(family, 10*time.Second)
}

// children lists the processes that have the parent, leaving out those that ended already.
func children(parent int) (found []int, err error) {
	out, err := processes()
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		var pid, ppid int
		var state string
		if n, _ := fmt.Sscan(line, &pid, &ppid, &state); n == 3 && ppid == parent && state[0] != 'Z' {
			found = append(found, pid)
		}
	}
	return found, nil
}

// gone waits until none of the processes runs.
func gone(pids []int, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for _, pid := range pids {
		for runsStill(pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d does not end", pid)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

// runsStill takes a process that ended but was not collected for gone: whoever inherited it may
// never look.
func runsStill(pid int) bool {
	if _, _, state, err := status(pid); err == nil {
		return state != "Z" && state != "X"
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		return false
	}
	return syscall.Kill(pid, 0) == nil
}

// processes lists every process as lines of id, parent's id and state: from /proc, which needs no
// package, else from ps.
func processes() (string, error) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,state=").Output()
		return string(out), err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, e := range entries {
		var number int
		if n, _ := fmt.Sscan(e.Name(), &number); n != 1 {
			continue
		}
		if pid, ppid, state, err := status(number); err == nil {
			fmt.Fprintln(&out, pid, ppid, state)
		}
	}
	return out.String(), nil
}

// status reads /proc/N/stat, where a name in parentheses, with anything in it, comes second.
func status(pid int) (id, parent int, state string, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, "", err
	}
	_, err = fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &parent)
	return pid, parent, state, err
}
