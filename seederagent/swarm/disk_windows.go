package swarm

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// diskRoom returns the free and the total bytes of the disk that dir is on.
func diskRoom(dir string) (free, total int64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	var mine, all, any uint64
	if err := windows.GetDiskFreeSpaceEx(name, &mine, &all, &any); err != nil {
		return 0, 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(mine), int64(all), nil // #nosec G115 -- below 2^63
}
