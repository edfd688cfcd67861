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
//   - No frame overtakes another frame of its flow and rule. The kernel counts a frame that
//     enters the relay's queue, and the relay counts a frame that it has relayed or
//     dropped. The kernel leaves every frame to the relay while one is before the relay that
//     may belong to a rule that the kernel carries out. The kernel handles the frames of one
//     flow one after the other, so a frame that goes to the relay is counted before the next
//     frame of its flow is decided.

#pragma once

#include "decide.h"
#include "rules.h"

// Index of a direction in the maps.
enum direction_index { TX, RX };

#define ENTRIES 1024     // per direction: the entry in force, earlier ones, and those of rules; each has a memo
#define NUMBERINGS 1024  // per direction: the one in use, earlier ones, and those of rules
#define BACKLOGS 2       // per direction: for the slave, and for the slave that replaces it

_Static_assert(MEMOS == 2 * ENTRIES, "each entry has a memo");

// An entry says how the kernel handles the frames of one direction: it decides by the
// program and relays to the link. The entry in force is about the frames that fit no rule, and
// names the rules. The entries of rules have only program and numbering. Go does not change the program of an entry while eBPF
// programs may read it, except to write the same words again.
struct entry {
	struct program program;
	__u64 numbering; // index in direction.next of the counter that numbers the packets
	__u64 to;        // index of the link where relayed frames go
	__u64 judge_neighbours; // 0: the messages of neighbour.h take no number and no verdict
	__u64 name_neighbours;  // not 0: rules name such messages, so that the relay must look at them
	__u64 left;             // not 0: frames that fit no rule are the relay's
	struct rules rules;
};

// Counts the frames that wait for the relay in one place: the queue of the interface, or
// the packet socket of one slave.
struct backlog {
	__u64 index;   // of the slave's link; 0: not in use, or the queue of the interface
	__u64 limit;    // how many frames may wait; 0: no limit here, the socket has its own
	__u64 entered; // frames that entered the queue or socket
	__u64 last;    // how many had entered with the last one that the kernel might have carried
	__u64 done;    // so many frames that entered first were relayed, dropped, lost, or are of the relay's rules
	__u64 refused; // frames dropped because the queue was full; the sender is not told
	__u64 left;    // frames that have left the queue or socket: done, or held by the relay
	__u64 stamps;  // not 0: each frame leaves a note of when it entered (label.h)
};

struct direction {
	__u64 entry;  // 1 + slot of the entry in force; 0: everything goes to the relay
	__u64 until; // when the daemon is taken for dead, in nanoseconds of CLOCK_MONOTONIC
	__u64 alive; // the cache of alive below: until plus the tick in which the daemon was alive
	__u64 labels; // how many notes label.h has left
	__u64 sample; // 0, or one of enum sample of sample.h
	__u64 header[3]; // of a packet: see sample.h
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

// The counters of one entry on one CPU. Only that CPU writes them, and it handles one frame
// after the other, as the programs run with softirqs disabled.
struct count {
	__u64 relayed_packets, relayed_bytes;
	__u64 unjudged_packets; // the part of relayed_packets and refused_packets without a verdict
	__u64 refused_packets, refused_bytes; // by the host: see deliver
	__u64 neighbour_packets, neighbour_bytes; // relayed without number and verdict, and counted nowhere else
	__u64 unused;
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

// The packets that each stage dropped, counted in the same way. They are not an array in
// struct count: it would be indexed by a verdict, which the verifier refuses without
// CAP_PERFMON.
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

// count_at returns the counters of an entry on one CPU.
static __always_inline struct count *count_at(__u32 *key)
{
	return bpf_map_lookup_elem(&counts, key);
}

// count_of returns the counters of the entry in a slot, on this CPU.
static __always_inline struct count *count_of(__u32 slot)
{
	__u32 key = bpf_get_smp_processor_id() * 2 * ENTRIES + slot;
	return count_at(&key);
}

// count_here is count_of, and turns the variable of the slot into the key. The compiler may place
// a new variable where a pointer was, and without CAP_PERFMON the verifier refuses such a write.
static __always_inline struct count *count_here(__u32 *slot)
{
	*slot += bpf_get_smp_processor_id() * 2 * ENTRIES;
	return count_at(slot);
}

// next_of returns the number of the next packet, of the numbering of an entry. It adds the
// variable part to the pointer before the constant part. The verifier of Linux 6.8 and later
// does not keep its books of a pointer while it speculates about a variable part; it warns of
// that ("REG INVARIANTS VIOLATION") if the pointer is copied next, but a constant part sets
// the books right (kernel/bpf/verifier.c, adjust_ptr_min_max_vals).
static __always_inline __u64 *next_of(struct direction *direction, const struct entry *entry)
{
	__u64 variable = (entry->numbering & (NUMBERINGS - 1)) * sizeof(direction->next[0]);
	void *next = direction;
	asm volatile("%[next] += %[variable]\n"
		     "%[next] += %[constant]"
		     : [next] "+r"(next)
		     : [variable] "r"(variable), [constant] "i"(offsetof(struct direction, next)));
	return next;
}

// drops_of returns the counter of what a stage dropped, given the key that count_here has made. It
// makes its own key in the same variable.
static __always_inline struct amount *drops_of(__u32 *key, __u64 stage)
{
	*key = *key * STAGE_NUMBERS + stage;
	return bpf_map_lookup_elem(&drops, key);
}

// raise sets the last of a backlog to a value, if it is below. Only CPUs that enter frames at the
// same moment can make it try again. If that happens too often, it closes the fast path until Go
// opens it again.
static __always_inline void raise(struct direction *direction, struct backlog *b, __u64 value)
{
	for (int tries = 0; tries < 8; tries++) {
		__u64 was = READ(b->last);
		if ((__s64)(was - value) >= 0 || __sync_val_compare_and_swap(&b->last, was, value) == was)
			return;
	}
	READ(direction->entry) = 0;
}

// enter counts a frame into a backlog. apart: the frame belongs to a rule that only the relay
// carries out, so that the fast path need not wait for it. left can be ahead of entered: an XDP
// program that redirects frames to the interface puts them into its queue past enter. It returns
// false, and does not count the frame, if the backlog is full. The queue of the interface would
// drop such a frame as well, but would not say which frame it was.
static __always_inline bool enter(struct direction *direction, struct backlog *b, bool apart)
{
	__u64 before = __sync_fetch_and_add(&b->entered, 1);
	if (b->limit != 0 && (__s64)(before - READ(b->left)) >= (__s64)b->limit) {
		__sync_fetch_and_add(&b->entered, -1);
		return false;
	}
	if (!apart)
		raise(direction, b, before + 1);
	return true;
}

// busy returns whether the relay has a frame that the kernel might have carried. all: it might have
// carried each that has entered.
static __always_inline bool busy(struct backlog *b, bool all)
{
	__u64 done = READ(b->done);
	return (__s64)(READ(*(all ? &b->entered : &b->last)) - done) > 0;
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
	__u64 left = READ(b->left);
	if (b->limit == 0 || (__s64)(READ(b->entered) - left) < (__s64)b->limit)
		return false;
	__sync_fetch_and_add(&b->refused, 1);
	return true;
}
