//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Runs decide and whole of decide.h on questions of a test, which compares the answers
// with package policy.

#include "decide.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define QUESTIONS 65536

struct question {
	struct program program;
	__u64 now, seq;
	__u64 segments;
	__u64 memo;
	__u64 verdict, whole; // the answers
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, QUESTIONS);
	__type(key, __u32);
	__type(value, struct question);
} questions SEC(".maps");

static long answer_one(__u64 i, void *unused)
{
	__u32 key = i;
	struct question *q = bpf_map_lookup_elem(&questions, &key);
	if (!q)
		return 1;
	q->verdict = decide(&q->program, q->memo, q->now, q->seq);
	q->whole = whole(&q->program, q->segments);
	return 0;
}

SEC("syscall")
int answer(void *unused)
{
	return bpf_loop(QUESTIONS, answer_one, 0, 0);
}
