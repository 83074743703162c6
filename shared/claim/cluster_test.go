package claim_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/claim/claimtest"
	"photofinish/shared/redistest"
)

// The suite runs on a cluster of three primaries while its slots go from one to
// the next under its commands. Nothing but the client's own handling of
// redirections, with its default settings, is between the cases and the cluster.
func TestConformanceOnAClusterThatIsResharded(t *testing.T) {
	rdb, shards := redistest.Cluster(t)
	r := reshard(t, rdb, shards)
	homes := map[int]int{}
	open := func(rdb redis.UniversalClient, partition string, o claim.Options) (*claim.Engine, error) {
		home, err := shards.Owner(t.Context(), "{"+partition+"}")
		if err != nil {
			return nil, err
		}
		homes[home]++
		r.next("{" + partition + "}")
		return claim.Open(rdb, partition, o)
	}
	cases := claimtest.Cases()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, rdb, open) })
	}
	if err := r.stop(); err != nil {
		t.Fatalf("resharding: %v", err)
	}

	t.Logf("%d commands under %d moves of slots; redirections and refusals: %d MOVED, %d ASK, %d TRYAGAIN; partitions by first home: %v",
		r.commands.Load(), r.moves.Load(), r.met[0].Load(), r.met[1].Load(), r.met[2].Load(), homes)
	if n := r.moves.Load(); n < int64(len(cases)) {
		t.Errorf("%d moves in %d cases, want one in each at least", n, len(cases))
	}
	for i, word := range redirections {
		if r.met[i].Load() == 0 {
			t.Errorf("no command met %s: the slots did not move under them", word)
		}
	}
	for i, node := range shards.Nodes {
		stats, err := node.Info(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		if homes[i] == 0 || !strings.Contains(stats, "cmdstat_evalsha:") {
			t.Errorf("node %d had %d partitions and these commands, want scripts as well:\n%s", i, homes[i], stats)
		}
	}
}

// movesEvery is after how many commands a slot is moved again.
const movesEvery = 4

var redirections = []string{"MOVED ", "ASK ", "TRYAGAIN "}

// resharding moves the slot of the case that runs, again and again. A move begins
// under a command of the client, which therefore meets a slot of which half the
// keys have gone, or all of them in every other move, and ends while that command
// and others are on their way. The next move waits until the commands that met
// this one have their answers, so none meets two: whether the four tries that the
// client makes suffice depends neither on luck nor on how busy the machine is.
type resharding struct {
	shards *redistest.Shards
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan error
	begin  chan chan struct{} // takes what is closed once the move has come to its halt
	reply  chan struct{}      // a node has answered
	// refresh has the client read anew where the slots are. It does that by itself
	// after a redirection, but at most each 200 ms; moves are closer here.
	refresh func()

	commands, moves atomic.Int64
	met             [3]atomic.Int64 // as redirections

	mu       sync.Mutex
	key      string
	since    int             // commands since the last move
	present  int             // commands on their way, or waiting for a move to begin
	underway *sync.WaitGroup // commands that can meet the move
	moving   chan struct{}   // closed when no move is on
}

func reshard(t *testing.T, rdb *redis.ClusterClient, shards *redistest.Shards) *resharding {
	t.Helper()
	r := &resharding{
		shards: shards, ended: make(chan error, 1), begin: make(chan chan struct{}), reply: make(chan struct{}, 1),
		underway: &sync.WaitGroup{}, moving: make(chan struct{}),
	}
	close(r.moving)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.refresh = func() { _ = rdb.ForEachMaster(r.ctx, func(context.Context, *redis.Client) error { return nil }) }
	rdb.AddHook(hook{r.command})
	rdb.OnNewNode(func(node *redis.Client) { node.AddHook(hook{r.answer}) })
	go func() {
		err := r.run()
		r.cancel() // nobody waits for another move
		r.ended <- err
	}()
	t.Cleanup(r.cancel)
	return r
}

// next says what the next case works on.
func (r *resharding) next(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key, r.since = key, movesEvery
}

func (r *resharding) stop() error {
	r.cancel()
	if err := <-r.ended; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (r *resharding) run() error {
	for {
		var halted chan struct{}
		select {
		case halted = <-r.begin:
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
		r.mu.Lock()
		key, moving := r.key, make(chan struct{})
		r.since = 0
		r.moving = moving
		r.mu.Unlock()
		halt := redistest.Stage(r.moves.Load() % 2)
		err := r.shards.Move(context.Background(), key, func(stage redistest.Stage) {
			if stage != halt {
				return
			}
			r.refresh()
			select { // an answer from before
			case <-r.reply:
			default:
			}
			close(halted)
			select {
			case <-r.reply:
			case <-r.ctx.Done():
			}
		})
		close(moving)
		if err != nil {
			return err
		}
		r.moves.Add(1)
		r.refresh()
		r.mu.Lock()
		met := r.underway
		r.underway = &sync.WaitGroup{}
		r.mu.Unlock()
		met.Wait()
	}
}

// command is around each command of the client, with its redirections.
func (r *resharding) command(next func() error, cmds []redis.Cmder) error {
	if cmds[0].Name() == "publish" { // a case may count on it that the last one published is the last one heard
		if err := r.shards.Published(r.ctx); err != nil {
			return err
		}
	}
	r.mu.Lock()
	due := r.since >= movesEvery
	r.since++
	r.present++
	alone := r.present == 1
	r.mu.Unlock()
	r.commands.Add(1)
	if due {
		r.offer(alone)
	}
	r.mu.Lock()
	underway := r.underway
	underway.Add(1)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.present--
		underway.Done()
	}()
	return next()
}

// offer begins a move. If there are other commands it does so only if the last
// one is over: it may wait for one of those, and that for this one.
func (r *resharding) offer(alone bool) {
	halted := make(chan struct{})
	if alone {
		select {
		case r.begin <- halted:
		case <-r.ctx.Done():
			return
		}
	} else {
		select {
		case r.begin <- halted:
		default:
			return
		}
	}
	select {
	case <-halted:
	case <-r.ctx.Done():
	}
}

// answer is around each call of a node.
func (r *resharding) answer(next func() error, cmds []redis.Cmder) error {
	err := next()
	if cmds[0].Name() == "hello" { // of a new connection
		return err
	}
	select {
	case r.reply <- struct{}{}:
	default:
	}
	again := false
	for _, cmd := range cmds {
		for i, word := range redirections {
			if redis.HasErrorPrefix(cmd.Err(), word) {
				r.met[i].Add(1)
				again = again || word == "TRYAGAIN "
			}
		}
	}
	if again { // the client waits some ms before it does: let that be enough
		r.mu.Lock()
		moving := r.moving
		r.mu.Unlock()
		<-moving
	}
	return err
}

// hook runs a function around each command or pipeline.
type hook struct {
	around func(next func() error, cmds []redis.Cmder) error
}

func (hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return h.around(func() error {
			err := next(ctx, cmd)
			cmd.SetErr(err) // the client does so only later
			return err
		}, []redis.Cmder{cmd})
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return h.around(func() error { return next(ctx, cmds) }, cmds)
	}
}
