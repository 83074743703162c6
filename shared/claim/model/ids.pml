/* What comes twice, or under an id that is taken: publishers, bridges that all hear
 * the same message, and clients place two contents under one id, again and again;
 * somebody adds an entry by hand; operators discard; goods come in.
 * Racing is left to race.pml: here a contender claims and settles at once.
 */
#ifndef OTHERWISE
#define OTHERWISE SEPARATE /* how content 2 is placed by those who heard it */
#endif
#define RECORDS 3          /* the id, and its variants for content 1 and 2 */
#define CONTENTS 2
#define ENTRIES_EACH 3
#define LIMIT 1
#define STOCK 9
#define STRAYS
#define RECEIPT
#include "engine.pml"

/* With a guard taken out, each placement may need an entry. */
#define may_place(c) (!over[c] && (WITHOUT == nothing || room(0) && room(c)))

bit expired;           /* a record is gone: what clients POST from now on are new orders */
bit over[CONTENTS + 1]; /* so is the same message published again after the record of this content is gone */

active proctype publishers() {
  byte answer;
end:
  do
  :: atomic { may_place(1) -> place(0, 1, 1, SEPARATE); answer = 0 }
  :: atomic { may_place(2) -> place(0, 2, 2, OTHERWISE); answer = 0 }
  od
}

active proctype clients() {
  byte answer;
end:
  do
  :: atomic { !expired -> place(0, 0, 1, REFUSE); answer = 0 }
  :: atomic { !expired && OTHERWISE != FLAWED -> place(0, 0, 2, REFUSE); answer = 0 }
  :: atomic { receive(1); answer = 0 }
  :: atomic { receive(2); answer = 0 }
  od
}

#define handed(r) (place_of[nth(r, 0)] >= PENDING)

active proctype contender() {
  byte answer, answer_fence;
#define me 1
#define race_for(r) \
  :: atomic { handed(r) -> \
      claim(r, me, 0); \
      if \
      :: answer == won -> settle(r, answer_fence, me); rename_owner(r, me) \
      :: else \
      fi; \
      answer = 0; answer_fence = 0 }
end:
  do
  race_for(0)
  race_for(1)
  race_for(2)
  od
}

active proctype bridge() {
  byte answer;
#define bridge_may_do(e) \
  :: atomic { place_of[e] == WAITING -> read(e, SOMEBODY) } \
  :: atomic { place_of[e] >= PENDING -> deadletter(e); answer = 0 }
end:
  do
  bridge_may_do(0)
  bridge_may_do(1)
  bridge_may_do(2)
  bridge_may_do(3)
  bridge_may_do(4)
  bridge_may_do(5)
  bridge_may_do(6)
  bridge_may_do(7)
  bridge_may_do(8)
  od
}

active proctype operator() {
  byte answer;
#define operator_may_do(r) \
  :: atomic { letters[r] & 1 -> discard(r, 1); answer = 0 } \
  :: atomic { letters[r] & 2 -> discard(r, 2); answer = 0 } \
  :: atomic { ttl[r] -> expired = 1; over[content[r]] = 1; expire_record(r) }
end:
  do
  operator_may_do(0)
  operator_may_do(1)
  operator_may_do(2)
  :: atomic { state[0] == NONE && place_of[0] == UNUSED -> place_of[0] = WAITING } /* an entry that nobody placed */
  od
}
