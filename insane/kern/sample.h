// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Takes a sample of what the fast path of tx relays, when user space asks for one: the
// beginning of the IP header of one packet.

#pragma once

#include "direction.h"

// Values of direction.sample. User space changes 0 and SAMPLE_TAKEN to SAMPLE_WANTED.
enum sample { SAMPLE_WANTED = 1, SAMPLE_BEGUN, SAMPLE_TAKEN };

// sample_sent takes a sample of a packet, if one is wanted. Of several CPUs one takes it.
static __always_inline void sample_sent(struct __sk_buff *skb, struct direction *direction)
{
	if (READ(direction->sample) != SAMPLE_WANTED)
		return;
	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return;
	if (__sync_val_compare_and_swap(&direction->sample, SAMPLE_WANTED, SAMPLE_BEGUN) != SAMPLE_WANTED)
		return;
	__u64 taken = bpf_skb_load_bytes(skb, ETH_HLEN, direction->header, sizeof(direction->header)) == 0;
	__sync_lock_test_and_set(&direction->sample, taken ? SAMPLE_TAKEN : SAMPLE_WANTED);
}
