//go:build linux || darwin || freebsd

package swarm

import (
	"fmt"
	"syscall"
)

// diskRoom returns the free and the total bytes of the disk that dir is on.
func diskRoom(dir string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	block := int64(s.Bsize)
	return int64(s.Bavail) * block, int64(s.Blocks) * block, nil // #nosec G115 -- below 2^63
}
