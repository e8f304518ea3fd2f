//go:build !linux

package main

import "syscall"

// dieWithParent cannot promise it here: what is left after a kill -9 of the devnet must be ended
// by hand.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
