package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// programsDir is the folder of the five programs.
var programsDir string

// programs builds the five programs, once, and says where.
var programs = sync.OnceValues(func() (string, error) {
	args := []string{"build", "-o", programsDir}
	for _, p := range []string{"", "-agent", "-auditor", "-devnet", "-market"} {
		args = append(args, "github.com/everseed/everseed/cmd/everseed"+p)
	}
	build := exec.Command("go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return programsDir, nil
})

// brand is a variable that every process started here inherits, and by which it is found again.
const brand = "EVERSEED_TEST_RUN"

func TestMain(m *testing.M) {
	flag.Parse()
	mark := rand.Text()
	dir, err := os.MkdirTemp("", "everseed-programs-")
	if err := errors.Join(err, os.Setenv(brand, mark), beParallel()); err != nil {
		panic(err)
	}
	programsDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir) // what is left in /tmp harms nobody
	if left := leftovers(brand + "=" + mark); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "processes were left behind:\n%s\n", bytes.Join(left, []byte("\n")))
		code = max(code, 1)
	}
	os.Exit(code)
}

// beParallel runs more devnets at a time than there are processors, unless told otherwise: a
// devnet mostly waits for epochs to pass.
func beParallel() error {
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if told {
		return nil
	}
	return flag.Set("test.parallel", "4")
}

// leaveWithin is how long processes that were told to end may take to be gone.
const leaveWithin = 15 * time.Second

// leftovers waits until no process has the mark in its environment, and returns the command
// lines of those that stay. Where there is no /proc it sees none.
func leftovers(mark string) (left [][]byte) {
	for end := time.Now().Add(leaveWithin); ; time.Sleep(100 * time.Millisecond) {
		left = branded(mark)
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

func branded(mark string) (found [][]byte) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		panic(err)
	}
	for _, dir := range all {
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || filepath.Base(dir) == strconv.Itoa(os.Getpid()) ||
			!bytes.Contains(env, []byte(mark)) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline")) // a process that ended has none
		found = append(found, append([]byte(filepath.Base(dir)+" "),
			bytes.ReplaceAll(line, []byte{0}, []byte{' '})...))
	}
	return found
}
