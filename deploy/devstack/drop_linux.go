package devstack

import "syscall"

// dieWithParent makes the kernel stop Postgres when the process that started it is gone.
func dieWithParent(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}
