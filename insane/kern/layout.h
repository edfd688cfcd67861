// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Measures how many packets a frame is on the wire, and how many bytes they have. The
// result is that of package frame; frames that need closer checks are left to the relay.

#pragma once

#include "walk.h"

// The packets of one frame.
struct layout {
	__u64 packets; // on the wire, ≥ 1
	__u64 bytes;   // Ethernet bytes of all of them, with the headers that each repeats
	__u64 each;    // bytes of each packet but the last; 0: they differ
	__u64 last;    // bytes of the last packet
};

#define VLAN_TAG 4 // bytes of a VLAN tag, which the wire has and skb->len does not count

// The gso_size of frames whose packets have different lengths, as those of SCTP have
// (GSO_BY_FRAGS of linux/skbuff.h).
#define BY_FRAGS 0xffff

#define MAX_PACKET 0xffff // most bytes of an IP packet

// count_packets returns how many packets a super-frame with so many bytes of payload is; 0
// if the relay must look at it. A UDP super-frame can be taken for one of a tunnel that
// walk.h does not know, except that gso_segs is mostly another number than the payload gives
// then.
static __always_inline __u64 count_packets(struct __sk_buff *skb, const struct walk *w, __u64 payload)
{
	__u64 size = skb->gso_size, segments = skb->gso_segs;
	if (w->protocol == IPPROTO_SCTP)
		return size == BY_FRAGS ? segments : 0;
	if (size == BY_FRAGS)
		return 0;
	if (w->big && w->headers - ETH_HLEN + size > MAX_PACKET)
		return 0;
	__u64 packets = (payload + size - 1) / size;
	if (w->protocol == IPPROTO_UDP && packets != segments)
		return 0;
	return packets;
}

// measure_super is measure for super-frames. It is global, so that the verifier does not follow
// the caller once for each way through the headers.
__noinline int measure_super(struct __sk_buff *skb, struct layout *l)
{
	struct walk w = { .skb = skb };
	if (!l || skb->gso_size == 0 || !walk(&w) || skb->len <= w.headers)
		return false;
	__u32 tag = skb->vlan_present ? VLAN_TAG : 0;
	__u64 payload = skb->len - w.headers;
	l->packets = count_packets(skb, &w, payload);
	__u64 headers = w.headers - w.jumbo + tag;
	l->bytes = payload + l->packets * headers;
	l->each = skb->gso_size == BY_FRAGS ? 0 : headers + skb->gso_size;
	l->last = l->bytes - (l->packets - 1) * l->each;
	return l->packets != 0;
}

// measure finds out the layout of a frame. It returns false if the relay must look at
// the frame.
static __always_inline bool measure(struct __sk_buff *skb, struct layout *l)
{
	l->packets = 1;
	l->bytes = l->each = l->last = skb->len + (skb->vlan_present ? VLAN_TAG : 0);
	return skb->gso_size == 0 || measure_super(skb, l);
}

// encrypts_later returns whether the kernel may encrypt a frame of the host only when it
// leaves the link that it is sent through (xfrm_output of net/xfrm/xfrm_output.c,
// validate_xmit_xfrm of net/xfrm/xfrm_device.c). Such a frame is shorter here than on the
// wire. In the queue of the interface it is encrypted.
static __always_inline bool encrypts_later(struct __sk_buff *skb)
{
	__u8 protocol;
	__u32 at = ETH_HLEN;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		at += __builtin_offsetof(struct iphdr, protocol);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		at += __builtin_offsetof(struct ipv6hdr, nexthdr);
	else
		return false;
	return bpf_skb_load_bytes(skb, at, &protocol, 1) == 0 && protocol == IPPROTO_ESP;
}
