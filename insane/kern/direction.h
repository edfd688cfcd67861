// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// One direction of a device. The kernel and the relay share its memory: the entry in
// force, the number of the next packet, and the backlogs of the relay. memory.go maps
// the same structures.
//
// This file keeps two promises:
//
//   - No packet number is used twice or left out. Kernel and relay take numbers from
//     one counter, and an undecided frame takes none in the kernel.
//   - No frame overtakes another frame of its flow. The kernel counts a frame that
//     enters the relay's queue, and the relay counts a frame that it has relayed or
//     dropped. While the two counts differ, the kernel leaves every frame to the relay.
//     The kernel handles the frames of one flow one after the other, so a frame that
//     goes to the relay is counted before the next frame of its flow is decided.

#pragma once

#include "decide.h"
#include "layout.h"

// Index of a direction in the maps.
enum direction_index { TX, RX };

#define ENTRIES 256      // per direction: the entry in force, and earlier ones
#define NUMBERINGS 256 // per direction: the one in use, and earlier ones
#define BACKLOGS 2       // per direction: for the slave, and for the slave that replaces it

// What the kernel does with the frames of one direction: it decides by the program and
// relays to the link. Go does not change the program of an entry while programs may read
// it, except to write the same words again.
struct entry {
	struct program program;
	__u64 numbering; // index in direction.next of the counter that numbers the packets
	__u64 to;        // index of the link where relayed frames go
};

// Counts the frames that wait for the relay in one place: the queue of the interface, or
// the packet socket of one slave.
struct backlog {
	__u64 index;   // of the slave's link; 0: not in use, or the queue of the interface
	__u64 limit;    // how many frames may wait; 0: no limit here, the socket has its own
	__u64 entered; // frames that entered the queue or socket
	__u64 done;    // frames that the relay has relayed or dropped, or that were lost
	__u64 refused; // frames dropped because the queue was full; the sender is not told
	__u64 unused[3];
};

struct direction {
	__u64 entry;  // 1 + slot of the entry in force; 0: everything goes to the relay
	__u64 until; // when the daemon is taken for dead, in nanoseconds of CLOCK_MONOTONIC
	__u64 alive; // the cache of alive below: until plus the tick in which the daemon was alive
	__u64 unused[5];
	struct backlog backlogs[BACKLOGS];
	__u64 next[NUMBERINGS]; // the number of the next packet
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2); // by direction
	__type(key, __u32);
	__type(value, struct direction);
} directions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * ENTRIES); // by direction and entry
	__type(key, __u32);
	__type(value, struct entry);
} entries SEC(".maps");

// What one CPU did by one entry. Only that CPU writes it, and it handles one frame after
// the other, as the programs run with softirqs disabled.
struct count {
	__u64 relayed_packets, relayed_bytes;
	__u64 unjudged_packets; // the part of relayed_packets without a verdict
	__u64 refused_packets, refused_bytes; // by the host: see deliver
	__u64 unused[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * ENTRIES); // by CPU, direction and entry; Go multiplies it by the number of CPUs
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

// A number of packets, and their bytes.
struct amount {
	__u64 packets, bytes;
};

// What the stages dropped, in the same way. (An array in struct count would have to be
// indexed by a verdict, which Linux forbids without CAP_PERFMON.)
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * ENTRIES * STAGE_NUMBERS); // by processor, direction, entry and stage; times the number of processors
	__type(key, __u32);
	__type(value, struct amount);
} drops SEC(".maps");

static __always_inline struct direction *direction_of(enum direction_index index)
{
	__u32 key = index;
	return bpf_map_lookup_elem(&directions, &key);
}

static __always_inline struct count *count_of(__u32 slot)
{
	__u32 key = bpf_get_smp_processor_id() * 2 * ENTRIES + slot;
	return bpf_map_lookup_elem(&counts, &key);
}

// drops_of returns the counter of what a stage dropped by the entry in a slot. It makes its
// key in the variable of the slot: the compiler may place a new variable where a pointer
// was, and without CAP_PERFMON the verifier refuses such a write.
static __always_inline struct amount *drops_of(__u32 *slot, __u64 stage)
{
	*slot = (bpf_get_smp_processor_id() * 2 * ENTRIES + *slot) * STAGE_NUMBERS + stage;
	return bpf_map_lookup_elem(&drops, slot);
}

// enter counts a frame into a backlog. It returns false, and does not count the frame, if
// the backlog is full. The queue of the interface would drop such a frame as well, but
// would not say which frame it was.
static __always_inline bool enter(struct backlog *b)
{
	__u64 before = __sync_fetch_and_add(&b->entered, 1);
	if (b->limit == 0 || before - READ(b->done) < b->limit)
		return true;
	__sync_fetch_and_add(&b->entered, -1);
	return false;
}

// alive returns whether the watchdog has not run out, so that the daemon counts as alive.
// Reading the clock costs as much as the rest of a decision, so alive reads it once in
// each tick of the kernel's timer and caches "alive" for this tick and this kick.
static __always_inline bool alive(struct direction *direction)
{
	__u64 until = READ(direction->until);
	__u64 found = until + bpf_jiffies64();
	if (READ(direction->alive) == found)
		return true;
	if (bpf_ktime_get_ns() >= until)
		return false;
	direction->alive = found;
	return true;
}

// full returns whether a backlog has no room for a frame, and counts the frame as refused
// if so.
static __always_inline bool full(struct backlog *b)
{
	__u64 done = READ(b->done);
	if (b->limit == 0 || READ(b->entered) - done < b->limit)
		return false;
	__sync_fetch_and_add(&b->refused, 1);
	return true;
}

// What fastpath decides: the relay gets the frame, or the kernel relays or drops it.
enum outcome { UNDECIDED, RELAYED, DROPPED };

// The argument of ask, for a super-frame with a verdict for each packet.
struct asked {
	const struct program *program;
	__u64 now, seq;
	__u64 first;  // the verdict of the first packet
	__u64 differ; // whether another packet has a different verdict
};

// ask decides about packet i and returns 1, which ends bpf_loop, if its verdict differs
// from that of the first packet.
static long ask(__u64 i, struct asked *a)
{
	a->differ = decide(a->program, a->now, a->seq + i) != a->first;
	return a->differ;
}

// outcome_of is the outcome of a frame whose packets all have one verdict.
static __always_inline enum outcome outcome_of(__u64 verdict)
{
	return verdict == RELAY ? RELAYED : DROPPED;
}

// judge takes the numbers of n packets and returns their common outcome and verdict. If
// their verdicts differ, it takes no number and returns UNDECIDED. It uses bpf_loop,
// because the verifier would walk through every turn of an open-coded loop and exceed its
// limit of instructions.
static __always_inline enum outcome judge(const struct program *p, __u64 *next, __u32 n, __u64 now,
					  __u64 *verdict)
{
	if (whole(p, n)) {
		__u64 seq = __sync_fetch_and_add(next, n);
		*verdict = decide(p, now, seq);
		return outcome_of(*verdict);
	}
	__u64 seq = READ(*next);
	struct asked a = { .program = p, .now = now, .seq = seq, .first = decide(p, now, seq) };
	bpf_loop(n, ask, &a, 0);
	// If another processor took numbers meanwhile, the relay decides.
	if (a.differ || __sync_val_compare_and_swap(next, seq, seq + n) != seq)
		return UNDECIDED;
	*verdict = a.first;
	return outcome_of(*verdict);
}

// What fastpath finds out about a frame. rx passes it from the socket filter to ingress.
// All fields have eight bytes: without CAP_PERFMON the verifier refuses two writes to one
// word of the stack (see known in owner.h).
struct handoff {
	__u64 to;    // index of the link that a relayed frame goes to
	__u64 slot; // index of the entry in entries, and of its counters in counts
	struct layout layout;
};

// count_relayed counts the packets of a relayed frame.
static __always_inline void count_relayed(struct count *count, const struct layout *l)
{
	count->relayed_packets += l->packets;
	count->relayed_bytes += l->bytes;
}

// fastpath decides about a frame and counts it. It returns UNDECIDED, without a count, if
// the relay must decide. It does not count a relayed frame of rx, which the host may
// refuse: deliver counts it.
static __always_inline enum outcome fastpath(struct __sk_buff *skb, enum direction_index index,
					     struct direction *direction, struct backlog *backlog,
					     struct handoff *c)
{
	__u64 in_force = READ(direction->entry);
	if (in_force == 0)
		return UNDECIDED;
	// Frames that wait for a dead daemon hold up no other frame.
	bool dead = index == TX && !alive(direction);
	// Read done before entered. Lost frames are counted as done ahead of their turn:
	// if done were read later, such a loss could hide a frame that still waits.
	__u64 done = READ(backlog->done);
	if (!dead && READ(backlog->entered) != done)
		return UNDECIDED;
	__u32 slot = index * ENTRIES + ((in_force - 1) & (ENTRIES - 1));
	c->slot = slot;
	struct entry *entry = bpf_map_lookup_elem(&entries, &slot);
	struct count *count = count_of(slot);
	if (!entry || !count || !measure(skb, &c->layout))
		return UNDECIDED;
	c->to = entry->to;
	// If the link is gone or its MTU is too small, the relay drops the frame and
	// counts the reason.
	__u32 mtu = 0;
	if (index == TX && bpf_check_mtu(skb, c->to, &mtu, 0, skb->gso_size ? BPF_MTU_CHK_SEGS : 0) != 0)
		return UNDECIDED;
	__u64 *next = &direction->next[entry->numbering & (NUMBERINGS - 1)];
	if (dead) {
		__sync_fetch_and_add(next, c->layout.packets);
		count->unjudged_packets += c->layout.packets;
		count_relayed(count, &c->layout);
		APART;
		return RELAYED;
	}
	__u64 now = goes_by_clock(&entry->program) ? bpf_ktime_get_ns() : 0;
	__u64 verdict = RELAY;
	enum outcome outcome = judge(&entry->program, next, c->layout.packets, now, &verdict);
	if (outcome == DROPPED) {
		struct amount *dropped = drops_of(&slot, verdict);
		if (dropped) {
			dropped->packets += c->layout.packets;
			dropped->bytes += c->layout.bytes;
		}
		APART;
	} else if (outcome == RELAYED && index == TX) {
		count_relayed(count, &c->layout);
	}
	return outcome;
}
