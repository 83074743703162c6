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
/* no guards, but what the promises rest on as well */
#define done_mark                       51 /* settle writes the state */
#define ack_by_settle                   52 /* instead the bridge acknowledges when a contender returns */
#define lease                           53 /* a lock ends by itself */
#define redelivery                      54 /* what is pending is delivered again */
#define stock_check                     55 /* the effect looks before it takes */
#define fence_on_record                 56 /* a won claim writes its fence */
#define persist                         57 /* redrive takes the TTL off the record */
#define unlock_by_settle                58 /* settle drops the lock */
#define waiting_for_the_lease           59 /* the bridge postpones what is held */
#define uncounting                      60 /* the bridge hands back what reached nobody */
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
#define spared          18 /* faults fewer than LIMIT bury nobody */
#ifndef ONLY
#define ONLY 0
#endif
hidden bit broken_unless;
/* The variable's name is in pan's message, so that it says what was broken. */
#define promise(name, condition) \
  ok_##name = (ONLY != 0 && ONLY != name) || (condition); assert(ok_##name)
#define declare(name) hidden bit ok_##name = 1
declare(1); /* replaced below: see names */
