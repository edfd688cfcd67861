// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The fast path: it gives the packets of a frame their numbers and their verdicts, and
// counts the outcome, if all packets of the frame have one verdict and the relay has no
// earlier frames.

#pragma once

#include "direction.h"
#include "layout.h"
#include "neighbour.h"

// The outcomes of fastpath: the relay gets the frame, or the kernel relays or drops it.
enum outcome { UNDECIDED, RELAYED, DROPPED };

// The argument of ask, for a super-frame with a verdict for each packet.
struct asked {
	const struct program *program;
	__u64 memo;
	__u64 now, seq;
	__u64 first;  // the verdict of the first packet
	__u64 differ; // whether another packet has a different verdict
};

// ask decides about packet i and returns 1, which ends bpf_loop, if its verdict differs
// from that of the first packet.
static long ask(__u64 i, struct asked *a)
{
	a->differ = decide(a->program, a->memo, a->now, a->seq + i) != a->first;
	return a->differ;
}

// ask_common is ask for programs without the rare stages.
static long ask_common(__u64 i, struct asked *a)
{
	a->differ = decide_common(a->program, a->now, a->seq + i) != a->first;
	return a->differ;
}

// one_verdict returns the verdict of n packets, from number seq on; NOT_FOUND if they have not all
// the same one, or one is not found. It uses bpf_loop, because the verifier would walk through
// every turn of an open-coded loop and exceed its limit of instructions. It is global, so that
// the verifier does so once.
__noinline int one_verdict(const struct program *p, __u64 memo, __u64 now, __u64 seq, __u32 n)
{
	if (!p)
		return NOT_FOUND;
	struct asked a = { .program = p, .memo = memo, .now = now, .seq = seq, .first = decide(p, memo, now, seq) };
	if (a.first != NOT_FOUND && n > 1)
		bpf_loop(n, ask, &a, 0);
	return a.differ ? NOT_FOUND : a.first;
}

// one_common_verdict is one_verdict for programs without the rare stages.
__noinline int one_common_verdict(const struct program *p, __u64 now, __u64 seq, __u32 n)
{
	if (!p)
		return NOT_FOUND;
	struct asked a = { .program = p, .now = now, .seq = seq, .first = decide_common(p, now, seq) };
	bpf_loop(n, ask_common, &a, 0);
	return a.differ ? NOT_FOUND : a.first;
}

// outcome_of is the outcome of a frame whose packets all have one verdict.
static __always_inline enum outcome outcome_of(__u64 verdict)
{
	return verdict == RELAY ? RELAYED : DROPPED;
}

// take takes the number of one packet, seq, of which verdict says what becomes of it. If other
// processors take it first, it decides about the next number, a few times.
static __always_inline enum outcome take(const struct program *p, __u64 memo, __u64 *next, __u64 seq, __u64 now,
					 __u64 *verdict)
{
#pragma unroll
	for (int tries = 0; tries < 4; tries++) {
		__u64 was = __sync_val_compare_and_swap(next, seq, seq + 1);
		if (was == seq)
			return outcome_of(*verdict);
		seq = was;
		*verdict = decide(p, memo, now, seq);
		if (*verdict == NOT_FOUND)
			break;
	}
	return UNDECIDED;
}

// take_all takes n numbers, if no other processor took some since next was read as seq: the relay
// decides then.
static __always_inline enum outcome take_all(__u64 *next, __u64 seq, __u32 n, __u64 verdict)
{
	if (verdict == NOT_FOUND || __sync_val_compare_and_swap(next, seq, seq + n) != seq)
		return UNDECIDED;
	return outcome_of(verdict);
}

// judge_common is judge for programs without the rare stages.
static __always_inline enum outcome judge_common(const struct program *p, __u64 *next, __u32 n, __u64 now,
						 __u64 *verdict)
{
	if (whole_common(p, n)) {
		__u64 seq = __sync_fetch_and_add(next, n);
		*verdict = decide_common(p, now, seq);
		return outcome_of(*verdict);
	}
	__u64 seq = READ(*next);
	*verdict = one_common_verdict(p, now, seq, n);
	return take_all(next, seq, n, *verdict);
}

// judge takes the numbers of n packets and returns their common outcome and verdict. If
// their verdicts differ, or one is not found, it takes no number and returns UNDECIDED.
static __always_inline enum outcome judge(const struct program *p, __u64 memo, __u64 *next, __u32 n, __u64 now,
					  __u64 *verdict)
{
	if (!(p->stages & RARE))
		return judge_common(p, next, n, now, verdict);
	if (whole(p, n) && !(p->stages & CHAINED)) {
		__u64 seq = __sync_fetch_and_add(next, n);
		*verdict = decide(p, memo, now, seq);
		return outcome_of(*verdict);
	}
	__u64 seq = READ(*next);
	*verdict = one_verdict(p, memo, now, seq, n);
	if (n == 1 && *verdict != NOT_FOUND)
		return take(p, memo, next, seq, now, verdict);
	return take_all(next, seq, n, *verdict);
}

// The result of fastpath for a frame. rx passes it from the socket filter to ingress.
// All fields have eight bytes: without CAP_PERFMON the verifier refuses two writes to one
// word of the stack (see search in claims.h).
struct handoff {
	__u64 to;    // index of the link that a relayed frame goes to
	__u64 slot; // index of the entry in entries, and of its counters in counts
	__u64 spared; // not 0: a message of neighbours, without number and verdict
	__u64 apart;  // not 0: the frame belongs to a rule that only the relay carries out
	struct layout layout;
};

// count_relayed counts the packets of a relayed frame.
static __always_inline void count_relayed(struct count *count, const struct layout *l)
{
	count->relayed_packets += l->packets;
	count->relayed_bytes += l->bytes;
}

// count_spared counts a relayed message of neighbours.
static __always_inline void count_spared(struct count *count, const struct layout *l)
{
	count->neighbour_packets += l->packets;
	count->neighbour_bytes += l->bytes;
}

// count_dropped counts the packets of a frame that a stage drops. It uses up the key that
// count_here has made.
static __always_inline void count_dropped(__u32 *key, __u64 stage, const struct layout *l)
{
	struct amount *dropped = drops_of(key, stage);
	if (dropped) {
		dropped->packets += l->packets;
		dropped->bytes += l->bytes;
	}
}

// slot_of_spared is slot_of for a message of neighbours.
static __always_inline __u64 slot_of_spared(const struct entry *entry)
{
	return entry->name_neighbours ? SLOT_UNKNOWN : SLOT_NONE;
}

// slot_of_layout is slot_of for other frames.
static __always_inline __u64 slot_of_layout(struct __sk_buff *skb, const struct entry *entry, const struct layout *l)
{
	if (l->packets > 1 && l->each == 0)
		return SLOT_UNKNOWN;
	__u64 found = slot_of(skb, &entry->rules, l->last, l->packets > 1 ? l->each : 0);
	return found == SLOT_NONE && entry->left ? SLOT_LEFT : found;
}

// choose returns this in place of a slot.
#define NO_SLOT 0xffffffffULL

// fits returns whether the link takes the packets of a frame. It has a stack of its own: see
// count_here of direction.h.
static __noinline bool fits(struct __sk_buff *skb, __u32 link)
{
	__u32 mtu = 0;
	return bpf_check_mtu(skb, link, &mtu, 0, skb->gso_size ? BPF_MTU_CHK_SEGS : 0) == 0;
}

// choose finds the entry that judges a frame and measures the frame. It returns NO_SLOT if the
// relay must decide. dead: the daemon counts as dead; frames that wait for it hold up no other.
static __always_inline __u64 choose(struct __sk_buff *skb, enum direction_index index, struct direction *direction,
				    struct backlog *backlog, struct handoff *c, bool rare, bool dead)
{
	c->apart = 0;
	__u64 in_force = READ(direction->entry);
	if (in_force == 0)
		return NO_SLOT;
	// In front of measure: later, its byte could come to lie where a pointer was, which the
	// verifier refuses without CAP_PERFMON.
	bool plain = index == TX && ordinary(skb);
	if (index == TX && !plain && !dead && encrypts_later(skb))
		return NO_SLOT;
	__u32 slot = index * ENTRIES + ((in_force - 1) & (ENTRIES - 1));
	struct entry *entry = bpf_map_lookup_elem(&entries, &slot);
	if (!entry)
		return NO_SLOT;
	bool ruled = rare && entry->rules.tuples != 0;
	if (!ruled && !dead && busy(backlog, !rare))
		return NO_SLOT;
	if (!measure(skb, &c->layout))
		return NO_SLOT;
	c->to = entry->to;
	// If the link is gone or its MTU is too small, the relay drops the frame and
	// counts the reason.
	if (index == TX && !fits(skb, c->to))
		return NO_SLOT;
	__u64 spared = !plain && skb->gso_size == 0 && entry->judge_neighbours == 0 && neighbour(skb) != 0;
	c->spared = spared;
	if (!ruled)
		return slot;
	__u64 found = spared ? slot_of_spared(entry) : slot_of_layout(skb, entry, &c->layout);
	c->apart = found == SLOT_LEFT;
	if (!dead && (found >= SLOT_UNKNOWN || busy(backlog, false)))
		return NO_SLOT;
	return found < SLOT_NONE ? index * ENTRIES + (found & (ENTRIES - 1)) : slot;
}

// choose is in global functions, so that the verifier looks at what follows it once, and not for
// each way through it. Only programs of tc may call the first.
__noinline __u64 choose_tx(struct __sk_buff *skb, struct direction *direction, struct backlog *backlog, struct handoff *c, int dead)
{
	return direction && backlog && c ? choose(skb, TX, direction, backlog, c, true, dead) : NO_SLOT;
}

__noinline __u64 choose_rx(struct __sk_buff *skb, struct direction *direction, struct backlog *backlog, struct handoff *c)
{
	return direction && backlog && c ? choose(skb, RX, direction, backlog, c, true, false) : NO_SLOT;
}

__noinline __u64 choose_rx_small(struct __sk_buff *skb, struct direction *direction, struct backlog *backlog, struct handoff *c)
{
	return direction && backlog && c ? choose(skb, RX, direction, backlog, c, false, false) : NO_SLOT;
}

// fastpath decides about a frame and counts it. It returns UNDECIDED, without a count, if
// the relay must decide. It does not count a relayed frame of rx, which the host may
// refuse: deliver counts it. rare says whether the entry may have a rare stage or be that of a rule;
// a constant, so that a program without them is small.
static __always_inline enum outcome fastpath(struct __sk_buff *skb, enum direction_index index,
					     struct direction *direction, struct backlog *backlog,
					     struct handoff *c, bool rare)
{
	bool dead = index == TX && !alive(direction);
	__u64 chosen = index == TX ? choose_tx(skb, direction, backlog, c, dead)
		     : rare	   ? choose_rx(skb, direction, backlog, c)
				   : choose_rx_small(skb, direction, backlog, c);
	if (chosen == NO_SLOT)
		return UNDECIDED;
	__u32 slot = chosen;
	struct entry *entry = bpf_map_lookup_elem(&entries, &slot);
	c->slot = slot;
	struct count *count = count_here(&slot);
	if (!entry || !count)
		return UNDECIDED;
	if (c->spared) {
		if (index == TX)
			count_spared(count, &c->layout);
		APART;
		return RELAYED;
	}
	__u64 *next = next_of(direction, entry);
	if (dead) {
		__sync_fetch_and_add(next, c->layout.packets);
		count->unjudged_packets += c->layout.packets;
		count_relayed(count, &c->layout);
		APART;
		return RELAYED;
	}
	__u64 now = goes_by_clock(&entry->program) ? bpf_ktime_get_ns() : 0;
	__u64 verdict = RELAY;
	enum outcome outcome = rare
		? judge(&entry->program, c->slot, next, c->layout.packets, now, &verdict)
		: judge_common(&entry->program, next, c->layout.packets, now, &verdict);
	if (outcome == DROPPED) {
		count_dropped(&slot, verdict, &c->layout);
		APART;
	} else if (outcome == RELAYED && index == TX) {
		count_relayed(count, &c->layout);
	}
	return outcome;
}
