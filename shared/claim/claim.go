// Package claim is an exactly-once engine on Redis. Many contenders may be
// handed the same order, at once or years apart; the engine lets one of them
// work, and applies the effect of the order once, whatever crashes, freezes,
// repeats or arrives late.
//
// An order is placed (Place), delivered to contenders through a consumer group
// (Queue), raced for (Claim), and ended in one atomic step that applies its
// effect (Settle). The lock that contenders race for only saves work; what makes
// the effect happen once is that Settle checks, in the same script, that the
// lock is still the caller's and that the order has not ended.
//
// Every step is one Lua script with one round trip, on keys of one hash slot.
// The scripts are in the folder scripts, each with its keys, arguments and
// answers described at its top. All times are those of Redis' clock.
package claim

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Defaults of Options.
const (
	DefaultGroup         = "bridge"
	DefaultRetention     = 7 * 24 * time.Hour
	DefaultMaxDeliveries = 5
	// A second covers a replica in another zone many times over.
	DefaultReplicaTimeout = time.Second
)

// Options are the settings of an Engine. The zero value means the defaults.
type Options struct {
	// Group is the consumer group that deliveries are read with.
	Group string
	// Retention is how long the record of an ended order is kept, in whole
	// seconds. A duplicate that comes later is refused, for there is no record
	// of it; a retried Place would be a new order. It has to be longer than
	// anything can be delivered late.
	Retention time.Duration
	// MaxDeliveries is how often an order is delivered before it becomes a dead
	// letter.
	MaxDeliveries int
	// Replicas is how many replicas have to have acknowledged what a step wrote
	// before it is answered; 0 waits for none. With fewer after ReplicaTimeout the
	// call fails with a *TooFewReplicasError: the step is done, and the same call
	// can be repeated until they have.
	Replicas       int
	ReplicaTimeout time.Duration // 0 is DefaultReplicaTimeout
	// Observe, if set, is called with what every step did, for metrics. It is
	// called by whoever called the engine, so it has to be quick and safe for
	// concurrent use.
	Observe func(Event)
}

// Engine is the engine for one partition: one set of keys in one hash slot. It
// is safe for concurrent use and costs nothing to make.
type Engine struct {
	rdb     redis.UniversalClient
	keys    Keys
	opts    Options
	scripts *scripts
}

// Open returns the engine for a partition. It does not talk to Redis.
func Open(rdb redis.UniversalClient, partition string, o Options) (*Engine, error) {
	if rdb == nil {
		return nil, errors.New("claim: the Redis client is nil")
	}
	if !validPartition(partition) {
		return nil, fmt.Errorf("claim: the partition %q is not 1 to 64 letters, digits, - or _", partition)
	}
	if o.Group == "" {
		o.Group = DefaultGroup
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Retention < time.Second {
		return nil, fmt.Errorf("claim: the retention %v is under a second", o.Retention)
	}
	if o.MaxDeliveries == 0 {
		o.MaxDeliveries = DefaultMaxDeliveries
	}
	if o.ReplicaTimeout == 0 {
		o.ReplicaTimeout = DefaultReplicaTimeout
	}
	if o.MaxDeliveries < 1 {
		return nil, fmt.Errorf("claim: %d deliveries at most: has to be 1 or more", o.MaxDeliveries)
	}
	if err := o.checkReplicas(rdb); err != nil {
		return nil, err
	}
	return &Engine{rdb: rdb, keys: Keys{partition}, opts: o, scripts: builtin}, nil
}

// Keys names the keys of the engine's partition.
func (e *Engine) Keys() Keys { return e.keys }

// Options are the settings in force.
func (e *Engine) Options() Options { return e.opts }

// Keys names the keys of one partition. The partition is the hash tag, so all
// of them live in one slot of a cluster.
type Keys struct{ partition string }

// Partition is the name of the partition, such as the warehouse.
func (k Keys) Partition() string { return k.partition }

// Stream holds one entry for each order placed and not yet ended.
func (k Keys) Stream() string { return "{" + k.partition + "}:orders" }

// Dead is the stream of dead letters.
func (k Keys) Dead() string { return "{" + k.partition + "}:dead" }

// Beat is there while any consumer is at work.
func (k Keys) Beat() string { return "{" + k.partition + "}:beat" }

// Record is the hash that is kept of one order.
func (k Keys) Record(id string) string { return "{" + k.partition + "}:order:" + id }

// Lock is the lock that contenders race for: "<fence>:<owner>".
func (k Keys) Lock(id string) string { return "{" + k.partition + "}:lock:" + id }

// Synced is written when a step has to reach replicas, see Options.Replicas.
func (k Keys) Synced() string { return "{" + k.partition + "}:synced" }

// Receipt is the hash that is kept of one effect that was received.
func (k Keys) Receipt(id string) string { return "{" + k.partition + "}:receipt:" + id }

func validPartition(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return !alphanumeric(r) && r != '-' && r != '_'
	}) < 0
}

// ValidID reports whether s can be an id: it becomes a part of a key, so it has
// 1 to 200 letters, digits and . _ : ~ - and nothing that could move the key to
// another slot.
func ValidID(s string) bool {
	return s != "" && len(s) <= 200 && strings.IndexFunc(s, func(r rune) bool {
		return !alphanumeric(r) && !strings.ContainsRune("._:~-", r)
	}) < 0
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// ErrInvalidID is returned for an id that ValidID does not accept.
var ErrInvalidID = errors.New("claim: the id is not 1 to 200 letters, digits and . _ : ~ -")

// Unavailable reports whether an error of the engine means that Redis could not
// be reached or would not write just now, so that the same call may succeed
// later. It is safe to repeat any call of the engine.
func Unavailable(err error) bool {
	if err == nil {
		return false
	}
	if few := (*TooFewReplicasError)(nil); errors.As(err, &few) {
		return true
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		return !refused(err)
	}
	// A client of a cluster follows redirections, but only so many in a row.
	if redis.HasErrorPrefix(reply, "MOVED ") || redis.HasErrorPrefix(reply, "ASK ") {
		return true
	}
	// A script passes on the error of a command that it called, in its midst.
	return unwilling.MatchString(reply.Error())
}

// unwilling are the errors by which Redis says that it cannot do anything just now.
var unwilling = regexp.MustCompile(`(^|[^A-Za-z])(OOM|MISCONF|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|BUSY|UNBLOCKED) |max number of clients`)

// refused reports whether an error is the engine's own answer, and none of the way
// to Redis.
func refused(err error) bool {
	for _, own := range []error{ErrInvalidID, ErrLost, ErrNoClaim, ErrNoKey, errProtocol} {
		if errors.Is(err, own) {
			return true
		}
	}
	_, argument := errors.AsType[argumentError](err)
	_, alive := errors.AsType[*NotDeadError](err)
	return argument || alive
}

// argumentError is what no repetition of the call can mend.
type argumentError string

func (e argumentError) Error() string { return string(e) }

var errProtocol = errors.New("claim: an answer of Redis is not of the form that the script gives")
