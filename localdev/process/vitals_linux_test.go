package process

import (
	"os"
	"syscall"
	"testing"
)

func TestAliveSeesAFatalSignalAtOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		p, err := Start(shell("exec sleep 1000"))
		if err != nil {
			t.Fatal(err)
		}
		if !p.Alive() {
			t.Error("a running child is not alive")
		}
		if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if p.Alive() {
			t.Error("alive after SIGKILL")
		}
		wait(t, p)
	}
}

func TestPeakMemory(t *testing.T) {
	t.Parallel()
	out := newCollector()
	// tail keeps its input's last line in memory, however long.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	p, err := Start(Spec{Path: "/usr/bin/tail", Args: []string{"-n", "1"}, Stdin: r, Stdout: out.add})
	if err != nil {
		t.Fatal(err)
	}
	before := p.PeakMemory()
	const size = 64 << 20
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	peak := p.PeakMemory()
	if before <= 0 || before > 16<<20 || peak < size*9/10 || peak > 2*size {
		t.Errorf("peak %d before, %d after taking in %d bytes", before, peak, size)
	}
	if err := p.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := p.PeakMemory(); got != peak {
		t.Errorf("peak %d after the end, want the last one seen, %d", got, peak)
	}
}
