/* What Redis holds for one warehouse, the scripts of ../scripts as they change
 * it, and what is promised of it whatever happens.
 *
 * A script is one step: an inline of the script's name around a d_step. Each line
 * of a script marked "-- guard:" is a stops(…) here, under the name
 * <script>_<words of the guard>. -DWITHOUT=<name> takes that one out.
 * -DONLY=<promise> checks that promise alone.
 *
 * The model that includes this file says how many RECORDS there are (ids of
 * orders), how many ENTRIES_EACH can have in the stream one after another, and
 * for how many CONTENTS effects are counted (0 is no content).
 */
#ifndef LIMIT
#define LIMIT 2   /* deliveries until an order may be buried */
#endif
#ifndef STOCK
#define STOCK 3   /* on hand at the start */
#endif
#ifndef WANTED
#define WANTED 2  /* each order wants as much: enough for one, not for two */
#endif
#define ENTRIES (RECORDS * ENTRIES_EACH)
#ifndef begun
#define begun(r) 0 /* whether the key was begun by a handler, and so has no entry */
#endif

/* ---- guards and other parts that can be taken out ---- */
#define nothing                          0
#define place_placed_once                1
#define place_same_content               2
#define place_variant_placed_once        3
#define claim_only_what_was_placed       4
#define claim_done_is_final              5
#define renew_mine                       6
#define settle_only_what_was_placed      7
#define settle_replayed                  8
#define settle_done_is_final             9
#define settle_mine                     10
#define release_mine                    11
#define deadletter_pending              12
#define deadletter_nobodys              13
#define deadletter_used_up              14
#define redrive_dead                    15
#define discard_its_own_order           16
#define receive_same_content            17
#define receive_received_once           18
#define take_idle                       19
#define handback_mine                   20
#define leave_nothing_pending           21
#define begin_same_content              22
#define begin_not_placed                23
#define begin_done_is_final             24
#define free_not_ended                  25
#define free_mine                       26
#define free_not_placed                 27
/* no guards, but what the promises rest on as well */
#define done_mark                       51 /* settle writes the state */
#define ack_by_settle                   52 /* instead the bridge acknowledges when a contender returns */
#define lease                           53 /* a lock ends by itself */
#define redelivery                      54 /* what is pending is delivered again */
#define stock_check                     55 /* the effect looks before it takes */
#define fence_on_record                 56 /* a won claim is written on the record */
#define persist                         57 /* redrive takes the TTL off the record */
#define waiting_for_the_lease           59 /* the bridge postpones what is held */
#define ledger                          61 /* the effect writes the movement down */

#ifndef WITHOUT
#define WITHOUT nothing
#endif
#define with(part) (WITHOUT != part)
#define stops(guard, condition) (with(guard) && (condition))

/* ---- promises ---- */
#define one_effect       1 /* the effect of an order happens at most once */
#define state_is_true    2 /* settled: its effect has happened; any other state: it has not */
#define done_is_final    3 /* after settled or rejected: no other state, fence or owner */
#define no_oversell      4 /* never fewer than none on hand */
#define stock_conserved  5 /* on hand = start + goods in - what the ledger says */
#define fence_grows      6 /* a won claim has a higher fence than any before it */
#define newest_settles   7 /* no effect by a claim after which another was won */
#define alone_in_lease   8 /* within a lease nobody else wins or buries the order */
#define dead_or_settled  9 /* a dead letter is of a dead order, without an effect */
#define never_lost      10 /* an accepted order has its record, and an entry that is waiting or pending */
#define one_entry       11 /* an order has one entry in the stream while accepted, and none once it has ended */
#define buried_late     12 /* no burial before LIMIT deliveries */
#define answers_true    13 /* what a caller is told is so */
#define rested          14 /* delivered again only after its time, so that of several bridges one does it */
#define own_delivery    15 /* a delivery is uncounted only by the bridge that made it, while it is the last */
#define one_receipt     16 /* goods come in once for a receipt */
#define all_end         17 /* at the end every order is settled, rejected or dead */
#ifndef ONLY
#define ONLY 0
#endif
#define promise(name, condition) assert((ONLY != 0 && ONLY != name) || (condition))

/* ---- Redis ---- */
#define NONE     0
#define ACCEPTED 1
#define SETTLED  2
#define REJECTED 3
#define DEAD     4
#define ended(r) (state[r] >= SETTLED)
byte state[RECORDS];      /* the record of an order */
byte content[RECORDS];    /*   its fingerprint */
byte fence[RECORDS];
byte owner[RECORDS];
byte entry[RECORDS];      /*   its entry in the stream, from 1; 0 is none */
byte tries[RECORDS];      /*   deliveries when it was claimed last */
byte dead[RECORDS];       /*   its dead letter, from 1; 0 is none */
bit  ttl[RECORDS];        /*   it expires */
byte lock_fence[RECORDS]; /* the lock; fence 0 is no lock */
byte lock_owner[RECORDS];
byte letters[RECORDS];    /* dead letters about this id, a bit each */

#define UNUSED    0
#define WAITING   1       /* in the stream, not delivered */
#define PENDING   2       /* delivered, not acknowledged */
#define GONE      3       /* acknowledged and deleted */
#define FORGOTTEN 4       /* in the stream, neither pending nor to be delivered */
byte place_of[ENTRIES];
byte count[ENTRIES];      /* deliveries, as Redis counts them */
byte consumer[ENTRIES];
#define record_of(e) ((e) / ENTRIES_EACH)
#define nth(r, n) ((r) * ENTRIES_EACH + (n))

short stock = STOCK;

/* Who does not act any more. Owners are compared with callers only, so the name
 * of one that will never call again does not matter: an invocation that ends, or
 * a bridge that dies, is renamed to this, and its own name is free for the next. */
#define SOMEBODY 99

/* ---- what the promises are checked by; no script reads it ---- */
byte effects[CONTENTS + 1];
short received, written;        /* goods in; what the ledger says was taken */
byte last_fence[RECORDS];       /* the highest fence ever won */
byte leased[RECORDS];           /* the fence whose lease has not ended, whatever became of the lock */
byte end_state[RECORDS], end_fence[RECORDS], end_owner[RECORDS];

#define on_stream(e) (place_of[e] == WAITING || place_of[e] == PENDING || place_of[e] == FORGOTTEN)

inline check_record(r) {
  promise(one_effect, effects[content[r]] <= 1);
  promise(state_is_true, state[r] == NONE || effects[content[r]] == (state[r] == SETTLED -> 1 : 0));
  promise(done_is_final, end_state[r] == NONE ||
    (state[r] == end_state[r] && fence[r] == end_fence[r] && owner[r] == end_owner[r]));
  promise(never_lost, state[r] != ACCEPTED || begun(r) || entry[r] != 0 &&
    (place_of[entry[r] - 1] == WAITING || place_of[entry[r] - 1] == PENDING));
#ifndef STRAYS
  promise(dead_or_settled, state[r] != DEAD && letters[r] == 0 || state[r] == DEAD && effects[content[r]] == 0);
  promise(one_entry, on_stream(nth(r, 0)) + (ENTRIES_EACH > 1 -> on_stream(nth(r, ENTRIES_EACH - 1)) : 0)
    == (state[r] == ACCEPTED && !begun(r) -> 1 : 0));
#endif
}
inline check() {
  check_record(0);
#if RECORDS > 1
  check_record(1);
#endif
#if RECORDS > 2
  check_record(2);
#endif
  promise(no_oversell, stock >= 0);
  promise(stock_conserved, stock == STOCK + received - written);
}

/* ---- parts of scripts ---- */
#define held(r)        (lock_fence[r] != 0)
#define mine(r, f, me) (lock_fence[r] == f && lock_owner[r] == me)

inline unlock(r) { lock_fence[r] = 0; lock_owner[r] = 0 }

#if ENTRIES_EACH == 1
#define next_of(r) nth(r, 0)
#elif ENTRIES_EACH == 2
#define next_of(r) (place_of[nth(r, 0)] == UNUSED -> nth(r, 0) : nth(r, 1))
#else
#define next_of(r) (place_of[nth(r, 0)] == UNUSED -> nth(r, 0) : (place_of[nth(r, 1)] == UNUSED -> nth(r, 1) : nth(r, 2)))
#endif
inline add(r) { /* XADD: an entry's name is never used again */
  entry[r] = next_of(r) + 1;
  assert(place_of[entry[r] - 1] == UNUSED);
  place_of[entry[r] - 1] = WAITING
}
#define room(r) (place_of[nth(r, ENTRIES_EACH - 1)] == UNUSED)

inline acknowledge(e) { place_of[e] = GONE; count[e] = 0; consumer[e] = 0 }

inline write_letter(r, letter) {
  letter = (letters[r] % 2 == 0 && dead[r] != 1 -> 1 : 2);
  assert((letters[r] & letter) == 0); /* letters 1 and 2 are bits 1 and 2 */
  letters[r] = letters[r] | letter
}

inline bury(r, by) { /* by: the fence of the claim that gives up, or 0 */
  promise(buried_late, entry[r] != 0 && count[entry[r] - 1] >= LIMIT);
  promise(alone_in_lease, leased[r] == 0 || leased[r] == by);
  write_letter(r, dead[r]);
  state[r] = DEAD;
  acknowledge(entry[r] - 1);
  entry[r] = 0
}

/* ---- answers ---- */
/* For the reader of a counterexample. The search does not print. */
#define say printf

mtype = { refused, already, won, busy, done, lost, released, placed, replayed, conflict, buried, cleared, early, gone,
  redriven, discarded, taken, left, taken_in, kept, freed };

/* ---- the scripts ---- */

inline put(r, c) { add(r); state[r] = ACCEPTED; content[r] = c }

/* place: r is the record of the id, v that of the variant, c the content. */
#define REFUSE   1
#define SEPARATE 2
#define BURY     3
#define FLAWED   4 /* has a flaw: bury under the variant's id */
inline place(r, v, c, mode) {
  d_step {
    if
    :: stops(place_placed_once, content[r] == c) -> answer = replayed
    :: else -> if
    :: stops(place_same_content, content[r] != 0 && mode == REFUSE) -> answer = conflict
    :: else -> if
    :: stops(place_variant_placed_once, content[v] == c) -> answer = replayed
    :: else -> if
    :: mode != FLAWED && (content[r] == 0 || mode == SEPARATE) ->
      if
      :: content[r] == 0 -> put(r, c)
      :: else -> put(v, c)
      fi;
      answer = placed
    :: else ->
      promise(never_lost, state[v] != ACCEPTED);
      write_letter(v, dead[v]);
      state[v] = DEAD; content[v] = c;
      answer = buried
    fi fi fi fi;
    say("place %e: content %d under id %d\n", answer, c, r);
    promise(answers_true, answer != replayed || content[r] == c || content[v] == c);
    promise(answers_true, answer != conflict || content[r] != 0 && content[r] != c);
    check()
  }
}

/* claim: n is how often the order was delivered, as the caller was told. */
inline claim(r, me, n) {
  d_step {
    answer_fence = 0;
    if
    :: stops(claim_only_what_was_placed, state[r] == NONE) -> answer = refused
    :: else -> if
    :: stops(claim_done_is_final, state[r] != ACCEPTED) -> answer = already
    :: else -> if
    :: held(r) && mine(r, fence[r], me) && owner[r] == me -> answer = won; answer_fence = fence[r]
    :: else -> if
    :: held(r) -> answer = busy; answer_fence = lock_fence[r]
    :: else ->
      answer = won;
      answer_fence = fence[r] + 1;
      promise(fence_grows, answer_fence > last_fence[r]);
      promise(alone_in_lease, leased[r] == 0);
      last_fence[r] = answer_fence;
      leased[r] = answer_fence;
      lock_fence[r] = answer_fence;
      lock_owner[r] = me;
      if
      :: with(fence_on_record) -> fence[r] = answer_fence; owner[r] = me
      :: else
      fi;
      tries[r] = n
    fi fi fi fi;
    say("claim %e: order %d, fence %d\n", answer, r, answer_fence);
    promise(answers_true, answer != refused || state[r] == NONE);
    promise(answers_true, answer != already || ended(r));
    promise(answers_true, answer != won || state[r] == ACCEPTED && mine(r, answer_fence, me));
    check()
  }
}

/* renew: a lease that goes on is one that does not end now, so all that is left
 * is the answer. */
inline renew(r, f, me) {
  d_step {
    answer = (stops(renew_mine, !mine(r, f, me)) -> lost : kept);
    say("renew %e: order %d, fence %d\n", answer, r, f);
    promise(answers_true, answer != kept || mine(r, f, me))
  }
}

inline settle(r, f, me) {
  d_step {
    if
    :: stops(settle_only_what_was_placed, state[r] == NONE) -> answer = refused
    :: else -> if
    :: stops(settle_replayed, (state[r] == SETTLED || state[r] == REJECTED) && fence[r] == f && owner[r] == me) -> answer = done
    :: else -> if
    :: stops(settle_done_is_final, state[r] != ACCEPTED) -> answer = already
    :: else -> if
    :: stops(settle_mine, !mine(r, f, me)) -> answer = lost
    :: else ->
      answer = done;
      promise(newest_settles, f == last_fence[r]);
      promise(alone_in_lease, leased[r] == 0 || leased[r] == f);
      if
      :: with(stock_check) && stock < WANTED -> end_state[r] = REJECTED
      :: else ->
        end_state[r] = SETTLED;
        stock = stock - WANTED;
        effects[content[r]]++;
        if
        :: with(ledger) -> written = written + WANTED
        :: else
        fi
      fi;
      if
      :: with(done_mark) -> state[r] = end_state[r]
      :: else
      fi;
      ttl[r] = 1;
      unlock(r);
      leased[r] = 0;
      end_fence[r] = fence[r];
      end_owner[r] = owner[r];
      if
      :: with(ack_by_settle) && entry[r] != 0 -> acknowledge(entry[r] - 1); entry[r] = 0
      :: else
      fi
    fi fi fi fi;
    say("settle %e: order %d, fence %d\n", answer, r, f);
    promise(answers_true, answer != refused || state[r] == NONE);
    promise(answers_true, answer != done || (state[r] == SETTLED || state[r] == REJECTED) && fence[r] == f && owner[r] == me);
    promise(answers_true, answer != already || ended(r) && (state[r] == DEAD || fence[r] != f || owner[r] != me));
    promise(answers_true, answer != lost || state[r] == ACCEPTED && !mine(r, f, me));
    check()
  }
}

inline release(r, f, me) {
  d_step {
    if
    :: stops(release_mine, !mine(r, f, me)) -> answer = lost
    :: else ->
      answer = released;
      if
      :: entry[r] != 0 && place_of[entry[r] - 1] == PENDING && count[entry[r] - 1] >= LIMIT -> bury(r, f); answer = buried
      :: else
      fi;
      unlock(r);
      if
      :: leased[r] == f -> leased[r] = 0
      :: else
      fi
    fi;
    say("release %e: order %d, fence %d\n", answer, r, f);
    check()
  }
}

inline deadletter(e) {
  d_step {
    if
    :: stops(deadletter_pending, place_of[e] != PENDING) -> answer = gone
    :: else -> if
    :: state[record_of(e)] == NONE ->
      write_letter(record_of(e), answer); /* nothing on record refers to it */
      acknowledge(e);
      answer = refused
    :: else -> if
    :: state[record_of(e)] != ACCEPTED || entry[record_of(e)] != e + 1 -> acknowledge(e); answer = cleared
    :: else -> if
    :: stops(deadletter_nobodys, held(record_of(e))) -> answer = busy
    :: else -> if
    :: stops(deadletter_used_up, count[e] < LIMIT) -> answer = early
    :: else -> bury(record_of(e), 0); answer = buried
    fi fi fi fi fi;
    say("deadletter %e: order %d, entry %d\n", answer, record_of(e), e);
    check()
  }
}

inline redrive(r) {
  d_step {
    if
    :: stops(redrive_dead, state[r] != DEAD) -> answer = refused
    :: else ->
      add(r);
      state[r] = ACCEPTED;
      letters[r] = letters[r] & (7 - dead[r]);
      dead[r] = 0;
      tries[r] = 0;
      if
      :: with(persist) -> ttl[r] = 0
      :: else
      fi;
      answer = redriven
    fi;
    say("redrive %e: order %d\n", answer, r);
    check()
  }
}

inline discard(r, letter) {
  d_step {
    if
    :: (letters[r] & letter) == 0 -> answer = refused
    :: else ->
      letters[r] = letters[r] & (7 - letter);
      answer = discarded;
      if
      :: stops(discard_its_own_order, dead[r] != letter) -> skip
      :: else ->
        dead[r] = 0;
        ttl[r] = (state[r] != NONE -> 1 : 0)
      fi
    fi;
    say("discard %e: a letter of order %d\n", answer, r);
    check()
  }
}

/* read is no script but XREADGROUP: the first delivery of an entry. */
inline read(e, me) {
  d_step { place_of[e] = PENDING; count[e] = 1; consumer[e] = me; say("read: entry %d\n", e) }
}

/* idle: whether the entry has been idle for as long as the caller asks. */
inline take(e, me, idle) {
  d_step {
    if
    :: place_of[e] != PENDING -> answer = left
    :: else -> if
    :: stops(take_idle, !idle) -> answer = left
    :: else ->
      promise(rested, idle);
      consumer[e] = me;
      count[e]++;
      answer = taken
    fi fi;
    say("take %e: entry %d\n", answer, e);
    check()
  }
}

inline handback(e, me) {
  d_step {
    if
    :: place_of[e] != PENDING || stops(handback_mine, consumer[e] != me) -> skip
    :: else ->
      promise(own_delivery, consumer[e] == me);
      consumer[e] = me;
      count[e] = (count[e] > 0 -> count[e] - 1 : 0)
    fi;
    say("handback: entry %d, %d deliveries\n", e, count[e]);
    check()
  }
}

#ifdef HANDLERS
/* begin: the fence is the time in us, so that it grows even when the record that
 * knew the last one has expired. Here: one more than any before. */
inline begin(r, c, me) {
  d_step {
    answer_fence = 0;
    if
    :: stops(begin_same_content, content[r] != 0 && content[r] != c) -> answer = conflict
    :: else -> if
    :: stops(begin_not_placed, entry[r] != 0 || dead[r] != 0) -> answer = conflict
    :: else -> if
    :: stops(begin_done_is_final, state[r] != NONE && state[r] != ACCEPTED) -> answer = already
    :: else -> if
    :: held(r) && mine(r, fence[r], me) && owner[r] == me -> answer = won; answer_fence = fence[r]
    :: else -> if
    :: held(r) -> answer = busy
    :: else ->
      answer = won;
      answer_fence = last_fence[r] + 1;
      promise(fence_grows, answer_fence > fence[r]);
      promise(alone_in_lease, leased[r] == 0);
      was_begun[r] = (entry[r] == 0);
      last_fence[r] = answer_fence; leased[r] = answer_fence;
      lock_fence[r] = answer_fence; lock_owner[r] = me;
      fence[r] = answer_fence; owner[r] = me;
      state[r] = ACCEPTED; content[r] = c;
      ttl[r] = 1
    fi fi fi fi fi;
    say("begin %e: content %d, fence %d\n", answer, c, answer_fence);
    promise(answers_true, answer != won || state[r] == ACCEPTED && content[r] == c && mine(r, answer_fence, me));
    promise(answers_true, answer != already || ended(r) && content[r] == c);
    promise(answers_true, answer != conflict || content[r] != 0 && content[r] != c || entry[r] != 0 || dead[r] != 0);
    check()
  }
}

inline free(r, f, me) {
  d_step {
    if
    :: stops(free_not_ended, state[r] != ACCEPTED) -> answer = lost
    :: else -> if
    :: stops(free_mine, fence[r] != f || owner[r] != me) -> answer = lost
    :: else -> if
    :: stops(free_not_placed, entry[r] != 0) -> answer = lost
    :: else ->
      content[r] = 0;
      if
      :: mine(r, f, me) -> unlock(r); leased[r] = 0
      :: else
      fi;
      answer = freed
    fi fi fi;
    say("free %e: fence %d\n", answer, f);
    check()
  }
}
#endif

#ifdef RECEIPT
byte receipt;                   /* the content received under the one receipt id there is */
byte receipts;                  /* how often goods came in for it */
inline receive(c) {
  d_step {
    if
    :: stops(receive_same_content, receipt != 0 && receipt != c) -> answer = conflict
    :: else -> if
    :: stops(receive_received_once, receipt != 0) -> answer = replayed
    :: else ->
      stock++;
      received++;
      receipts++;
      receipt = c;
      answer = taken_in
    fi fi;
    say("receive %e: content %d\n", answer, c);
    promise(one_receipt, receipts <= 1);
    promise(answers_true, answer != replayed || receipt == c);
    promise(answers_true, answer != conflict || receipt != c);
    check()
  }
}
#endif

/* leave: me goes, unless an entry is pending for it. */
#define has_pending(e, me) (place_of[e] == PENDING && consumer[e] == me)
#ifdef pending_for
inline forget(e, me) {
  if
  :: has_pending(e, me) -> place_of[e] = FORGOTTEN; count[e] = 0; consumer[e] = 0
  :: else
  fi
}
inline leave(me) {
  d_step {
    if
    :: stops(leave_nothing_pending, pending_for(me)) -> answer = left
    :: else -> forget_all(me); answer = gone
    fi;
    say("leave %e: bridge %d\n", answer, me);
    check()
  }
}
#endif

/* ---- time ---- */
inline expire_lock(r) {
  d_step { unlock(r); leased[r] = 0; say("the lease of order %d ends\n", r) }
}
#ifndef forget_fence
#define forget_fence(r) last_fence[r] = 0 /* placed again, the order has fences from 1 on */
#endif
inline expire_record(r) {
  d_step {
    promise(never_lost, state[r] != ACCEPTED || begun(r));
    state[r] = NONE; content[r] = 0; fence[r] = 0; owner[r] = 0; tries[r] = 0; dead[r] = 0; ttl[r] = 0; forget_fence(r);
    end_state[r] = NONE; end_fence[r] = 0; end_owner[r] = 0;
    say("the record of order %d expires\n", r);
    check()
  }
}

/* What is left of an owner in Redis when it is gone. */
inline rename_owner(r, me) {
  if
  :: lock_owner[r] == me -> lock_owner[r] = SOMEBODY
  :: else
  fi;
  if
  :: owner[r] == me -> owner[r] = SOMEBODY
  :: else
  fi;
  if
  :: end_owner[r] == me -> end_owner[r] = SOMEBODY
  :: else
  fi
}
