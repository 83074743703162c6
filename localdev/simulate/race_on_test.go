//go:build race

package simulate

// With the race detector a seed takes about ten times as long.
const raceDetector = true
