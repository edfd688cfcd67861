// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The fault engine in C: Decide and Uniform of package policy, with the same names in the
// same order. A packet gets the same verdict from both.

#pragma once

#include "common.h"

// The numbers of stages.go. A verdict is RELAY or the stage that drops the packet.
enum stage { RELAY, BY_PERCENT, BY_TIME, BY_EVERY };

#define STAGE_NUMBERS 16 // more than any stage's number

// The stages that decide and whole below carry out: bit n stands for the stage of number
// n. Go reads this constant from the object and leaves every program with another stage
// to the relay.
const volatile __u64 knows = 1 << BY_PERCENT | 1 << BY_TIME | 1 << BY_EVERY;

// The same layout as Program in stages.go, byte for byte.
struct program {
	__u64 stages;

	__u64 percent_drop;
	__u64 percent_key;

	__u64 time_epoch;
	__u64 time_on;
	__u64 time_cycle;

	__u64 every_n;
};

// draw.go

#define GAMMA 0x9e3779b97f4a7c15ULL

static __always_inline __u64 mix64(__u64 z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static __always_inline __u32 draw(__u64 key, __u64 seq)
{
	return mix64(key + seq * GAMMA) >> 32;
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

// every.go

static __always_inline bool every_drops(const struct program *p, __u64 seq)
{
	return p->every_n != 0 && seq % p->every_n == p->every_n - 1;
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

static __always_inline enum stage decide(const struct program *p, __u64 now, __u64 seq)
{
	if (percent_drops(p, seq))
		return BY_PERCENT;
	if (every_drops(p, seq))
		return BY_EVERY;
	if (time_drops(p, now))
		return BY_TIME;
	return RELAY;
}

// goes_by_clock says whether decide reads now. A reading of the clock costs as much as
// the rest of a decision.
static __always_inline bool goes_by_clock(const struct program *p)
{
	return p->time_cycle != 0;
}

static __always_inline bool whole(const struct program *p, __u32 segments)
{
	return segments <= 1 || p->percent_drop >= ALWAYS || (p->percent_drop == 0 && p->every_n <= 1);
}
