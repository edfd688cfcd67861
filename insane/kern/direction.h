// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A direction of a device, as the kernel and the relay share it: the number of the
// next packet, the entry in force, and how far the relay has got. direction.go maps the
// same memory.
//
// Two promises are kept here:
//
//   - No number is used twice or left out. Both sides take numbers from one
//     counter, and a frame that is handed on undecided takes none.
//   - No frame overtakes another of its flow. What the relay is given is counted
//     as it enters the relay's queue, and the relay counts what it has passed on
//     for good. While the two counts differ, everything follows through the relay.
//     Frames of one flow run through the kernel one after the other, so the one
//     before has entered, if it was to, when the next one asks.

#pragma once

#include "decide.h"
#include "layout.h"

enum direction_index { TX, RX };

#define ENTRIES 256      // of a direction, in force or lately
#define NUMBERINGS 256 // of a direction, in use or lately
#define BACKLOGS 2       // of a direction: the slave's, and the next slave's

// What one direction carries out. It is never changed while in force.
struct entry {
	struct program program;
	__u64 numbering; // whose numbers packets take; index of direction.next
	__u64 to;        // index of the link where frames go
};

// Where frames wait for the relay: the queue of the interface, or the socket of one
// slave.
struct backlog {
	__u64 index;   // of the slave; 0: not in use, or the interface's own
	__u64 limit;    // how many frames may be on their way; 0: its queue has a limit itself
	__u64 entered; // frames that the relay is to have
	__u64 done;    // those that it has passed on or dropped, or that got lost
	__u64 refused; // frames that there was no room for, and whose sender was not told
	__u64 unused[3];
};

struct direction {
	__u64 entry;  // 1 + slot of the entry in force; 0: everything goes to the relay
	__u64 until; // when the daemon is taken for dead, in nanoseconds of CLOCK_MONOTONIC
	__u64 alive; // that it was not, as alive below saw it last
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

// What was done under one entry by one processor. Only that one writes it, one frame
// after the other: the programs run with softirqs off.
struct count {
	__u64 relayed_packets, relayed_bytes;
	__u64 unjudged_packets; // of those relayed: without a verdict
	__u64 refused_packets, refused_bytes; // by the host, which was to have them
	__u64 unused[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * ENTRIES); // by processor, direction and entry; times the number of processors
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

// drops_of makes the key of the slot: a variable of its own may come to lie where a
// pointer was, and then Linux forbids to write it without CAP_PERFMON.
static __always_inline struct amount *drops_of(__u32 *slot, __u64 stage)
{
	*slot = (bpf_get_smp_processor_id() * 2 * ENTRIES + *slot) * STAGE_NUMBERS + stage;
	return bpf_map_lookup_elem(&drops, slot);
}

// enter counts a frame that the relay is to have, and says whether there is room
// for it. The queue of the interface would drop a frame too many as well, but not
// say which it was.
static __always_inline bool enter(struct backlog *b)
{
	__u64 before = __sync_fetch_and_add(&b->entered, 1);
	if (b->limit == 0 || before - READ(b->done) < b->limit)
		return true;
	__sync_fetch_and_add(&b->entered, -1);
	return false;
}

// alive says whether the watchdog of the daemon runs. A reading of the clock costs as much as
// the rest of a decision, so there is one in each tick of the kernel's timer: what was
// found then, of the same kick, is true until the next.
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

// full says whether a frame would find no room, and counts it as refused then.
static __always_inline bool full(struct backlog *b)
{
	__u64 done = READ(b->done);
	if (b->limit == 0 || READ(b->entered) - done < b->limit)
		return false;
	__sync_fetch_and_add(&b->refused, 1);
	return true;
}

enum outcome { UNDECIDED, RELAYED, DROPPED };

// A super-frame whose packets are asked about one after the other.
struct asked {
	const struct program *program;
	__u64 now, seq;
	__u64 first;  // the first one's verdict
	__u64 differ; // another one's is different
};

static long ask(__u64 i, struct asked *a)
{
	a->differ = decide(a->program, a->now, a->seq + i) != a->first;
	return a->differ;
}

// outcome_of is what a common verdict of all packets of a frame makes of it.
static __always_inline enum outcome outcome_of(__u64 verdict)
{
	return verdict == RELAY ? RELAYED : DROPPED;
}

// judge takes the numbers of n packets and says their common outcome and verdict; it
// takes none if they have no verdict in common. (A loop of its own would be followed by the kernel's
// verifier through all its turns.)
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

// What is known of a frame that is carried. (Without CAP_PERFMON Linux takes two
// writes to one word of eight bytes of the stack for an attack: owner.h, known.)
struct handoff {
	__u64 to;    // index of the link where it goes, if it is relayed
	__u64 slot; // of the entry, and of its counts
	struct layout layout;
};

static __always_inline void count_relayed(struct count *count, const struct layout *l)
{
	count->relayed_packets += l->packets;
	count->relayed_bytes += l->bytes;
}

// fastpath decides about a frame, if that can be done here and now, and enters it in
// the counters; but not a frame of rx that is relayed, which the host may refuse.
static __always_inline enum outcome fastpath(struct __sk_buff *skb, enum direction_index index, struct direction *direction,
				       struct backlog *backlog, struct handoff *c)
{
	__u64 in_force = READ(direction->entry);
	if (in_force == 0)
		return UNDECIDED;
	// A dead daemon keeps nothing back, whatever it still has.
	bool dead = index == TX && !alive(direction);
	// done before entered: losses are counted as done ahead of their turn, so a frame
	// that waited at the first look must not be made up for by the second.
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
	// The link may be gone, or its MTU too small: the relay says so.
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
