// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Random draws, and chains of states that are made of them, as in draw.go, chain.go and
// memo.go of package policy.

#pragma once

#include "common.h"

// draw.go

#define GAMMA 0x9e3779b97f4a7c15ULL

static __always_inline __u64 mix64(__u64 z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static __always_inline __u64 hash(__u64 key, __u64 index)
{
	return mix64(key + index * GAMMA);
}

static __always_inline __u32 draw(__u64 key, __u64 seq)
{
	return hash(key, seq) >> 32;
}

#define ALWAYS (1ULL << 32)

static __always_inline bool covers(__u64 chance, __u32 draw)
{
	return draw < chance;
}

// A chain of states: see chain.go.
struct chain {
	__u64 key;
	__u64 bounds[5];
	__u64 maps[6];
};

// memo.go

#define FACTS 128 // of a memo
#define MEMOS 2048
#define NO_MEMO MEMOS

// The facts of all memos. User space empties a memo before a program uses it, and does not
// touch it while eBPF programs may. Any processor writes any of its words, each a fact.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MEMOS *FACTS); // by memo and place
	__type(key, __u32);
	__type(value, __u64);
} facts SEC(".maps");

enum chain_number { CHAIN_RUN, CHAIN_GE, CHAIN_STATE };

#define FACT_NUMBER 2
#define CHAIN_APART 43
#define MOST_REMEMBERED (1ULL << 61)

// fact_of returns the place of a fact; null in NO_MEMO.
static __always_inline __u64 *fact_of(__u64 memo, __u64 chain, __u64 seq)
{
	__u32 key = memo * FACTS + ((seq + chain * CHAIN_APART) & (FACTS - 1));
	return bpf_map_lookup_elem(&facts, &key);
}

// find returns the state of a chain behind the draw of packet seq; UNKNOWN if no fact says it.
#define UNKNOWN 4

static __always_inline __u64 find(__u64 memo, __u64 chain, __u64 seq)
{
	__u64 *at = fact_of(memo, chain, seq);
	if (!at || seq >= MOST_REMEMBERED)
		return UNKNOWN;
	__u64 fact = READ(*at);
	if (fact >> FACT_NUMBER != seq + 1)
		return UNKNOWN;
	return fact & 3;
}

static __always_inline void remember_state(__u64 memo, __u64 chain, __u64 seq, __u64 state)
{
	__u64 *at = fact_of(memo, chain, seq);
	if (at && seq < MOST_REMEMBERED)
		READ(*at) = (seq + 1) << FACT_NUMBER | state;
}

// chain.go

#define ALL_BAD 0x55

// A look back of more packets is left to the relay.
#define MAX_LOOK 4096

// pick has no branch: of branches the compiler makes an index that is not constant, which the
// verifier refuses without CAP_PERFMON.
static __always_inline __u64 pick(const struct chain *c, __u64 seq)
{
	__u64 d = draw(c->key, seq);
	__u64 map = c->maps[0];
#pragma unroll
	for (int i = 0; i < 5; i++) {
		__u64 reached = (__s64)(c->bounds[i] - 1 - d) >> 63; // all bits, if the draw is not below
		map ^= (map ^ c->maps[i + 1]) & reached;
	}
	return map;
}

static __always_inline __u64 follow(__u64 map, __u64 state)
{
	return map >> 2 * state & 3;
}

static __always_inline __u64 behind(__u64 second, __u64 first)
{
	return follow(second, follow(first, 0)) | follow(second, follow(first, 1)) << 2 |
	       follow(second, follow(first, 2)) << 4 | follow(second, follow(first, 3)) << 6;
}

static __always_inline bool forgets(__u64 map)
{
	return map == (map & 3) * ALL_BAD;
}

// The argument of look.
struct looking {
	const struct chain *chain;
	__u64 memo;
	__u64 number; // of the chain
	__u64 seq; // of the packet whose state is wanted
	__u64 map; // from the states of the packet that was looked at last to those of seq
};

// look goes one more packet back, i + 1 in all, and returns 1, which ends bpf_loop, if that
// makes the state known. It does not count in l: the verifier would follow the count.
static long look(__u64 i, struct looking *l)
{
	__u64 seq = l->seq - 1 - i;
	__u64 state = find(l->memo, l->number, seq);
	__u64 map = state < UNKNOWN ? follow(l->map, state) * ALL_BAD : behind(l->map, pick(l->chain, seq));
	l->map = map;
	return forgets(map);
}

// state_of returns the state of packet seq; UNKNOWN after MAX_LOOK packets. It is global, as the
// verifier would go through the turns of bpf_loop for each of its callers.
__noinline __u64 state_of(const struct chain *c, __u64 memo, __u64 number, __u64 seq)
{
	if (!c)
		return UNKNOWN;
	struct looking l = { .chain = c, .memo = memo, .number = number, .seq = seq, .map = pick(c, seq) };
	if (!forgets(l.map)) {
		__u64 before = find(memo, number, seq - 1);
		if (before < UNKNOWN)
			l.map = follow(l.map, before) * ALL_BAD;
		else
			bpf_loop(MAX_LOOK, look, &l, 0);
		if (!forgets(l.map))
			return UNKNOWN;
	}
	__u64 state = l.map & 3;
	remember_state(memo, number, seq, state);
	return state;
}

static __always_inline __u64 either_state(const struct chain *c, __u64 memo, __u64 number, __u64 seq)
{
	if (c->bounds[1] == 0)
		return follow(c->maps[2], (seq ^ c->key) & 1);
	return state_of(c, memo, number, seq);
}
