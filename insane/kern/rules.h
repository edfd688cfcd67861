// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Finds the first rule that a packet fits: the tuple-space search of Table of package match.
//
// A tuple is a choice of header fields, as a mask. A look-up hashes what the key of the packet
// has under each mask, so the number of rules does not matter. The tuples are in the order of
// their first rules, and the search ends where no earlier rule can follow.

#pragma once

#include "key.h"

#define TUPLES 32 // of one direction
#define TURNS 2   // per direction: what is in force, and what was before it or comes after it
#define LAYERS 2  // of a direction: a table that changes rarely, and one of what was added since
#define WORDS 66560 // per direction: matches of both layers

// The rules of a direction, as its entry in force names them.
struct rules {
	__u64 tuples; // how many; 0: there are no rules
	__u64 first;  // index in tuples of the first one
};

// A tuple of one of the layers.
struct tuple {
	__u64 mask[KEY_WORDS];
	__u64 first;  // no candidate of this tuple is of an earlier rule
	__u64 table;  // index in rule_tables
	__u64 number; // of the tuple in that table
	__u64 words;  // index in words of the word of match number 0
	__u64 seed;   // of the digests in the table
	__u64 filter; // bit n is set if a candidate has n in the upper six bits of its digest
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * TURNS *TUPLES); // by direction, turn and tuple
	__type(key, __u32);
	__type(value, struct tuple);
} tuples SEC(".maps");

// A match that a packet fits which has these words under the mask, if its numbers are in the ranges.
// Both ends belong to a range.
struct candidate {
	__u64 words[KEY_WORDS];
	__u32 match;
	__u32 more; // not 0: there is another candidate with these words, of the same match or a later one
	__u32 length_low, length_high;
	__u16 source_low, source_high;
	__u16 destination_low, destination_high;
};

// The type of a table: from the digest of words, of a tuple and of the number of a candidate. No two
// candidates of a table have one digest. Go makes a table aside and replaces it as a whole.
struct rule_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u64));
	__uint(value_size, sizeof(struct candidate));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2 * TURNS *LAYERS); // by direction, turn and layer
	__type(key, __u32);
	__array(values, struct rule_table);
} rule_tables SEC(".maps");

// Says of each match the place of its rule among all, in the bits from PLACE_SHIFT up, and below
// them UNTOLD, 1 + the slot of its entry, or LEFT. Go changes places only while the direction is
// closed and no program uses the words.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * WORDS); // by direction, layer and match
	__type(key, __u32);
	__type(value, __u64);
} words SEC(".maps");

#define PLACE_SHIFT 32
#define GONE 0xfffff // in place of a place: there is no such rule any more
#define UNTOLD 0     // the relay has to find out
#define LEFT 0xfffff // the relay carries out the rule
#define CODE(word) ((word) & 0xffffffff)
#define IS_WORD (1ULL << 63) // in no word

// The word of a packet that fits no rule.
#define NO_RULE ((__u64)GONE << PLACE_SHIFT)

// A search for the first rule that a packet fits. It has no pointers: look_at is a global function.
struct rule_search {
	struct key key;
	__u64 tuples, first; // as in struct rules
	__u64 length;
	__u64 flags; // bits of the last word that are not looked at
	__u64 tuple, candidate;
	__u64 found; // the word of the first rule so far
	__u64 ended;
};

// The search of each CPU, which handles one frame after the other. It would take a quarter of the
// stack that a program may have.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rule_search);
} searches SEC(".maps");

// The argument of search_rules, which bpf_loop wants on the stack.
struct searching {
	struct rule_search *search;
};

#define MOST_CANDIDATES 1024 // a search of more is left to the relay

static __always_inline bool in_ranges(const struct candidate *c, __u64 ports, __u64 length)
{
	__u16 source = ports, destination = ports >> 16;
	return source >= c->source_low && source <= c->source_high && destination >= c->destination_low &&
	       destination <= c->destination_high && length >= c->length_low && length <= c->length_high;
}

// next_tuple makes a search go on with the next tuple, or ends it behind the last one.
static __always_inline long next_tuple(struct rule_search *s)
{
	s->candidate = 0;
	s->tuple++;
	if (s->tuple >= s->tuples) {
		s->ended = 1;
		return 1;
	}
	forget(&s->candidate);
	forget(&s->tuple);
	forget(&s->found);
	return 0;
}

// digest_of adds a word to a digest: digests of different words in one place differ.
static __always_inline __u64 digest_of(__u64 word, __u64 factor)
{
	return (word ^ word >> 32) * factor;
}

// masked returns a word of the key of a packet under the mask of a tuple.
#define MASKED(s, tuple, w) ((s)->key.words[w] & (tuple)->mask[w] & ((w) == KEY_WORDS - 1 ? ~(s)->flags : ~0ULL))

// look_at returns one of these, or the word of a rule with IS_WORD.
#define NEXT_TUPLE 1
#define NEXT_CANDIDATE 2

// word_at returns the word at an index.
static __noinline __u64 word_at(__u32 index)
{
	__u64 *word = bpf_map_lookup_elem(&words, &index);
	return word ? READ(*word) : NO_RULE;
}

// look_at looks a candidate up: it returns the word of its rule, if the packet fits it and no earlier
// one was found, or one of the above. It is a global function, as extended of flow.h is.
__noinline __u64 look_at(const struct rule_search *s, const struct tuple *tuple)
{
	if (!s || !tuple)
		return NEXT_TUPLE;
	__u64 seed = tuple->seed;
	__u64 digest = digest_of(MASKED(s, tuple, 0) ^ seed, 0xa0761d6478bd642fULL) + digest_of(MASKED(s, tuple, 1) ^ seed, 0xe7037ed1a0b428dbULL) +
		       digest_of(MASKED(s, tuple, 2) ^ seed, 0x8ebc6af09c88c6e3ULL) + digest_of(MASKED(s, tuple, 3) ^ seed, 0x589965cc75374cc3ULL) +
		       digest_of(MASKED(s, tuple, 4) ^ seed, 0x1d8e4e27c47d124fULL) + digest_of(MASKED(s, tuple, 5) ^ seed, 0xeb44accab455d165ULL) +
		       digest_of(MASKED(s, tuple, 6) ^ seed, 0x9c1b8e1e9628323fULL) +
		       digest_of(s->candidate << 32 | tuple->number, 0x802910e3a9f63f6bULL);
	if (!(tuple->filter >> (digest >> 58) & 1))
		return NEXT_TUPLE;
	__u32 table = tuple->table;
	void *candidates = bpf_map_lookup_elem(&rule_tables, &table);
	if (!candidates)
		return NEXT_TUPLE;
	struct candidate *c = bpf_map_lookup_elem(candidates, &digest);
	if (!c)
		return NEXT_TUPLE;
	__u64 differ = 0;
#pragma unroll
	for (int w = 0; w < KEY_WORDS; w++)
		differ |= c->words[w] ^ MASKED(s, tuple, w);
	if (differ)
		return NEXT_TUPLE;
	__u64 word = word_at(tuple->words + c->match), place = word >> PLACE_SHIFT;
	if (place != GONE && place >= s->found >> PLACE_SHIFT)
		return NEXT_TUPLE;
	if (place != GONE && in_ranges(c, s->key.words[KEY_WORDS - 1], s->length))
		return word | IS_WORD;
	return c->more ? NEXT_CANDIDATE : NEXT_TUPLE;
}

// search_rules looks at one candidate.
static long search_rules(__u64 i, struct searching *a)
{
	struct rule_search *s = a->search;
	__u32 at = s->first + s->tuple;
	struct tuple *tuple = bpf_map_lookup_elem(&tuples, &at);
	if (!tuple || (s->candidate == 0 && tuple->first >= s->found >> PLACE_SHIFT)) {
		s->ended = 1;
		return 1;
	}
	__u64 seen = look_at(s, tuple);
	if (seen == NEXT_CANDIDATE) {
		s->candidate++;
		forget(&s->candidate);
		return 0;
	}
	if (seen & IS_WORD)
		s->found = seen & ~IS_WORD;
	return next_tuple(s);
}

// rule_of returns the word of the rule of a packet, and UNTOLD if the search takes too long.
static __always_inline __u64 rule_of(struct rule_search *s, __u64 length, __u64 flags)
{
	s->length = length;
	s->flags = flags;
	s->tuple = s->candidate = s->ended = 0;
	s->found = NO_RULE;
	forget(&s->tuple);
	forget(&s->candidate);
	forget(&s->found);
	struct searching a = { .search = s };
	if (!search_rules(0, &a)) // mostly the end, and bpf_loop costs more
		bpf_loop(MOST_CANDIDATES, search_rules, &a, 0);
	return s->ended ? s->found : UNTOLD;
}

// Results of slot_of beside slots.
#define SLOT_NONE 0x10000    // the packet fits no rule
#define SLOT_UNKNOWN 0x10001 // the relay has to find out
#define SLOT_LEFT 0x10002    // the rule is the relay's

// slot_of returns the slot of the entry for the packets of a frame, or one of the results above.
// last is the length of its only packet, or of the last one of a super-frame; each is that of the
// others, 0 if there are none. The others have no flag FIN: see EarlierKey of package frame. It is
// a global function, as extended of flow.h is.
__noinline __u64 slot_of(struct __sk_buff *skb, const struct rules *rules, __u64 last, __u64 each)
{
	struct rule_search *s = bpf_map_lookup_elem(&searches, &zero);
	if (!rules || !s)
		return SLOT_UNKNOWN;
	__builtin_memset(&s->key, 0, sizeof(s->key));
	s->tuples = rules->tuples;
	s->first = rules->first;
	key_of(skb, &s->key);
	__u64 fin = (__u64)FIN << FLAGS_SHIFT;
	__u64 word = rule_of(s, last, 0);
	if (each != 0 && (each != last || s->key.words[KEY_WORDS - 1] & fin) && rule_of(s, each, fin) != word)
		return SLOT_UNKNOWN;
	if (word == NO_RULE)
		return SLOT_NONE;
	if (CODE(word) == UNTOLD)
		return SLOT_UNKNOWN;
	return CODE(word) == LEFT ? SLOT_LEFT : CODE(word) - 1;
}
