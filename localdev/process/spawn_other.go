//go:build unix && !linux

package process

import "os"

func spawn(path string, argv []string, attr *os.ProcAttr) (*child, error) {
	return spawnGuarded(path, argv, attr)
}
