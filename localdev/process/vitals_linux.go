package process

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// vitals are a child's files in /proc, kept open: opening one costs ten times
// what reading it does, and an open one can never come to mean another process.
type vitals struct {
	stat, status *os.File
	peak         int64
}

// openVitals opens what it can; what is missing is reported as unknown.
func openVitals(pid int) *vitals {
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	v := &vitals{}
	v.stat, _ = os.Open(dir + "stat")     //nolint:gosec // of a child
	v.status, _ = os.Open(dir + "status") //nolint:gosec // of a child
	return v
}

func (v *vitals) close() {
	_ = v.stat.Close() // nil if it could not be opened, which Close permits
	_ = v.status.Close()
}

// alive reports whether the child exists and has no fatal signal pending.
func (v *vitals) alive() bool {
	// A child that is being killed is awake until it is gone. The kernel does
	// not fill in the fields at one instant, so one glance at a child that is
	// awake can miss both the signal (already taken) and its consequence (not
	// yet begun); several cannot.
	for range 4 {
		alive, asleep := v.glance()
		if !alive || asleep {
			return alive
		}
	}
	return true
}

func (v *vitals) glance() (alive, asleep bool) {
	if v.stat == nil {
		return true, true // unknown: assume the best
	}
	const (
		ending = 0x4 | 0x400 // PF_EXITING, PF_SIGNALED

		state   = 0 // fields of /proc/PID/stat, counted after the program's name
		flags   = 6
		pending = 28
	)
	var buf [1024]byte
	n, _ := v.stat.ReadAt(buf[:], 0) // it ends in io.EOF, and fails once the child is reaped
	if n == 0 {
		return false, false
	}
	stat := buf[:n]
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= pending {
		return true, true
	}
	flag, _ := strconv.ParseUint(string(fields[flags]), 10, 64)
	signals, _ := strconv.ParseUint(string(fields[pending]), 10, 64)
	alive = !bytes.ContainsAny(fields[state], "ZXx") && flag&ending == 0 && signals&(1<<(syscall.SIGKILL-1)) == 0
	return alive, !bytes.Equal(fields[state], []byte("R"))
}

// peakMemory is VmHWM, the child's largest resident size so far; the last one
// seen if it cannot be read any more.
func (v *vitals) peakMemory() int64 {
	var buf [4096]byte
	n, _ := v.status.ReadAt(buf[:], 0)
	_, rest, found := bytes.Cut(buf[:n], []byte("VmHWM:"))
	if !found {
		return v.peak
	}
	number, _, _ := bytes.Cut(bytes.TrimLeft(rest, " \t"), []byte(" kB"))
	if kb, err := strconv.ParseInt(string(number), 10, 64); err == nil {
		v.peak = kb << 10
	}
	return v.peak
}
