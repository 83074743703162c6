/* Whatever happens: contenders, bridges, clients, operators and time do anything
 * in any order, as often as they like. Nothing here is well-behaved, so what
 * holds here the scripts hold alone.
 */
#ifndef CONTENDERS
#define CONTENDERS 2
#endif
#ifndef ORDERS
#define ORDERS 1
#endif
#ifndef WINS
#define WINS 2      /* how often an order is won at most; everything else is unlimited */
#endif
#ifndef LIVES
#define LIVES 2     /* 2: an order can be redriven once */
#endif
#define RECORDS ORDERS
#define CONTENTS ORDERS
#define ENTRIES_EACH LIVES
#include "engine.pml"

/* A delivery can be in somebody's hands from its first hand-over on, and for
 * ever: late, twice, to several at once, after the order has ended. */
#define handed(r) (place_of[nth(r, 0)] >= PENDING)
#define to_claim(r) (handed(r) && (last_fence[r] < WINS || held(r) || state[r] != ACCEPTED && with(claim_done_is_final)))

#define IDLE    0
#define ASKING  1 /* it does not know the answer to its claim, and asks again */
#define WORKING 2

#define me (_pid + 1)

/* The invocation ends. The next one of this instance is a new owner. */
inline gone_for_good() {
  d_step {
    rename_owner(0, me);
#if ORDERS > 1
    rename_owner(1, me);
#endif
    phase = IDLE; r = 0; f = 0; answer = 0; answer_fence = 0
  }
}

inline after_claim() {
  if
  :: answer == won -> phase = WORKING; f = answer_fence; answer = 0; answer_fence = 0
  :: answer == won -> phase = ASKING; answer = 0; answer_fence = 0 /* the reply is lost */
  :: gone_for_good() /* it was not won; or the reply is lost and it gives up or crashes */
  fi
}

inline after_end() {
  if
  :: answer = 0 /* the reply is lost: it will do it again */
  :: gone_for_good()
  fi
}

active [CONTENDERS] proctype contender() {
  byte phase, r, f, answer, answer_fence;

end:
  do
  :: atomic {
      phase == IDLE && to_claim(0) -> r = 0; claim(r, me, 0); after_claim()
    }
#if ORDERS > 1
  :: atomic {
      phase == IDLE && to_claim(1) -> r = 1; claim(r, me, 0); after_claim()
    }
#endif
  :: atomic { phase == ASKING && to_claim(r) -> claim(r, me, 0); after_claim() }
  :: atomic { phase == WORKING -> renew(r, f, me); answer = 0 }
  :: atomic { phase == WORKING -> settle(r, f, me); after_end() }
  :: atomic { phase == WORKING -> release(r, f, me); after_end() }
  :: atomic { phase != IDLE -> gone_for_good() } /* it crashes */
  od
}

active proctype bridge() {
  byte answer;

#define bridge_may_do(e) \
  :: atomic { place_of[e] == WAITING -> read(e, SOMEBODY) } \
  :: atomic { place_of[e] == PENDING && count[e] < LIMIT -> take(e, SOMEBODY, true); answer = 0 } \
  :: atomic { place_of[e] == PENDING && count[e] > 1 -> handback(e, SOMEBODY) } \
  :: atomic { place_of[e] >= PENDING -> deadletter(e); answer = 0 }

end:
  do
  bridge_may_do(0)
#if ENTRIES > 1
  bridge_may_do(1)
#endif
#if ENTRIES > 2
  bridge_may_do(2)
  bridge_may_do(3)
#endif
  od
}

/* Clients place and place again, as long as there is a record: what comes after
 * retention is another order. Operators redrive and discard. Leases and
 * retentions end. */
active proctype world() {
  byte answer;

#define world_may_do(r) \
  :: atomic { state[r] != NONE || place_of[nth(r, 0)] == UNUSED -> place(r, r, r + 1, REFUSE); answer = 0 } \
  :: atomic { state[r] != NONE && room(r) && place_of[nth(r, 0)] >= PENDING -> redrive(r); answer = 0 } \
  :: atomic { letters[r] != 0 -> discard(r, dead[r]); answer = 0 } \
  :: atomic { held(r) && with(lease) -> expire_lock(r) } \
  :: atomic { ttl[r] -> expire_record(r) }

end:
  do
  world_may_do(0)
#if ORDERS > 1
  world_may_do(1)
#endif
  od
}
