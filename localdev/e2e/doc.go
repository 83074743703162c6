// Package e2e holds the end-to-end tests and benchmarks: they build the real
// binaries, start the emulator on free ports, and treat it as its users do, and
// worse.
package e2e
