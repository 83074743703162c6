/* The algorithm of the article: an order is published to whoever listens; each
 * listener tries SET NX PX, processes the order if it got the lock, and deletes
 * the lock whoever's it is. Nothing remembers what was done, nothing is delivered
 * again. The promises are those of engine.pml, under the same names.
 */
#ifndef LISTENERS
#define LISTENERS 2
#endif
#define nothing       0
#define one_effect    1
#define alone_in_lease 8
#define all_end      17
#ifndef ONLY
#define ONLY nothing
#endif
#define promise(name, condition) assert((ONLY != 0 && ONLY != name) || (condition))

#ifndef SLOW
#define SLOW 0        /* 1: the work may take longer than the lease */
#endif
#ifndef CRASHES
#define CRASHES 0     /* how many listeners may crash, or be away when it is published */
#endif

bit published, lock;
bit inbox[LISTENERS], leased[LISTENERS]; /* leased: it works, and its own lease has not ended */
byte holder;                             /* whose lease the lock's is, from 1 */
byte effects, crashes = CRASHES;
#define n_leased (leased[0] + leased[1] + (LISTENERS > 2 -> leased[LISTENERS - 1] : 0))

active proctype publisher() {
  byte i;
  d_step {
    do
    :: i < LISTENERS -> inbox[i] = 1; i++
    :: else -> break
    od;
    published = 1;
    printf("published, and the client is told 201\n")
  }
}

active [LISTENERS] proctype listener() {
#define i (_pid - 1)
#define GONE 3
  byte phase; /* 0 it listens, 1 it has the lock, 2 it has processed the order */
end:
  do
  :: atomic { phase == 0 && inbox[i] && lock -> inbox[i] = 0; printf("listener %d finds it locked\n", i) }
  :: atomic { phase == 0 && inbox[i] && !lock ->
      phase = 1; lock = 1; holder = i + 1; leased[i] = 1; inbox[i] = 0;
      printf("listener %d has the lock\n", i);
      promise(alone_in_lease, n_leased <= 1)
    }
  :: atomic { phase == 1 -> phase = 2; effects++; printf("listener %d has processed the order\n", i); promise(one_effect, effects <= 1) }
  :: atomic { phase == 2 -> phase = 0; lock = 0; holder = 0; leased[i] = 0; printf("listener %d deletes the lock\n", i) }
  :: atomic { crashes > 0 -> crashes--; phase = GONE; inbox[i] = 0; printf("listener %d crashes\n", i) }
  od
}

active proctype time() {
end:
  do
  :: atomic { lock && SLOW -> lock = 0; leased[holder - 1] = 0; holder = 0; printf("the lease ends\n") }
  od
}

active proctype finish() {
end:
  timeout -> promise(all_end, !published || effects > 0)
}
