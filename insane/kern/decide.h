// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The fault engine in C: Decide and Uniform of package policy, with the same names in the
// same order. A packet gets the same verdict from both.

#pragma once

#include "common.h"

// The numbers of stages.go. A verdict is RELAY or the stage that drops the packet, or
// NOT_FOUND: the state of a chain is not known, and the relay must look for it.
enum stage {
	RELAY,
	BY_PERCENT,
	BY_TIME,
	BY_EVERY,
	BY_GEMODEL = 12,
	BY_STATE,
	BY_EXACTLY,
	BY_DROP,
	NOT_FOUND = 255,
};

#define STAGE_NUMBERS 20 // more than any stage's number

// Sets of stages: see stages.go.
#define WITH_RUN (1ULL << 32)
#define CHAINED (WITH_RUN | 1 << BY_GEMODEL | 1 << BY_STATE)
#define LISTED (1 << BY_EXACTLY | 1 << BY_DROP)
#define RARE (CHAINED | LISTED)

// The stages that decide and whole below carry out: bit n stands for the stage of number
// n. Go reads this constant from the object and leaves every program with another stage
// to the relay.
const volatile __u64 knows = 1 << BY_PERCENT | 1 << BY_TIME | 1 << BY_EVERY | RARE;

// A chain of states: see chain.go.
struct chain {
	__u64 key;
	__u64 bounds[5];
	__u64 maps[6];
};

#define RANGES 16

// The same layout as Program in program.go, byte for byte.
struct program {
	__u64 stages;

	__u64 percent_drop;
	__u64 percent_key;

	__u64 time_epoch;
	__u64 time_on;
	__u64 time_cycle;

	__u64 every_n;

	struct chain run;

	struct chain ge;
	__u64 ge_bad;
	__u64 ge_good;
	__u64 ge_key;

	struct chain state;

	__u64 exactly_lost;
	__u64 exactly_of;
	__u64 exactly_rows;
	__u64 exactly_columns;
	__u64 exactly_key;

	__u64 drop_from[RANGES];
	__u64 drop_count[RANGES];
};

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

// percent.go

static __always_inline bool percent_drops(const struct program *p, __u64 seq)
{
	return covers(p->percent_drop, draw(p->percent_key, seq));
}

// memo.go

#define FACTS 128 // of a memo
#define MEMOS 512
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

// state_of returns the state of packet seq; UNKNOWN after MAX_LOOK packets.
static __noinline __u64 state_of(const struct chain *c, __u64 memo, __u64 number, __u64 seq)
{
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

// every.go

static __always_inline bool every_drops(const struct program *p, __u64 seq)
{
	return p->every_n != 0 && seq % p->every_n == p->every_n - 1;
}

// exactly.go

#define MAX_REPEATS 1024
#define MAX_CARDS 64
#define SHUFFLE_ROUNDS 16

// The argument of shuffle_one and permute.
struct shuffle {
	__u64 key, lost, of, rows, columns;
	__u64 at; // the place
};

// shuffle_one gives place number i from the end one of the cards that are left, and returns 1,
// which ends bpf_loop, if that makes known whether the card is lost.
static long shuffle_one(__u64 i, struct shuffle *s)
{
	__u64 place = s->of - 1 - i, at = s->at;
	if (place < 1 || place < s->lost || at > place)
		return 1;
	__u64 from = (__u64)draw(s->key, place) * (place + 1) >> 32;
	if (at == place)
		s->at = from;
	else if (at == from)
		s->at = place;
	else
		return 0;
	return s->at == place;
}

// turn has no branch: the verifier would follow each, in each round.
static __always_inline __u64 turn(__u64 x, __u32 draw, __u64 n)
{
	x += ((__u64)draw * n >> 32) - n;
	return x + (n & (__u64)((__s64)x >> 63));
}

// permute moves to another place, and returns 1, which ends bpf_loop, if that is in the block.
static long permute(__u64 i, struct shuffle *s)
{
	__u64 key = s->key, columns = s->columns;
	__u64 row = s->at / columns, column = s->at % columns;
#pragma unroll
	for (__u64 round = 0; round < SHUFFLE_ROUNDS; round += 2) {
		row = turn(row, draw(key, (round << 32) + column), s->rows);
		column = turn(column, draw(key, ((round + 1) << 32) + row), columns);
	}
	s->at = row * columns + column;
	return s->at < s->of;
}

static __noinline bool exactly_drops(const struct program *p, __u64 seq)
{
	if (p->exactly_of == 0)
		return false;
	struct shuffle s = {
		.key = hash(p->exactly_key, seq / p->exactly_of),
		.lost = p->exactly_lost,
		.of = p->exactly_of,
		.rows = p->exactly_rows,
		.columns = p->exactly_columns,
		.at = seq % p->exactly_of,
	};
	if (s.of <= MAX_CARDS)
		bpf_loop(MAX_CARDS, shuffle_one, &s, 0);
	else if (s.columns == 0)
		return false;
	else
		bpf_loop(MAX_REPEATS, permute, &s, 0);
	return s.at < p->exactly_lost;
}

// drop.go

static __always_inline bool list_drops(const struct program *p, __u64 seq)
{
#pragma unroll
	for (int i = 0; i < RANGES; i++)
		if (seq - p->drop_from[i] < p->drop_count[i])
			return true;
	return false;
}

// time.go

static __always_inline bool time_drops(const struct program *p, __u64 now)
{
	if (p->time_cycle == 0)
		return false;
	__u64 phase = 0;
	if (now > p->time_epoch)
		phase = (now - p->time_epoch) % p->time_cycle;
	return phase >= p->time_on;
}

// stages.go

// drops_rarely is decide for programs with any of the stages. It is global, so that the
// verifier checks it once, and not wherever it is called.
__noinline int drops_rarely(const struct program *p, __u64 memo, __u64 now, __u64 seq)
{
	if (!p)
		return RELAY;
	if (percent_drops(p, seq))
		return BY_PERCENT;
	if (p->stages & WITH_RUN) {
		__u64 state = either_state(&p->run, memo, CHAIN_RUN, seq);
		if (state != 0)
			return state == UNKNOWN ? NOT_FOUND : BY_PERCENT;
	}
	if (p->stages & 1 << BY_GEMODEL) {
		__u64 state = either_state(&p->ge, memo, CHAIN_GE, seq);
		if (state == UNKNOWN)
			return NOT_FOUND;
		if (covers(state ? p->ge_bad : p->ge_good, draw(p->ge_key, seq)))
			return BY_GEMODEL;
	}
	if (p->stages & 1 << BY_STATE) {
		__u64 state = state_of(&p->state, memo, CHAIN_STATE, seq);
		if (state >= 2)
			return state == UNKNOWN ? NOT_FOUND : BY_STATE;
	}
	if (every_drops(p, seq))
		return BY_EVERY;
	if (p->stages & 1 << BY_EXACTLY && exactly_drops(p, seq))
		return BY_EXACTLY;
	if (p->stages & 1 << BY_DROP && list_drops(p, seq))
		return BY_DROP;
	if (time_drops(p, now))
		return BY_TIME;
	return RELAY;
}

// decide_common is decide for programs without the rare stages.
static __always_inline __u64 decide_common(const struct program *p, __u64 now, __u64 seq)
{
	if (percent_drops(p, seq))
		return BY_PERCENT;
	if (every_drops(p, seq))
		return BY_EVERY;
	if (time_drops(p, now))
		return BY_TIME;
	return RELAY;
}

// decide says what becomes of packet seq. memo is the index of one of this program, or NO_MEMO.
static __always_inline __u64 decide(const struct program *p, __u64 memo, __u64 now, __u64 seq)
{
	if (p->stages & RARE)
		return drops_rarely(p, memo, now, seq);
	return decide_common(p, now, seq);
}

// goes_by_clock says whether decide reads now. A reading of the clock costs as much as
// the rest of a decision.
static __always_inline bool goes_by_clock(const struct program *p)
{
	return p->time_cycle != 0;
}

// whole_common is whole for programs without the rare stages.
static __always_inline bool whole_common(const struct program *p, __u32 segments)
{
	return segments <= 1 || p->percent_drop >= ALWAYS || (p->percent_drop == 0 && p->every_n <= 1);
}

static __always_inline bool whole(const struct program *p, __u32 segments)
{
	if (!whole_common(p, segments))
		return false;
	if (segments <= 1 || p->percent_drop >= ALWAYS || !(p->stages & RARE))
		return true;
	return !(p->stages & CHAINED) && p->every_n == 1;
}
