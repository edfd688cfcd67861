// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Knows the messages by which the hosts of a link find each other, as Neighbour of
// package frame does. By default no policy judges them, and they take no number.

#pragma once

#include "common.h"
#include "layout.h"

#define OF_THIS_LINK 1 // the hop limit of MLD (RFC 3810 section 5)
#define UNROUTED 255   // the hop limit of neighbour discovery (RFC 4861 section 6.1)

// The messages of neighbour discovery, from router solicitation to redirect. The messages
// of MLD are numbered ICMPV6_MGM_QUERY to ICMPV6_MGM_REDUCTION, and ICMPV6_MLD2_REPORT.
#define ND_FIRST 133
#define ND_LAST 137

// An ARP packet for Ethernet and IPv4 (RFC 826).
struct arp {
	__be16 hardware, protocol;
	__u8 hardware_len, protocol_len;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__be32 sender;
	__u8 target_mac[ETH_ALEN];
	__be32 target;
} __attribute__((packed));

// neighbour6 is neighbour for an IPv6 packet at offset at. A report of groups follows a
// router alert option.
static __always_inline bool neighbour6(struct __sk_buff *skb, __u32 at, __u8 next, __u8 hops)
{
	__u8 option[2], type;
	at += sizeof(struct ipv6hdr);
	if (next == IPPROTO_HOPOPTS) {
		if (bpf_skb_load_bytes(skb, at, option, sizeof(option)) < 0 || option[1] != 0)
			return false;
		next = option[0];
		at += 8;
	}
	if (next != IPPROTO_ICMPV6 || bpf_skb_load_bytes(skb, at, &type, 1) < 0)
		return false;
	if (hops == UNROUTED)
		return type >= ND_FIRST && type <= ND_LAST;
	return hops == OF_THIS_LINK &&
	       ((type >= ICMPV6_MGM_QUERY && type <= ICMPV6_MGM_REDUCTION) || type == ICMPV6_MLD2_REPORT);
}

// The type of a frame, and the first bytes behind it.
struct head {
	__be16 type;
	__u8 packet[10];
};

static __always_inline bool is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

// neighbour returns 1 if a frame is ARP, IPv6 neighbour discovery, IGMP or MLD, and else 0.
// It reads the bytes and not skb->protocol, which a sender may choose. The tag beside the
// bytes, if there is one, is the outer one of two. The function is no static one, so that the
// verifier checks it once, and not for every way that leads to it.
__noinline int neighbour(struct __sk_buff *skb)
{
	__u32 at = ETH_HLEN - sizeof(__be16);
	struct head head;
	if (bpf_skb_load_bytes(skb, at, &head, sizeof(head)) < 0)
		return 0;
	if (is_tag(head.type)) {
		at += VLAN_TAG;
		if (bpf_skb_load_bytes(skb, at, &head, sizeof(head)) < 0)
			return 0;
		if (is_tag(head.type) && !skb->vlan_present) {
			at += VLAN_TAG;
			if (bpf_skb_load_bytes(skb, at, &head, sizeof(head)) < 0)
				return 0;
		}
	}
	if (head.type == bpf_htons(ETH_P_ARP))
		return 1;
	if (head.type == bpf_htons(ETH_P_IP))
		return head.packet[9] == IPPROTO_IGMP;
	if (head.type == bpf_htons(ETH_P_IPV6))
		return neighbour6(skb, at + sizeof(head.type), head.packet[6], head.packet[7]);
	return 0;
}

// ordinary returns whether a glance at a frame of the host shows that it is an IP packet which
// is neither a message of neighbours nor to be encrypted later (see encrypts_later). For other
// frames it returns false, and for those whose first bytes are not in one piece. Only programs
// of tc may call it: they may read the bytes directly, which costs less than a helper.
static __always_inline bool ordinary(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct {
		__u8 addresses[2 * ETH_ALEN];
		struct head head;
	} __attribute__((packed)) *frame = data;
	if ((void *)(frame + 1) > end || frame->head.type != skb->protocol)
		return false;
	__u8 protocol;
	switch (frame->head.type) {
	case bpf_htons(ETH_P_IP):
		protocol = frame->head.packet[9];
		return protocol != IPPROTO_IGMP && protocol != IPPROTO_ESP;
	case bpf_htons(ETH_P_IPV6):
		protocol = frame->head.packet[6];
		return protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ICMPV6 && protocol != IPPROTO_ESP;
	}
	return false;
}
