// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Measures how many packets a frame is on the wire, and how many bytes they have. The
// result is that of package frame; frames that need closer checks are left to the relay.

#pragma once

#include "common.h"

// The packets of one frame.
struct layout {
	__u64 packets; // on the wire, ≥ 1
	__u64 bytes;   // Ethernet bytes of all of them, with the headers that each repeats
};

#define VLAN_TAG 4 // bytes of a VLAN tag, which the wire has and skb->len does not count

// network checks the IP header of a super-frame at offset at, as package frame does. It
// returns the offset of the transport header and sets protocol; 0 if the header is not
// valid or the packet is a fragment.
static __always_inline __u32 network(struct __sk_buff *skb, __u32 at, __u8 *protocol)
{
	__be16 type;
	if (bpf_skb_load_bytes(skb, at - sizeof(type), &type, sizeof(type)) < 0)
		return 0;
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;
		if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5 ||
		    bpf_ntohs(ip.tot_len) != skb->len - at || ip.frag_off & bpf_htons(0x3fff))
			return 0;
		*protocol = ip.protocol;
		return at + ip.ihl * 4;
	}
	struct ipv6hdr ip;
	if (type != bpf_htons(ETH_P_IPV6) || bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0 || ip.version != 6 ||
	    bpf_ntohs(ip.payload_len) != skb->len - at - sizeof(ip))
		return 0;
	*protocol = ip.nexthdr;
	return at + sizeof(ip);
}

// headers returns the number of header bytes that every packet of a super-frame repeats;
// 0 if the super-frame is not plain TCP or UDP, or is not valid.
static __always_inline __u32 headers(struct __sk_buff *skb, __u8 *protocol)
{
	__u32 at = network(skb, ETH_HLEN, protocol);
	if (at == 0)
		return 0;
	if (*protocol == IPPROTO_UDP) {
		struct udphdr udp;
		if (bpf_skb_load_bytes(skb, at, &udp, sizeof(udp)) < 0 || bpf_ntohs(udp.len) != skb->len - at)
			return 0;
		return at + sizeof(udp);
	}
	__u8 offset;
	if (*protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, at + 12, &offset, 1) < 0 || offset >> 4 < 5)
		return 0;
	return at + (offset >> 4) * 4;
}

// measure finds out the layout of a frame. It returns false if the relay must look at
// the frame. A UDP tunnel looks like plain UDP, except that gso_segs is another number
// than the payload gives.
static __always_inline bool measure(struct __sk_buff *skb, struct layout *l)
{
	__u32 tag = skb->vlan_present ? VLAN_TAG : 0;
	l->packets = 1;
	l->bytes = skb->len + tag;
	__u32 size = skb->gso_size;
	if (size == 0)
		return true;
	__u8 protocol = 0;
	__u32 repeated = headers(skb, &protocol);
	if (repeated == 0 || skb->len <= repeated)
		return false;
	l->packets = (skb->len - repeated + size - 1) / size;
	if (protocol == IPPROTO_UDP && l->packets != skb->gso_segs)
		return false;
	l->bytes = skb->len + (l->packets - 1) * repeated + l->packets * tag;
	return true;
}
