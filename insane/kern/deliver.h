// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Sends received frames to the interface, and counts them when they are sent and when they
// arrive. The host refuses a frame while the interface is down or the queue of the CPU is
// full, and does not say so: what is sent and does not arrive was refused.

#pragma once

#include "fastpath.h"

// The inflight frames are between the slave's ingress and the interface: the kernel queues
// them in between (net/core/dev.c, enqueue_to_backlog). Each CPU writes its own counters.
struct inflight {
	__u64 turn;     // 0 or 1: see struct crossing. Only Go writes it
	__u64 arrived;  // frames at the ingress of the interface
	__u64 finished; // frames that the host has certainly processed; at most arrived
	__u64 unused[5];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); // Go multiplies it by the number of CPUs
	__type(key, __u32);
	__type(value, struct inflight);
} inflights SEC(".maps");

static __always_inline struct inflight *inflight_here(void)
{
	__u32 key = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&inflights, &key);
}

// Counts the packets that are sent to the interface, and those that arrive there. A frame
// belongs to the turn in which it was sent. When Go begins the other turn, no more frames of
// this one are sent, and what is still missing later was refused.
struct crossing {
	__u64 sent_packets, sent_bytes;
	__u64 sent_spared; // the part of sent_packets without number and verdict
	__u64 arrived_packets, arrived_bytes; // with number and verdict
	__u64 arrived_spared, arrived_spared_bytes; // without
	__u64 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2); // by CPU and turn; Go multiplies it by the number of CPUs
	__type(key, __u32);
	__type(value, struct crossing);
} crossings SEC(".maps");

// crossing_of returns the counters of a turn on this CPU.
static __always_inline struct crossing *crossing_of(__u32 turn)
{
	__u32 key = bpf_get_smp_processor_id() * 2 + (turn & 1);
	return bpf_map_lookup_elem(&crossings, &key);
}

// The value of skb->tc_index that marks an inflight frame, and the bits beside it. The field
// has no other use at ingress.
#define INFLIGHT 0x494c
#define SECOND_TURN 1
#define SPARED 2

// deliver sends a frame to the ingress of the interface, and counts it before. It returns
// what the program has to return. bpf_clone_redirect would report whether the host accepts
// the frame, but copies the frame's headers.
static __always_inline int deliver(struct __sk_buff *skb, __u32 to, const struct handoff *c)
{
	struct inflight *inflight = inflight_here();
	if (!inflight)
		return TC_ACT_SHOT;
	__u32 turn = READ(inflight->turn) & SECOND_TURN;
	struct crossing *crossing = crossing_of(turn);
	struct count *count = count_of(c->slot);
	if (!crossing || !count)
		return TC_ACT_SHOT;
	crossing->sent_packets += c->layout.packets;
	crossing->sent_bytes += c->layout.bytes;
	if (c->spared) {
		crossing->sent_spared += c->layout.packets;
		turn |= SPARED;
		APART;
	} else {
		count_relayed(count, &c->layout);
		APART;
	}
	skb->tc_index = INFLIGHT | turn;
	return bpf_redirect(to, BPF_F_INGRESS);
}

// arrive counts a frame at the ingress of the interface, if deliver has sent it.
static __always_inline void arrive(struct __sk_buff *skb)
{
	__u32 bits = skb->tc_index ^ INFLIGHT;
	if (bits > (SECOND_TURN | SPARED))
		return;
	skb->tc_index = 0;
	struct inflight *inflight = inflight_here();
	struct crossing *crossing = crossing_of(bits);
	struct layout layout;
	if (!inflight || !crossing || !measure(skb, &layout))
		return;
	if (bits & SPARED) {
		crossing->arrived_spared += layout.packets;
		crossing->arrived_spared_bytes += layout.bytes;
		APART;
	} else {
		crossing->arrived_packets += layout.packets;
		crossing->arrived_bytes += layout.bytes;
		APART;
	}
	inflight->arrived++;
}
