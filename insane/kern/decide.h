// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The fault engine in C: Decide and Uniform of package policy, with the same names in the
// same order. A packet gets the same verdict from both.

#pragma once

#include "chain.h"

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

// percent.go

static __always_inline bool percent_drops(const struct program *p, __u64 seq)
{
	return covers(p->percent_drop, draw(p->percent_key, seq));
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
