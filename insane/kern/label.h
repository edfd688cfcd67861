// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The label of a frame: the priority and the mark that the host has given it, and when it
// entered the queue of the interface. They are not among the bytes of the frame, and the
// queue keeps only these. So each frame that enters the queue with a label, or while the
// relay wants to know the time, leaves a note, which the relay finds again by the
// fingerprint of the frame: label.go. Notes and frames have nearly the same order, as
// several CPUs may put frames into the queue at once. A frame that the queue loses
// afterwards is no harm: its note is not found.

#pragma once

#include "direction.h"

#define LABELS 1024 // the notes that may wait at once; the queue may hold more frames

struct label {
	__u64 turn;  // 1 + how many notes there were before this one; written last
	__u64 print; // the fingerprint of the frame
	__u64 tagged; // whether the frame has a VLAN tag beside its bytes
	__u64 priority;
	__u64 mark;
	__u64 time; // when the frame entered, in nanoseconds of CLOCK_MONOTONIC; 0: not wanted
	__u64 unused[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LABELS);
	__type(key, __u32);
	__type(value, struct label);
} labels SEC(".maps");

// How many bytes behind the Ethernet header make a fingerprint. They have the addresses,
// the ports, and what differs between the packets of a flow. Shorter frames use fewer.
#define PRINT_WORDS 7
#define PRINT_SHORT 3

// print returns the fingerprint of a frame.
static __always_inline __u64 print(struct __sk_buff *skb)
{
	__u64 words[PRINT_WORDS], print = skb->len;
	int n = PRINT_WORDS;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, words, sizeof(words)) < 0) {
		n = PRINT_SHORT;
		if (bpf_skb_load_bytes(skb, ETH_HLEN, words, PRINT_SHORT * sizeof(words[0])) < 0)
			return print;
	}
	for (int i = 0; i < PRINT_WORDS; i++)
		if (i < n)
			print = mix64(print ^ words[i]);
	return print;
}

// note leaves a note about a frame that enters the queue, if the frame has a label or the
// time is wanted. It reads the clock first, since the rest takes time.
static __always_inline void note(struct __sk_buff *skb, struct direction *direction)
{
	__u64 time = READ(direction->backlogs[0].stamps) ? bpf_ktime_get_ns() : 0;
	if (!(skb->priority | skb->mark | time))
		return;
	__u64 turn = __sync_fetch_and_add(&direction->labels, 1);
	__u32 key = turn & (LABELS - 1);
	struct label *label = bpf_map_lookup_elem(&labels, &key);
	if (!label)
		return;
	label->print = print(skb);
	label->tagged = skb->vlan_present;
	label->priority = skb->priority;
	label->mark = skb->mark;
	label->time = time;
	label->turn = turn + 1;
}
