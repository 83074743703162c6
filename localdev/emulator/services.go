package emulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"photofinish/localdev/process"
	"photofinish/localdev/template"
)

// maxScale bounds how many processes of one service can be asked for.
const maxScale = 32

// ServiceInfo describes a service.
type ServiceInfo struct {
	Name     string
	Wanted   int
	PIDs     []int // of the processes that run
	Restarts int
}

// services are functions that run on as processes instead of being invoked. One
// that ends is started again, after a pause that grows while it keeps failing.
type services struct {
	log    *slog.Logger
	output func(Line)
	lambda string // URL of the Lambda API
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	all  []*service
	shut bool
}

type service struct {
	function template.Function
	dir      string
	replicas []*replica
	restarts int
}

// replica is one process of a service, and those that take its place.
type replica struct {
	stop chan struct{}
	ctx  context.Context // bounds how long it may take to stop; set before stop is closed
	proc *process.Process
}

func newServices(log *slog.Logger, output func(Line), lambdaURL string) *services {
	s := &services{log: log, output: output, lambda: lambdaURL}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *services) add(f template.Function, dir string, n int) error {
	s.mu.Lock()
	s.all = append(s.all, &service{function: f, dir: dir})
	s.mu.Unlock()
	return s.scale(f.LogicalID, n)
}

func (s *services) list() []ServiceInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	infos := make([]ServiceInfo, len(s.all))
	for i, v := range s.all {
		infos[i] = ServiceInfo{Name: v.function.LogicalID, Wanted: len(v.replicas), PIDs: []int{}, Restarts: v.restarts}
		for _, r := range v.replicas {
			if r.proc != nil {
				infos[i].PIDs = append(infos[i].PIDs, r.proc.PID())
			}
		}
	}
	return infos
}

// stopGrace is how long a service may take to end by itself.
const stopGrace = 28 * time.Second

func (s *services) scale(name string, n int) error {
	if n < 0 || n > maxScale {
		return fmt.Errorf("emulator: %d processes of %s: has to be 0 to %d", n, name, maxScale)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.all, func(v *service) bool { return v.function.LogicalID == name })
	if at < 0 || s.shut {
		return fmt.Errorf("emulator: there is no service %q", name)
	}
	v := s.all[at]
	for len(v.replicas) < n {
		r := &replica{stop: make(chan struct{})}
		v.replicas = append(v.replicas, r)
		s.wg.Go(func() { s.supervise(v, r) })
	}
	for len(v.replicas) > n {
		last := v.replicas[len(v.replicas)-1]
		v.replicas = v.replicas[:len(v.replicas)-1]
		last.ctx = s.ctx
		close(last.stop)
	}
	return nil
}

// Bounds of the pause before a service is started again, and how long it has to
// run to count as healthy.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
	healthy  = 10 * time.Second
)

// supervise keeps one process of a service running until the replica is stopped.
func (s *services) supervise(v *service, r *replica) {
	name := v.function.LogicalID
	for pause := minPause; ; {
		started := time.Now()
		p, err := s.start(v)
		if err != nil {
			s.log.Error("service not started", "service", name, "error", err)
		} else {
			s.set(r, p)
			select {
			case <-r.stop:
				if err := p.Stop(r.ctx, stopGrace); err != nil && r.ctx.Err() == nil {
					s.log.Error("service not stopped", "service", name, "error", err)
				}
				s.set(r, nil)
				return
			case <-p.Done():
			}
			s.set(r, nil)
			s.log.Warn("service ended, starting it again", "service", name, "pid", p.PID(), "how", p.ExitText(), "pause", pause)
		}
		if time.Since(started) > healthy {
			pause = minPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-r.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
		s.mu.Lock()
		v.restarts++
		s.mu.Unlock()
	}
}

func (s *services) set(r *replica, p *process.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.proc = p
}

func (s *services) start(v *service) (*process.Process, error) {
	var p *process.Process
	ready := make(chan struct{}) // lines name the PID, which is known after the start
	line := func(stream string) func([]byte) {
		return func(text []byte) {
			<-ready
			s.output(Line{Time: time.Now(), Source: v.function.LogicalID, Environment: strconv.Itoa(p.PID()), Stream: stream, Text: string(text)})
		}
	}
	p, err := process.Start(process.Spec{
		Path: filepath.Join(v.dir, "bootstrap"), Dir: v.dir, Env: s.environment(v.function),
		Stdout: line("stdout"), Stderr: line("stderr"),
	})
	close(ready)
	return p, err
}

// environment holds what the template declares and where AWS is; nothing of the
// emulator's own environment.
func (s *services) environment(f template.Function) []string {
	env := []string{
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_LAMBDA=" + s.lambda,
		"AWS_SAM_LOCAL=true", "LOCALDEV=true",
		"TMPDIR=" + os.TempDir(), "TZ=:UTC", "PATH=/usr/local/bin:/usr/bin:/bin",
	}
	for name, value := range f.Environment {
		env = append(env, name+"="+value)
	}
	return env
}

// close stops all services at once and waits for them.
func (s *services) close(ctx context.Context) error {
	s.mu.Lock()
	s.shut = true
	for _, v := range s.all {
		for _, r := range v.replicas {
			r.ctx = ctx
			close(r.stop)
		}
		v.replicas = nil
	}
	s.mu.Unlock()
	// Those that were scaled away before may be stopping still.
	defer context.AfterFunc(ctx, s.cancel)()
	s.wg.Wait()
	s.cancel()
	if err := ctx.Err(); err != nil {
		return errors.Join(errors.New("emulator: services were killed before they had drained"), err)
	}
	return nil
}
