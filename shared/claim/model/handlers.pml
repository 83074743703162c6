/* The plain mode, for handlers: nobody places, a call begins its key, does its work
 * and settles, or gives the key back. Callers do anything in any order, with two
 * contents under one key. The key may also have been placed as an order; then it is
 * placed first, and nothing of that comes later than its retention.
 */
#ifndef CALLERS
#define CALLERS 2
#endif
#ifndef WINS
#define WINS 3
#endif
#define RECORDS 1
#define CONTENTS 2
#define ENTRIES_EACH 2
#define STOCK 9
#define HANDLERS
bit was_begun[RECORDS];
#define begun(r) was_begun[r]
/* A record that is begun again after its retention is another call: its effect counts anew. */
#define forget_fence(r) was_begun[r] = 0; effects[1] = 0; effects[2] = 0; over = 1
bit over;
#include "engine.pml"

#define may_win (held(0) || last_fence[0] < WINS)
#define me (_pid + 1)

inline goes() {
  d_step { rename_owner(0, me); working = 0; c = 0; f = 0; answer = 0; answer_fence = 0 }
}

inline after_begin(which) {
  if
  :: answer == won -> working = 1; c = which; f = answer_fence; answer = 0; answer_fence = 0
  :: goes() /* not won, or it crashes */
  fi
}

inline after_end() {
  if
  :: answer = 0 /* the reply is lost: it will do it again */
  :: goes()
  fi
}

active [CALLERS] proctype caller() {
  byte c, f, answer, answer_fence;
  bit working;

end:
  do
  :: atomic { !working && may_win -> begin(0, 1, me); after_begin(1) }
  :: atomic { !working && may_win -> begin(0, 2, me); after_begin(2) }
  :: atomic { !working && may_win && place_of[0] >= PENDING && !over -> claim(0, me, 0); after_begin(0) }
  :: atomic { working && c > 0 && may_win -> begin(0, c, me); /* the reply was lost: again */
      if
      :: answer == won -> f = answer_fence; answer = 0; answer_fence = 0
      :: else -> goes()
      fi
    }
  :: atomic { working -> renew(0, f, me); answer = 0 }
  :: atomic { working -> settle(0, f, me); after_end() }
  :: atomic { working -> free(0, f, me); after_end() }
  :: atomic { working -> goes() }
  od
}

active proctype world() {
  byte answer;
end:
  do
  :: atomic { !over && (state[0] == NONE || !was_begun[0]) && (WITHOUT == nothing || room(0)) ->
      place(0, 0, 1, REFUSE); answer = 0 }
  :: atomic { place_of[0] == WAITING -> read(0, SOMEBODY) }
  :: atomic { held(0) -> expire_lock(0) }
  :: atomic { ttl[0] -> expire_record(0) }
  od
}
