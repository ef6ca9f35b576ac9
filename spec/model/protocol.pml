/*
 * The recovery protocol in small: two instances, one Redis, one session and, with REGENERATE, the id that it moves to.
 * `spin` visits every state within the bounds. docs/protocol.md explains it; spec/model/model.ts runs it.
 *
 * One step here is what happens between two points at which others can act. A swap and what its writer makes of the
 * answer are one step: the answer touches nothing but the writer's own instance, and the writes of one key run one by one
 * (Serial). For the same reason a conflict, the merge and the swap after it are one step, except where a merge has effects
 * elsewhere (a regenerate in the drain). A read is two steps, question and answer, because much can happen between.
 *
 * After each step `models:` names the function that it stands for; a test looks each of them up in src.
 */

/* Bounds. A fault happens as often as its bound says, at any moment, or not at all. */
#ifndef WRITES
#define WRITES 3
#endif
#ifndef LOGOUTS
#define LOGOUTS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef CUTS
#define CUTS 2
#endif
#ifndef LOST
#define LOST 0
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef EVICTIONS
#define EVICTIONS 0
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif

#define A 0
#define B 1
#define OLD 0
#define NEW 1
#ifdef REGENERATE
#define IDS 2
#else
#define IDS 1
#endif
/* The slots of one id at two instances. */
#define SLOTS (2 * IDS)
#define AT(i, k) ((i) * IDS + (k))

/* What stands under a key. */
#define NONE 0
#define RECORD 1
#define DESTROYED 2
#define REGENERATED 3

/* Stamps, and what a swap may expect. A key stamp NONE: there is no such key. */
#define ZERO 1
#define FIRST 2
#define NULL_ 0
#define ANY 31

/* Origins of an item. */
#define CREATED 1
#define BASED 2
#define BLIND 3

/*
 * The link of an instance. While it is down nothing is answered, be it that the circuits are open or that the cut was not
 * noticed yet; in that case a swap may still arrive, its reply lost, or arrive later.
 */
#define UP 0
#define DOWN 1

/* What becomes of one swap. */
#define FINE 0
#define UNSENT 1
#define REPLY_LOST 2
#define DELAYED 3

/* What a swap meets. */
#define DONE 1
#define MET 2
#define NOTHING 3

/* `kept`, of a write that a later change of the same key stood above already. */
#define YIELDED 2

/* A request. */
#define IDLE 0
#define ASKED 1
#define LOADED 2
#define MOVED 3
#define OVER 4

/* What became of a write. */
#define UNACKNOWLEDGED 0
#define ACKNOWLEDGED 1
#define SUPERSEDED 2
#define COUNTED_LOST 3
#define ADOPTED 4
#define EXCUSED 5

/* A key that was removed keeps its stamp, so a removal is a change like any other: its value is its stamp. */
typedef Entry { unsigned kind : 2; unsigned stamp : 5; unsigned k0 : 5; unsigned k1 : 5 }
typedef Item {
  unsigned kind : 2; unsigned stamp : 5; unsigned k0 : 5; unsigned k1 : 5;
  unsigned expected : 5; unsigned origin : 2; unsigned waits : 3; unsigned after : 1
}
typedef Clocks { unsigned a : 5; unsigned b : 5 }
typedef Request {
  unsigned phase : 3; unsigned at : 1; unsigned sid : 1; unsigned blind : 1;
  unsigned own : 5; unsigned fate : 3; Entry base
}

Entry redis[IDS];
Item journal[SLOTS];
Entry shadow[SLOTS];
bit grave[SLOTS];
bit link[2];
Clocks clocks;

/* Requests 0 to WRITES - 1 write; the one after them regenerates. */
#define MOVE WRITES
#ifdef REGENERATE
#define REQUESTS (WRITES + 1)
#else
#define REQUESTS WRITES
#endif
Request request[REQUESTS];

/* A swap whose sender has given up, still in the network. */
Item packet;
bit packetSid;

/* The logout: acknowledged at `outAt`; void once its instance died with it. */
bit out;
bit outAt;
bit outSid;
bit outVoid;

/* What was known of faults and of the move. */
unsigned lostLeft : 1 = LOST;
unsigned lateLeft : 1 = LATE;
unsigned cutsLeft : 2 = CUTS;
unsigned crashesLeft : 1 = CRASHES;
unsigned evictionsLeft : 1 = EVICTIONS;
unsigned restartsLeft : 1 = RESTARTS;
#if CRASHES > 0
bit died[2];
#endif
#if RESTARTS > 0 && !defined(STRICT)
bit dataLost;
#else
#define dataLost 0
#endif
#ifdef REGENERATE
bit moved;      /* a regenerated tombstone has stood in Redis */
bit known;      /* the cookie of the new id was set */
unsigned moving : 3;    /* writes that are on their way to the new id */
#endif
#ifdef DRAIN_ONLY_RECOVERING
bit recovering[2];
#endif

/* The choice of a step, zero between steps. */
unsigned fault : 2;
unsigned who : 2;
bit choice;
bit choiceSid;

/* Scratch of one step. */
hidden Item e;
hidden byte met;
hidden byte slot;   /* AT(i, k) of the step */
hidden byte other;
hidden byte stamp;
hidden byte n;
hidden byte group;
hidden byte kept;
hidden byte going;

#define tombstone(x) (x > RECORD)
#define max(a, b) ((a) > (b) -> (a) : (b))
/* A swap that is sent and lost changes nothing, so it is no step. */
#define sends(i) (link[i] == UP || lostLeft + lateLeft > 0)
#define bit_(r) (1 << (r))
/* Writer.blocked: the record of a new id waits for the tombstone over the old one. */
#define blocked(i, x) (x.after && journal[AT(i, OLD)].kind != NONE)

inline clearEntry(x) { x.kind = 0; x.stamp = 0; x.k0 = 0; x.k1 = 0 }
inline clearItem(x) { clearEntry(x); x.expected = 0; x.origin = 0; x.after = 0; x.waits = 0 }
inline copyEntry(to, from) { to.kind = from.kind; to.stamp = from.stamp; to.k0 = from.k0; to.k1 = from.k1 }
inline copyItem(to, from) {
  copyEntry(to, from); to.expected = from.expected; to.origin = from.origin; to.after = from.after; to.waits = from.waits
}

#define clockOf(i) (i == A -> clocks.a : clocks.b)
inline setClock(i, to) { if :: i == A -> clocks.a = to :: else -> clocks.b = to fi }

#define keyOf(r) (r == 1)

/* models: Stamps.next. Later than all that this instance has seen; which of two instances is ahead is left open. */
inline nextStamp(i, seen) {
  stamp = max(clockOf(i), seen) + 1;
  if :: stamp % 2 != i -> stamp = stamp + 1 :: else fi;
  assert(stamp < ANY);
  setClock(i, stamp)
}

/* models: RedisStore.swap. What `x` carries meets what stands under id `k`; `met` is the answer. */
inline redisSwap(x, k) {
  if
  :: redis[k].kind != NONE && redis[k].stamp == x.stamp -> met = DONE
  :: else ->
    if
#ifdef BLIND_SET
    :: x.kind == RECORD -> put(x, k)
#endif
    :: redis[k].kind == NONE && (x.expected == NULL_ || x.expected == ANY) -> put(x, k)
    :: redis[k].kind == NONE && x.expected != NULL_ && x.expected != ANY -> met = NOTHING
    :: redis[k].kind != NONE && x.expected == ANY && tombstone(redis[k].kind) -> met = DONE
    :: redis[k].kind != NONE && x.expected == ANY && !tombstone(redis[k].kind) -> put(x, k)
    :: redis[k].kind != NONE && x.expected != ANY ->
      if
      :: x.expected == NULL_ || (tombstone(redis[k].kind) && x.kind == RECORD) || redis[k].stamp != x.expected ->
        met = MET
      :: else -> put(x, k)
      fi
    fi
  fi
}

inline put(x, k) {
  printf(">   Redis[%d] = kind %d, stamp %d (%d %d)\n", k, x.kind, x.stamp, x.k0, x.k1);
  met = DONE;
  if
  :: redis[k].kind == RECORD && x.kind == RECORD ->
    /* Stamps only grow, of the session and of each of its keys. */
    assert(x.stamp > redis[k].stamp && x.k0 >= redis[k].k0 && x.k1 >= redis[k].k1)
  :: else
  fi;
#ifdef NO_TOMBSTONES
  if
  :: tombstone(x.kind) -> clearEntry(redis[k])
  :: else -> copyEntry(redis[k], x)
  fi;
#else
  copyEntry(redis[k], x);
  if :: tombstone(x.kind) -> redis[k].k0 = 0; redis[k].k1 = 0 :: else fi;
#endif
#ifdef REGENERATE
  if :: x.kind == REGENERATED -> moved = 1 :: else fi
#endif
}

/* models: Graveyard.bury, Shadow.drop. */
inline bury(s) {
#ifndef NO_GRAVEYARD
  grave[s] = 1;
#endif
  clearEntry(shadow[s])
}

/* models: Shadow.keep. */
inline keep(s, x) {
  if
  :: shadow[s].kind != NONE && shadow[s].stamp > x.stamp
  :: else -> copyEntry(shadow[s], x)
  fi
}

/* Nothing more is asked of this write. */
inline fated(r, what) { request[r].fate = what; request[r].at = 0; request[r].sid = 0; request[r].own = 0 }

/* The writes of `group` come to `what`. */
inline settleWrites(group, what) {
  n = 0;
  do
  :: n < WRITES ->
    if
    :: (group >> n) & 1 ->
      /* Exactly once: what has left the journal with a fate never gets another. */
      assert(request[n].fate <= ACKNOWLEDGED || request[n].fate == EXCUSED);
      if :: request[n].fate == ACKNOWLEDGED -> fated(n, what) :: else fi
    :: else
    fi;
    n++
  :: else -> break
  od;
  n = 0
}

#ifdef REGENERATE
#define unmoved (!moved)
#else
#define unmoved 1
#endif
/* The session was logged out, and not moved to another id before that. */
#define over (out && (outSid == NEW || unmoved))

#if CRASHES > 0
#define diedAt(i) (died[i])
#else
#define diedAt(i) 0
#endif
/* What was written under one id is read under it, and under the other where this very instance moved the session. */
#ifdef REGENERATE
#define seenUnder(r, i, k) (request[r].sid == k || k == NEW && request[MOVE].at == i)
#else
#define seenUnder(r, i, k) 1
#endif

/* Read-your-writes, and no reading after a logout that this instance acknowledged. */
inline observe(i, k, x) {
  assert(!(out && outAt == i && outSid == k && !outVoid));
  n = 0;
  do
  :: n < WRITES ->
    assert(over || dataLost || diedAt(i) || !(request[n].fate == ACKNOWLEDGED && request[n].at == i && seenUnder(n, i, k) &&
      (keyOf(n) == 0 && x.k0 < request[n].own || keyOf(n) == 1 && x.k1 < request[n].own)));
    n++
  :: else -> break
  od;
  n = 0
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* It ends without having written. */
inline dropRequest(r) { request[r].at = 0; request[r].sid = 0; endRequest(r) }

inline endRequest(r) {
  request[r].phase = OVER; request[r].blind = 0; clearEntry(request[r].base)
}

inline loadFrom(r, i, x, isBlind) {
  printf(">   request %d loads stamp %d (%d %d), blind %d\n", r, x.stamp, x.k0, x.k1, isBlind);
  copyEntry(request[r].base, x);
  request[r].blind = isBlind;
  request[r].phase = LOADED;
  if :: !isBlind -> observe(i, request[r].sid, x) :: else fi
}

/* models: Reader.lookup. The journal's item is retried first: that is the drain's step, and it may always fail. */
inline ask(r, i, k) {
  printf("> request %d at %d asks for id %d\n", r, i, k);
  slot = AT(i, k);
  request[r].at = i;
  request[r].sid = k;
  if
  :: grave[slot] || tombstone(journal[slot].kind) -> dropRequest(r)
  :: else ->
    if
    :: journal[slot].kind == RECORD -> n = (journal[slot].origin == BLIND); loadFrom(r, i, journal[slot], n)
    :: journal[slot].kind == NONE && link[i] == UP -> copyEntry(request[r].base, redis[k]); request[r].phase = ASKED
    :: journal[slot].kind == NONE && link[i] != UP -> fromShadow(r, i)
    fi
  fi
}

/* models: Reader.fromShadow, Shadow.warm. Without a copy the session is unavailable, and a write to it blind. */
inline fromShadow(r, i) {
  if
  :: shadow[slot].kind == NONE -> clearEntry(request[r].base); request[r].blind = 1; request[r].phase = LOADED
  :: else -> loadFrom(r, i, shadow[slot], 0)
  fi
}

/* models: Reader.fromStore, Reader.waiting, Reader.found. The answer is as old as the question. */
inline answer(r, i, k) {
  printf("> request %d at %d is answered: kind %d, stamp %d\n", r, i, request[r].base.kind, request[r].base.stamp);
  slot = AT(i, k);
  if
#ifndef NO_WAITING
  :: grave[slot] || tombstone(journal[slot].kind) -> dropRequest(r)
  :: !grave[slot] && journal[slot].kind == RECORD -> n = (journal[slot].origin == BLIND); loadFrom(r, i, journal[slot], n)
#endif
  :: else ->
    if
    :: request[r].base.kind == NONE -> clearEntry(shadow[slot]); dropRequest(r)
    :: tombstone(request[r].base.kind) -> bury(slot); dropRequest(r)
    :: request[r].base.kind == RECORD ->
      if
      :: shadow[slot].kind != NONE && shadow[slot].stamp > request[r].base.stamp -> loadFrom(r, i, shadow[slot], 0)
      :: else -> keep(slot, request[r].base); loadFrom(r, i, request[r].base, 0)
      fi
    fi
  fi
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* models: mergeRecords, byKey. For each key the later change. */
inline mergeInto(x, theirs) {
#ifdef MERGE_BASE
  /* What this write changed since its base is kept, whatever the stamps say. */
  if :: !(x.waits & 5) -> x.k0 = theirs.k0 :: else fi;
  if :: !(x.waits & 2) -> x.k1 = theirs.k1 :: else fi
#else
  x.k0 = max(x.k0, theirs.k0);
  x.k1 = max(x.k1, theirs.k1)
#endif
}

/* models: Writer.wait, Journal.put. Acknowledged now, and the truth on this instance until Redis has it. */
inline wait(i, k) {
  kept = 1;
  met = MET;
#ifndef JOURNAL_IGNORES_COPY
  if
  :: journal[slot].kind == NONE && e.origin != BLIND && e.expected != ANY && shadow[slot].stamp > e.expected ->
    /* This instance has acknowledged more than this write knew of, and the journal will answer its reads. */
    mergeInto(e, shadow[slot]);
    if
    :: e.kind == RECORD && e.k0 == shadow[slot].k0 && e.k1 == shadow[slot].k1 -> met = DONE; kept = YIELDED
    :: else ->
      stamp = max(shadow[slot].stamp, e.stamp);
      nextStamp(i, stamp);
      e.stamp = stamp;
      e.expected = shadow[slot].stamp
    fi
  :: else
  fi;
#endif
  if
#ifdef FORGET_UNACKED
  :: met == MET && fault != UNSENT && journal[slot].kind != NONE -> clearItem(journal[slot])
#endif
  :: met == DONE
  :: else ->
    printf(">   journal[%d] = kind %d, stamp %d (%d %d) over %d, origin %d\n", slot, e.kind, e.stamp, e.k0, e.k1, e.expected, e.origin);
    copyItem(journal[slot], e);
    if :: tombstone(e.kind) -> bury(slot) :: else fi
  fi
}

/* models: Writer.acknowledged, Writer.release, Journal.delete. */
inline acknowledged(i, k) {
  kept = 1;
  if
  :: tombstone(e.kind) -> bury(slot)
  :: else -> keep(slot, e)
  fi;
  clearItem(journal[slot])
}

/* models: Writer.swap, Circuit.run. A swap that nothing is in the way of meets the network. */
inline send(i, k) {
  if
  :: fault == DELAYED ->
    copyItem(packet, e);
    packet.waits = 0; packet.after = 0; packet.origin = 0;
    packetSid = k;
    lateLeft--;
    wait(i, k)
  :: else ->
    redisSwap(e, k);
    assert(met == DONE);
    if
    :: fault == REPLY_LOST -> lostLeft--; wait(i, k)
    :: else -> acknowledged(i, k)
    fi
  fi
}

#ifdef REGENERATE
/* models: Writer.endDependents, Writer.endAnyway. The new id ends with the old one. */
inline endDependents(i, fate) {
  other = AT(i, NEW);
  if
  :: journal[other].kind == RECORD && journal[other].after ->
    settleWrites(journal[other].waits, fate);
    nextStamp(i, journal[other].stamp);
    clearItem(journal[other]);
    journal[other].kind = DESTROYED;
    journal[other].stamp = stamp;
    journal[other].expected = ANY;
    journal[other].origin = BASED;
    bury(other)
  :: else
  fi
}
#endif

/* models: Writer.ended, Writer.endDependents. A tombstone stands in the way. */
inline ended(i, k) {
  bury(slot);
  settleWrites(e.waits, SUPERSEDED);
  clearItem(journal[slot]);
#ifdef REGENERATE
  if
  :: k == OLD && e.kind == REGENERATED && redis[k].kind == DESTROYED -> endDependents(i, SUPERSEDED)
  :: else
  fi
#endif
}

/* models: settle, meet, Draft.merge, Draft.yield. A record stands in the way: merge, and swap again. */
inline meetRecord(i, k) {
  mergeInto(e, redis[k]);
  if
  :: e.kind == RECORD && e.k0 == redis[k].k0 && e.k1 == redis[k].k1 ->
    /* What is there says all that this one would. */
    kept = 1;
#ifndef YIELD_KEEPS_OLD_COPY
    keep(slot, redis[k]);
#endif
    clearItem(journal[slot])
  :: else ->
    stamp = max(redis[k].stamp, e.stamp);
    nextStamp(i, stamp);
    e.stamp = stamp;
    e.expected = redis[k].stamp;
#ifndef BLIND_STAYS_BLIND
    /* It has seen now what is there. */
    e.origin = BASED;
#endif
    send(i, k)
  fi
}

/* models: meetNothing, putBack, Journal.orphan. */
inline meetNothing(i, k) {
  if
  :: e.origin == BLIND && e.kind == RECORD ->
    /* It lives on under a new id, so it must hold nothing of a session that has ended. */
    assert(!(out && !outVoid && (e.k0 > ZERO || e.k1 > ZERO)));
    settleWrites(e.waits, ADOPTED); clearItem(journal[slot])
#if EVICTIONS > 0 && !defined(EVICTED_PUT_BACK)
  :: e.origin == BASED && e.kind == RECORD -> settleWrites(e.waits, COUNTED_LOST); clearItem(journal[slot])
#endif
#if EVICTIONS > 0 && defined(REGENERATE) && !defined(EVICTED_PUT_BACK)
  :: e.origin == BASED && e.kind == REGENERATED ->
    /* What was dropped may have been a logout. So the old id ends, and the new one with it. */
    bury(slot);
    settleWrites(e.waits, COUNTED_LOST);
    nextStamp(i, e.stamp);
    clearItem(journal[slot]);
    journal[slot].kind = DESTROYED;
    journal[slot].stamp = stamp;
    journal[slot].expected = ANY;
    journal[slot].origin = BASED;
    endDependents(i, COUNTED_LOST)
#endif
  :: else -> e.expected = NULL_; send(i, k)
  fi
}

/* models: Writer.attempt, Writer.blocked, settle. */
inline attempt(i, k) {
  if
  :: fault == UNSENT || blocked(i, e) -> wait(i, k)
  :: else ->
    peek(k);
    if
    :: met == DONE -> send(i, k)
    :: met == NOTHING -> meetNothing(i, k)
    :: met == MET && tombstone(redis[k].kind) -> ended(i, k)
    :: met == MET && redis[k].kind == RECORD -> meetRecord(i, k)
    fi
  fi
}

/* What `e` would meet in Redis now. */
inline peek(k) {
  if
#ifdef BLIND_SET
  :: e.kind == RECORD -> met = DONE
#endif
  :: redis[k].kind != NONE && redis[k].stamp == e.stamp -> met = DONE
  :: redis[k].kind == NONE && (e.expected == NULL_ || e.expected == ANY) -> met = DONE
  :: redis[k].kind == NONE && e.expected != NULL_ && e.expected != ANY -> met = NOTHING
  :: redis[k].kind != NONE && redis[k].stamp != e.stamp ->
    if
    :: e.expected == ANY -> met = DONE
    :: e.expected != ANY && redis[k].stamp == e.expected && !(tombstone(redis[k].kind) && e.kind == RECORD) ->
      met = DONE
    :: else -> met = MET
    fi
  fi
}

/* models: absorb, onTop, mergeOnto. A write onto one that still waits: they become one, as if the first were stored. */
inline absorb(i, p) {
  if
  :: e.expected != p.stamp ->
    mergeInto(e, p);
    if
    :: e.kind == RECORD && e.k0 == p.k0 && e.k1 == p.k1 -> kept = 1; p.waits = p.waits | e.waits
    :: else -> stamp = max(p.stamp, e.stamp);
    nextStamp(i, stamp); e.stamp = stamp
    fi
  :: else
  fi;
  if
  :: e.expected == ANY
#ifndef BLIND_STAYS_BLIND
  :: e.expected != ANY && p.origin == BLIND && e.origin != BLIND
#endif
  :: else -> e.expected = p.expected; e.origin = p.origin
  fi;
#ifndef ABSORB_FORGETS_ORDER
  e.after = p.after;
#endif
  e.waits = e.waits | p.waits
}

/* models: Saving.write, stampChanges, expectedBy, Supervisor.swap, Writer.write. */
inline beginCommit(r, i, k) {
  printf("> request %d at %d writes key %d of id %d: fault %d\n", r, i, keyOf(r), k, fault);
  slot = AT(i, k);
  kept = 0;
  going = 0;
  if
  :: grave[slot] || tombstone(journal[slot].kind)
  :: else ->
    nextStamp(i, request[r].base.stamp);
    request[r].own = (request[r].blind -> ZERO : stamp);
    clearItem(e);
    copyEntry(e, request[r].base);
    e.kind = RECORD;
    e.stamp = stamp;
    e.expected = request[r].base.stamp;
    e.origin = BASED;
    if :: request[r].base.kind == NONE -> e.origin = CREATED :: else fi;
    if :: request[r].blind -> e.origin = BLIND :: else fi;
    if :: request[r].blind && request[r].base.kind == NONE -> e.expected = ZERO :: else fi;
    if :: keyOf(r) -> e.k1 = request[r].own :: else -> e.k0 = request[r].own fi;
    e.waits = 1 << r;
    if :: journal[slot].kind == RECORD -> absorb(i, journal[slot]) :: else fi;
    going = !kept
  fi
}

/* models: Saving.conclude, Saving.stopped. */
inline endCommit(r) {
  if
  :: kept == YIELDED -> fated(r, SUPERSEDED)
  :: kept && kept != YIELDED -> request[r].fate = ACKNOWLEDGED
  :: !kept -> request[r].at = 0; request[r].sid = 0; request[r].own = 0
  fi;
  endRequest(r)
}

/* models: Manager.destroyToken, Manager.end, Supervisor.swap, Writer.write. */
inline beginLogOut(i, k) {
  printf("> logout of id %d at %d: fault %d\n", k, i, fault);
  slot = AT(i, k);
  out = 1; outAt = i; outSid = k;
  nextStamp(i, 0);
  bury(slot);
  going = !tombstone(journal[slot].kind);
  if
  :: going ->
    settleWrites(journal[slot].waits, SUPERSEDED);
    clearItem(e);
    e.kind = DESTROYED;
    e.stamp = stamp;
    e.expected = ANY;
    e.origin = BASED
  :: else
  fi
}

#ifdef REGENERATE
/* models: Moving.move, Moving.end. The tombstone carries, in k0 and k1, what the new id will hold. */
inline beginMove(i) {
  printf("> regenerate at %d: fault %d\n", i, fault);
  slot = AT(i, OLD);
  kept = 0;
  going = !(grave[slot] || tombstone(journal[slot].kind));
  if
  :: going ->
    nextStamp(i, request[MOVE].base.stamp);
    clearItem(e);
    copyEntry(e, request[MOVE].base);
    e.kind = REGENERATED;
    e.stamp = stamp;
    e.expected = request[MOVE].base.stamp;
    e.origin = BASED;
    if :: request[MOVE].base.kind == NONE -> e.origin = CREATED :: else fi;
#ifdef REGENERATE_ANY
    e.expected = ANY;
#endif
    if :: journal[slot].kind == RECORD -> absorb(i, journal[slot]) :: else fi;
    moving = e.waits;
    e.waits = 0
  :: else
  fi
}

inline endMove(i) {
  if
  :: !kept -> settleWrites(moving, SUPERSEDED); moving = 0; dropRequest(MOVE)
  :: else ->
    request[MOVE].base.k0 = e.k0; request[MOVE].base.k1 = e.k1;
    request[MOVE].base.kind = 0; request[MOVE].base.stamp = 0; request[MOVE].blind = 0;
    request[MOVE].phase = MOVED
  fi
}

/* models: Moving.move. The new record comes after the old tombstone, wherever that is. */
inline beginNew(i) {
  printf("> the new id at %d: fault %d\n", i, fault);
  slot = AT(i, NEW);
  nextStamp(i, 0);
  clearItem(e);
  e.kind = RECORD;
  e.stamp = stamp;
  e.k0 = request[MOVE].base.k0; e.k1 = request[MOVE].base.k1;
  e.origin = CREATED;
  e.after = 1;
  e.waits = moving;
  moving = 0;
  known = 1;
  endRequest(MOVE)
}

/* models: Draft.fold, Moving.resubmit. The old id holds a newer version: the new id takes its changes along. */
inline foldAndResubmit(i) {
  slot = AT(i, OLD);
  other = AT(i, NEW);
  mergeInto(journal[slot], redis[OLD]);
  nextStamp(i, redis[OLD].stamp);
  journal[slot].stamp = stamp;
  journal[slot].expected = redis[OLD].stamp;
  if
  :: journal[other].kind == RECORD ->
    clearItem(e);
    copyItem(e, journal[other]);
    mergeInto(e, journal[slot]);
    nextStamp(i, journal[other].stamp);
    e.stamp = stamp;
#ifdef ABSORB_FORGETS_ORDER
    e.after = 0;
#endif
    copyItem(journal[other], e)
  :: else
  fi
}
#endif

/* ---- the drain, and faults -------------------------------------------------------------------------------------- */

/* models: Writer.retry, Migration.drain, Migration.move. */
inline beginDrain(i, k) {
  slot = AT(i, k);
  printf("> the drain at %d, id %d: kind %d, stamp %d, fault %d\n", i, k, journal[slot].kind, journal[slot].stamp, fault);
  copyItem(e, journal[slot]);
  going = 1;
#ifdef REGENERATE
  peek(k);
  if
  :: e.kind == REGENERATED && met == MET && redis[k].kind == RECORD -> going = 0; foldAndResubmit(i)
  :: else
  fi
#endif
}

/* What Redis or a dying instance took along is nobody's broken promise. */
inline excuse(these) {
  n = 0;
  do
  :: n < WRITES ->
    if :: (these >> n) & 1 && request[n].fate == ACKNOWLEDGED -> fated(n, EXCUSED) :: else fi;
    n++
  :: else -> break
  od;
  n = 0
}

#ifdef REGENERATE
#define waiting (journal[0].waits | journal[1].waits | journal[2].waits | journal[3].waits | moving)
#else
#define waiting (journal[0].waits | journal[1].waits)
#endif
#define ALL 7

inline wipe(s) { clearItem(journal[s]); clearEntry(shadow[s]); grave[s] = 0 }

#if CRASHES > 0
/* An instance dies, and its journal, its graveyard and its warm copies with it. The next one begins with nothing. */
inline crash(i) {
  printf("> instance %d dies\n", i);
  crashesLeft--;
  died[i] = 1;
  if :: out && outAt == i && tombstone(journal[AT(i, outSid)].kind) -> outVoid = 1 :: else fi;
  group = journal[AT(i, OLD)].waits;
#ifdef REGENERATE
  group = group | journal[AT(i, NEW)].waits;
  if
  :: (moved || packet.kind == REGENERATED) && redis[NEW].kind == NONE &&
     (journal[AT(i, NEW)].kind == RECORD || request[MOVE].phase == MOVED && request[MOVE].at == i) -> group = ALL
  :: else
  fi;
  slot = AT(i, NEW);
  wipe(slot);
#endif
  excuse(group);
  slot = AT(i, OLD);
  wipe(slot);
  n = 0;
  do
  :: n < REQUESTS ->
    if
    :: request[n].at == i && request[n].phase != IDLE && request[n].phase != OVER ->
      dropRequest(n)
    :: else
    fi;
    n++
  :: else -> break
  od;
  n = 0
}

#endif

/* Redis drops an entry because its memory is full. What it held and no journal holds is gone. */
inline evict(k) {
  printf("> id %d is evicted\n", k);
  evictionsLeft--;
  if :: redis[k].kind == RECORD -> group = ALL & ~waiting; excuse(group) :: else fi;
  clearEntry(redis[k])
}

/* Redis restarts with nothing. */
inline restart() {
  printf("> Redis restarts empty\n");
  restartsLeft--;
#if RESTARTS > 0 && !defined(STRICT)
  dataLost = 1;
#endif
  group = ALL & ~waiting; excuse(group);
  clearEntry(redis[OLD]);
#ifdef REGENERATE
  clearEntry(redis[NEW])
#endif
}

/* ---- what must hold ---------------------------------------------------------------------------------------------- */

#ifdef REGENERATE
#define journalsEmpty (journal[0].kind + journal[1].kind + journal[2].kind + journal[3].kind == 0)
#define inMove (request[MOVE].phase == MOVED)
#define holds0(r) (redis[OLD].k0 >= request[r].own || redis[NEW].k0 >= request[r].own)
#define holds1(r) (redis[OLD].k1 >= request[r].own || redis[NEW].k1 >= request[r].own)
#else
#define journalsEmpty (journal[0].kind + journal[1].kind == 0)
#define inMove 0
#define holds0(r) (redis[OLD].k0 >= request[r].own)
#define holds1(r) (redis[OLD].k1 >= request[r].own)
#endif
#define linksUp (link[A] == UP && link[B] == UP)
#define holds(r) ((keyOf(r) == 0 -> holds0(r) : holds1(r)))
#define readable(i, k) (redis[k].kind == RECORD && !grave[AT(i, k)])

inline agree(k) {
  assert(readable(A, k) == readable(B, k));
  assert(!readable(A, k) || shadow[AT(A, k)].stamp <= redis[k].stamp && shadow[AT(B, k)].stamp <= redis[k].stamp);
  assert(!(out && outSid == k && !outVoid && (readable(A, k) || readable(B, k))))
}

/* All links up, all journals empty: everything is in its place, although slow requests and late packets may still come. */
inline settled() {
  if
  :: !dataLost ->
    agree(OLD);
#ifdef REGENERATE
    agree(NEW);
    /* A session that was logged out before it was moved ends under its new id too. */
    assert(!(over && outSid == OLD && !outVoid && (readable(A, NEW) || readable(B, NEW))));
    assert(!(moved && (readable(A, OLD) || readable(B, OLD))))
#endif
  :: else
  fi;
  n = 0;
  do
  :: n < WRITES ->
    assert(request[n].fate != ACKNOWLEDGED || over || holds(n));
    n++
  :: else -> break
  od;
  n = 0
}

/* ---- who acts ---------------------------------------------------------------------------------------------------- */

inline chooseFault(i) {
  if
  :: link[i] == UP
  :: link[i] != UP -> fault = UNSENT
  :: lostLeft > 0 -> fault = REPLY_LOST
  :: lateLeft > 0 -> fault = DELAYED
  fi
}

/* The write that was begun goes its way. */
inline go() { d_step { if :: going -> attempt(choice, choiceSid) :: else fi } }

inline done() { who = 0; choice = 0; choiceSid = 0; fault = 0 }

inline cut(i) { printf("> %d is cut off\n", i); cutsLeft--; link[i] = DOWN }

inline heal(i) {
  printf("> %d is back\n", i);
#ifdef DRAIN_ONLY_RECOVERING
  recovering[i] = 1;
#endif
  link[i] = UP
}

/* What a dead connection still delivers. */
inline deliver() {
  printf("> the late packet arrives: kind %d, stamp %d\n", packet.kind, packet.stamp);
  redisSwap(packet, packetSid);
#ifdef REGENERATE
  if
  :: packet.kind == REGENERATED && diedAt(request[MOVE].at) && redis[NEW].kind == NONE ->
    /* The instance that moved the session has died, and the new record with it. */
    group = ALL;
    excuse(group)
  :: else
  fi;
#endif
  clearItem(packet);
  packetSid = 0
}

inline chooseInstance() { if :: choice = A :: choice = B fi }

inline chooseSid() {
#ifdef REGENERATE
  if :: choiceSid = OLD :: known -> choiceSid = NEW fi
#else
  skip
#endif
}

#ifdef DRAIN_ONLY_RECOVERING
#define drains(i) (recovering[i])
#else
#define drains(i) 1
#endif

#define is(r, p) (request[r].phase == p)
#define mayDrain(i, k) (journal[AT(i, k)].kind != NONE && sends(i) && drains(i) && !blocked(i, journal[AT(i, k)]))

/* A session that moves does not outlive the eviction of its tombstones: docs/protocol.md. */
#if defined(REGENERATE) && !defined(EVICTED_TOMBSTONES)
#define mayEvict(k) (redis[k].kind == RECORD)
#else
#define mayEvict(k) (redis[k].kind != NONE)
#endif

inline anyWrite(p) {
  if
  :: is(0, p) -> who = 0
  :: is(1, p) -> who = 1
#if WRITES > 2
  :: is(2, p) -> who = 2
#endif
  fi
}

inline world() {
end:
  do
  :: atomic {
      /* A request begins. Writes 0 and 2 change one key, write 1 another; of two alike the first begins first. */
      if
      :: is(0, IDLE) -> who = 0
      :: is(1, IDLE) -> who = 1
#if WRITES > 2
      :: is(2, IDLE) && !is(0, IDLE) -> who = 2
#endif
#ifdef REGENERATE
      :: is(MOVE, IDLE) -> who = MOVE
#endif
      fi;
      chooseInstance();
      if :: who < WRITES -> chooseSid() :: else fi;
      d_step {
        ask(who, choice, choiceSid);
#ifdef QUICK_READS
        if :: is(who, ASKED) -> answer(who, choice, choiceSid) :: else fi;
#endif
        done()
      }
    }
  :: atomic {
      /* Redis has answered the read of a request. */
      if
      :: is(0, ASKED) -> who = 0
      :: is(1, ASKED) -> who = 1
#if WRITES > 2
      :: is(2, ASKED) -> who = 2
#endif
#ifdef REGENERATE
      :: is(MOVE, ASKED) -> who = MOVE
#endif
      fi;
      d_step {
        choice = request[who].at; choiceSid = request[who].sid;
        answer(who, choice, choiceSid);
        done()
      }
    }
  :: atomic {
      /* A request saves, soon or late. */
      anyWrite(LOADED);
      choice = request[who].at; choiceSid = request[who].sid;
      chooseFault(choice);
      d_step { beginCommit(who, choice, choiceSid) };
      go();
      d_step { endCommit(who); done() }
    }
#ifdef REGENERATE
  :: atomic {
      is(MOVE, LOADED);
      choice = request[MOVE].at;
      chooseFault(choice);
      d_step { beginMove(choice) };
      go();
      d_step {
        endMove(choice);
        if
        :: is(MOVE, MOVED) && journal[AT(choice, OLD)].kind != NONE ->
          /* Both wait in the journal: the one follows the other before any reply can come. */
          beginNew(choice);
          copyItem(journal[slot], e)
        :: else
        fi;
        done()
      }
    }
  :: atomic {
      is(MOVE, MOVED);
      choice = request[MOVE].at; choiceSid = NEW;
      chooseFault(choice);
      d_step { beginNew(choice); going = 1 };
      go();
      d_step { done() }
    }
#endif
#if LOGOUTS > 0
  :: atomic {
      !out;
      chooseInstance();
      chooseSid();
      chooseFault(choice);
      d_step { beginLogOut(choice, choiceSid) };
      go();
      d_step { done() }
    }
#endif
  :: atomic {
      /* models: Migration.kick, Reader.fromJournal. What waits is tried whenever something can be sent, in every state. */
      if
      :: mayDrain(A, OLD)
      :: mayDrain(B, OLD) -> choice = B
#ifdef REGENERATE
      :: mayDrain(A, NEW) -> choiceSid = NEW
      :: mayDrain(B, NEW) -> choice = B; choiceSid = NEW
#endif
      fi;
      if
      :: link[choice] == UP
      :: lostLeft > 0 -> fault = REPLY_LOST
      :: lateLeft > 0 -> fault = DELAYED
      fi;
      d_step { beginDrain(choice, choiceSid) };
      go();
      d_step { done() }
    }
  /* models: ModeSwitch.trip, ModeSwitch.restore. */
  :: d_step { cutsLeft > 0 && link[A] == UP -> cut(A) }
  :: d_step { cutsLeft > 0 && link[B] == UP -> cut(B) }
  :: d_step { link[A] == DOWN -> heal(A) }
  :: d_step { link[B] == DOWN -> heal(B) }
#ifdef DRAIN_ONLY_RECOVERING
  :: d_step { recovering[A] && journalsEmpty -> recovering[A] = 0 }
  :: d_step { recovering[B] && journalsEmpty -> recovering[B] = 0 }
#endif
#if CRASHES > 0
  :: d_step { crashesLeft > 0 -> crash(A) }
  :: d_step { crashesLeft > 0 -> crash(B) }
#endif
#if EVICTIONS > 0
  :: d_step { evictionsLeft > 0 && mayEvict(OLD) -> evict(OLD) }
#ifdef REGENERATE
  :: d_step { evictionsLeft > 0 && mayEvict(NEW) -> evict(NEW) }
#endif
#endif
#if RESTARTS > 0
  :: d_step { restartsLeft > 0 -> restart() }
#endif
#if LATE > 0
  :: d_step { packet.kind != NONE -> deliver() }
#endif
#ifdef TOMBSTONE_SHORT
  :: d_step { tombstone(redis[OLD].kind) -> clearEntry(redis[OLD]); grave[A] = 0; grave[IDS] = 0 }
#endif
  :: d_step { linksUp && journalsEmpty && !inMove -> settled() }
  /* Nothing can happen any more, and something still waits. */
  :: timeout -> assert(linksUp && journalsEmpty && !inMove)
  od
}

init {
  atomic {
    clocks.a = FIRST; clocks.b = FIRST;
    redis[OLD].kind = RECORD; redis[OLD].stamp = FIRST; redis[OLD].k0 = FIRST;
    if
    :: skip -> keep(A, redis[OLD]); keep(IDS, redis[OLD])
#ifndef WARM
    :: skip -> keep(A, redis[OLD])
    :: skip
#endif
    fi
  };
  world()
}
