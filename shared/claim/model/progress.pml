/* Does every order end? Bridges and contenders work as they are meant to, and up to
 * FAULTS times something goes wrong, whatever and whenever. Work fails as often as
 * it likes, and a lease ends whenever it likes.
 *
 * There is no run without an end here, and no end in which an order is still
 * accepted. That is more than fairness would give: the only thing needed is that
 * whatever can happen does not wait for ever.
 */
#ifndef CONTENDERS
#define CONTENDERS 2
#endif
#ifndef FANOUT
#define FANOUT CONTENDERS
#endif
#ifndef BRIDGES
#define BRIDGES 1
#endif
#ifndef ORDERS
#define ORDERS 1
#endif
#ifndef LIVES
#define LIVES 1
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifdef RESTS
#define RESTED 0    /* a delivery takes its time until the entry may be delivered again */
#else
#define RESTED 1    /* it may be at once: that is one of the things that RESTS allows, and all it forbids */
#endif
#define RECORDS ORDERS
#define CONTENTS ORDERS
#define ENTRIES_EACH LIVES
#if ENTRIES_EACH * ORDERS > 2
#define pending_for(me) (has_pending(0, me) || has_pending(1, me) || has_pending(2, me) || has_pending(3, me))
#define forget_all(me)  forget(0, me); forget(1, me); forget(2, me); forget(3, me)
#elif ENTRIES_EACH * ORDERS > 1
#define pending_for(me) (has_pending(0, me) || has_pending(1, me))
#define forget_all(me)  forget(0, me); forget(1, me)
#else
#define pending_for(me) has_pending(0, me)
#define forget_all(me)  forget(0, me)
#endif
byte faults = FAULTS;
#include "engine.pml"

#define fault faults > 0 -> faults--

/* A flight is one delivery of one entry by one bridge, while the bridge waits for
 * the contenders that it has handed it to. */
#define flight(b, e) ((b) * ENTRIES + (e))
#define FLIGHTS (BRIDGES * ENTRIES)
bit flying[FLIGHTS];
byte deliveries[FLIGHTS]; /* what the contenders are told */
byte to_ask[FLIGHTS];     /* contenders that are not asked yet */
byte asked[FLIGHTS];      /* and those that have not answered */
bit was_ended[FLIGHTS];   /* what has been answered: verdict in the bridge */
bit was_before[FLIGHTS];
bit was_tried[FLIGHTS];
byte was_held[FLIGHTS];
byte after[FLIGHTS];      /* not before this lease has ended: the fence of who holds it */
byte waits[CONTENDERS];   /* the flight that waits for this contender, from 1; 0 is none */
bit idle[ENTRIES];        /* idle for long enough to be delivered again */

/* ---- contenders ---- */
#define IDLE    0
#define ASKING  1
#define WORKING 2
#define me (_pid + 1)

/* The invocation ends, and the bridge hears of it, if it still waits. */
inline answers(ended_now, before, tried, holder) {
  d_step {
    if
    :: waits[_pid] != 0 ->
      asked[waits[_pid] - 1]--;
      if
      :: !with(ack_by_settle) && (ended_now || before || holder != 0) && place_of[(waits[_pid] - 1) % ENTRIES] == PENDING ->
        acknowledge((waits[_pid] - 1) % ENTRIES)
      :: else
      fi;
      was_ended[waits[_pid] - 1] = was_ended[waits[_pid] - 1] || ended_now;
      was_before[waits[_pid] - 1] = was_before[waits[_pid] - 1] || before;
      was_tried[waits[_pid] - 1] = was_tried[waits[_pid] - 1] || tried;
      was_held[waits[_pid] - 1] = (holder > was_held[waits[_pid] - 1] -> holder : was_held[waits[_pid] - 1])
    :: else
    fi;
    waits[_pid] = 0;
    rename_owner(0, me);
#if ORDERS > 1
    rename_owner(1, me);
#endif
    phase = IDLE; r = 0; f = 0; n = 0; answer = 0; answer_fence = 0
  }
}

inline after_claim() {
  if
  :: answer == won -> phase = WORKING; f = answer_fence; n = 0
  :: answer == busy -> answers(0, 0, 0, answer_fence)
  :: answer == already || answer == refused -> answers(0, 1, 0, 0)
  :: fault; phase = ASKING; say("  the reply is lost\n")
  :: fault; say("  the reply is lost, and it gives up\n"); answers(0, 0, 0, 0) /* as when Redis is away */
  fi;
  answer = 0; answer_fence = 0
}

inline after_end() {
  if
  :: answer == done -> answers(1, 0, 0, 0)
  :: answer == buried -> answers(1, 0, 1, 0)
  :: answer == already || answer == refused -> answers(0, 1, 0, 0)
  :: answer == lost || answer == released -> answers(0, 0, 1, 0)
  :: fault; say("  the reply is lost\n")
  :: fault; say("  the reply is lost, and it gives up\n"); answers(0, 0, 0, 0)
  fi;
  answer = 0
}

inline is_asked(x) {
  to_ask[x]--; asked[x]++;
  waits[_pid] = x + 1;
  r = record_of(x % ENTRIES);
  n = deliveries[x]
}

active [CONTENDERS] proctype contender() {
  byte phase, r, f, n, answer, answer_fence;

#define may_be_asked(x) \
  :: atomic { phase == IDLE && to_ask[x] > 0 -> is_asked(x); claim(r, me, n); after_claim() } \
  :: atomic { phase == IDLE && to_ask[x] > 0 && fault; is_asked(x); phase = ASKING; say("  it is frozen\n") } \
  :: atomic { phase == IDLE && to_ask[x] > 0 && fault; is_asked(x); answers(0, 0, 1, 0); say("  it crashes at once\n") } \
  :: atomic { phase == IDLE && to_ask[x] > 0 && fault; is_asked(x); answers(0, 0, 0, 0); say("  it is throttled\n") }

end:
  do
  may_be_asked(0)
#if FLIGHTS > 1
  may_be_asked(1)
#endif
#if FLIGHTS > 2
  may_be_asked(2)
  may_be_asked(3)
#endif
  :: atomic { phase == ASKING -> claim(r, me, n); after_claim() }
  :: atomic { phase == WORKING -> settle(r, f, me); after_end() }
  :: atomic { phase == WORKING -> release(r, f, me); after_end() }
  :: atomic { phase != IDLE && fault; say("  it crashes\n"); answers(0, 0, 1, 0) }
  od
}

/* ---- bridges ---- */
#define TAKE      1
#define BURY_IT   2
#define HAND_BACK 3
#define CLEAR     4

#define b (_pid - CONTENDERS)
#define x_of(e) flight(b, e)

inline depart(x, times) {
  flying[x] = 1; deliveries[x] = times; to_ask[x] = FANOUT; after[x] = 0; idle[x % ENTRIES] = RESTED
}

/* Nobody waits for what this flight's contenders still have in hand. */
inline land(x) {
  flying[x] = 0; deliveries[x] = 0; to_ask[x] = 0; asked[x] = 0;
  was_ended[x] = 0; was_before[x] = 0; was_tried[x] = 0; was_held[x] = 0;
  i = 0;
  do
  :: i < CONTENDERS -> waits[i] = (waits[i] == x + 1 -> 0 : waits[i]); i++
  :: else -> break
  od;
  i = 0
}

inline judge(x, e) {
  d_step {
    after[x] = (with(waiting_for_the_lease) && was_held[x] != 0 && was_held[x] == lock_fence[record_of(e)] -> was_held[x] : 0);
    if
    :: was_ended[x] -> after[x] = 0
    :: else -> if
    :: was_before[x] -> plan = CLEAR; entry_of = e
    :: else -> if
    :: !was_tried[x] && asked[x] == 0 -> plan = HAND_BACK; entry_of = e
    :: else
    fi fi fi;
    land(x)
  }
}

/* The process ends, and comes back as a new consumer. */
inline restart() {
  d_step {
    plan = 0; entry_of = 0;
    e = 0;
    do
    :: e < ENTRIES ->
      land(flight(b, e));
      after[flight(b, e)] = 0;
      if
      :: has_pending(e, b + 1) -> consumer[e] = SOMEBODY
      :: else
      fi;
      e++
    :: else -> break
    od;
    e = 0
  }
}

#define mine_to_take(e) (consumer[e] == b + 1 || consumer[e] == SOMEBODY)
#define due(e) (place_of[e] == PENDING && !flying[x_of(e)] && (after[x_of(e)] == 0 || after[x_of(e)] != lock_fence[record_of(e)]) && \
  idle[e] && with(redelivery))
/* No contender had it in hand in its last delivery: that says nothing against the order. */
#define untried(e) (state[record_of(e)] == ACCEPTED && tries[record_of(e)] < count[e])

inline make_plan(e) {
  d_step {
    plan = (count[e] >= LIMIT && !untried(e) -> BURY_IT : TAKE);
    entry_of = e
  }
}

active [BRIDGES] proctype bridge() {
  byte plan, entry_of, answer, i, e;

#define may_do(e) \
  :: atomic { plan == 0 && place_of[e] == WAITING -> read(e, b + 1); depart(x_of(e), 1) } \
  :: atomic { plan == 0 && flying[x_of(e)] && to_ask[x_of(e)] == 0 && asked[x_of(e)] == 0 -> judge(x_of(e), e) } \
  :: atomic { plan == 0 && flying[x_of(e)] && to_ask[x_of(e)] == 0 && asked[x_of(e)] > 0 && fault; \
      say("the bridge waits no longer for entry %d\n", e); judge(x_of(e), e) } \
  :: atomic { plan == 0 && due(e) && mine_to_take(e) -> make_plan(e) } \
  :: atomic { plan == 0 && due(e) && !mine_to_take(e) && fault; make_plan(e) } /* the other one seems dead */

end:
  do
  may_do(0)
#if ENTRIES > 1
  may_do(1)
#endif
#if ENTRIES > 2
  may_do(2)
  may_do(3)
#endif
  :: atomic { plan == TAKE ->
      take(entry_of, b + 1, idle[entry_of]);
      if
      :: answer == taken -> depart(x_of(entry_of), count[entry_of])
      :: else
      fi;
      plan = 0; entry_of = 0; answer = 0
    }
  :: atomic { plan == BURY_IT || plan == CLEAR ->
      deadletter(entry_of);
      if
      :: answer == busy -> after[x_of(entry_of)] = lock_fence[record_of(entry_of)]
      :: else
      fi;
      plan = 0; entry_of = 0; answer = 0
    }
  :: atomic { plan == HAND_BACK -> handback(entry_of, b + 1); idle[entry_of] = RESTED; plan = 0; entry_of = 0 }
  :: atomic { fault; say("bridge %d dies\n", b); restart() }
  :: atomic { fault; leave(b + 1); answer = 0; restart() } /* it is stopped, in the midst of its work */
  od
}

/* ---- clients, an operator, time ---- */
active proctype world() {
  byte answer;

#define may_happen(r) \
  :: atomic { content[r] == 0 -> place(r, r, r + 1, REFUSE); answer = 0 } \
  :: atomic { content[r] != 0 && fault; place(r, r, r + 1, REFUSE); answer = 0 } \
  :: atomic { state[r] == DEAD && room(r) -> redrive(r); answer = 0 } \
  :: atomic { held(r) && with(lease) -> expire_lock(r) }
#define may_rest(e) \
  :: atomic { place_of[e] == PENDING && !idle[e] -> idle[e] = 1 }

end:
  do
  may_happen(0)
#if ORDERS > 1
  may_happen(1)
#endif
#ifdef RESTS
  may_rest(0)
#if ENTRIES > 1
  may_rest(1)
#endif
#endif
  od
}

#if ORDERS > 1
#define all_have_ended (ended(0) && ended(1))
#else
#define all_have_ended ended(0)
#endif

active proctype finish() {
end:
  timeout -> promise(all_end, all_have_ended)
}
