// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The header fields of a packet that rules can look at, as Key of package frame finds them.

#pragma once

#include "common.h"
#include "neighbour.h"

#define KEY_WORDS 7

// A key, as the words of Key.Words of package match. Without CAP_PERFMON the verifier refuses
// pointers to the stack that are not constant, so all indexes of words are.
struct key {
	__u64 words[KEY_WORDS];
};

// Bits of the field Has, which says what a packet has.
enum {
	HAS_IPV4 = 1,
	HAS_IPV6 = 2,
	HAS_DSCP = 4,
	HAS_PROTOCOL = 8,
	HAS_PORTS = 16,
	IS_ND = 32,
};

// Where fields are in the last word, behind the ports.
#define HAS_SHIFT 32
#define KEY_PROTOCOL_SHIFT 40
#define DSCP_SHIFT 48
#define FLAGS_SHIFT 56

#define FIN 0x01
#define KNOWN_FLAGS 0x17 // of TCP: FIN, SYN, RST and ACK
#define TCP_FLAGS 13     // offset of the byte of the flags

#define KEY_VLAN 0x1000
#define KEY_EXTENSIONS 8 // the most extension headers of IPv6 in front of the protocol

// first_half returns a word whose first four bytes are those of an IPv4 address.
static __always_inline __u64 first_half(__be32 address)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return address;
#else
	return (__u64)address << 32;
#endif
}

// word_of_mac returns an Ethernet address and a number as one word.
static __always_inline __u64 word_of_mac(const __u8 *mac, __u64 number)
{
	__u32 low;
	__u16 high;
	__builtin_memcpy(&low, mac, sizeof(low));
	__builtin_memcpy(&high, mac + sizeof(low), sizeof(high));
	return low | (__u64)high << 32 | number << 48;
}

// key_of_transport returns the part of the last word that the header behind an IP header
// gives. It is a global function, as extended of flow.h is.
__noinline __u64 key_of_transport(struct __sk_buff *skb, __u32 at, __u32 protocol, __u32 ipv6)
{
	__u8 byte;
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		break;
	case IPPROTO_ICMPV6:
		if (ipv6 && bpf_skb_load_bytes(skb, at, &byte, 1) == 0 && byte >= ND_FIRST && byte <= ND_LAST)
			return (__u64)IS_ND << HAS_SHIFT;
		return 0;
	default:
		return 0;
	}
	struct {
		__be16 port[2];
		__u8 between[TCP_FLAGS - 2 * sizeof(__be16)];
		__u8 flags;
	} tcp;
	tcp.flags = 0;
	if ((protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, at, &tcp, sizeof(tcp)) < 0) &&
	    bpf_skb_load_bytes(skb, at, tcp.port, sizeof(tcp.port)) < 0)
		return 0;
	return (__u64)HAS_PORTS << HAS_SHIFT | bpf_ntohs(tcp.port[0]) | (__u64)bpf_ntohs(tcp.port[1]) << 16 |
	       (__u64)(tcp.flags & KNOWN_FLAGS) << FLAGS_SHIFT;
}

// The argument of pass_extension: an IPv6 packet whose protocol is looked for.
struct extensions {
	struct __sk_buff *skb;
	__u64 at;    // offset of the next header
	__u64 next;  // its type
	__u64 found; // FOUND or LATER_FRAGMENT
};

enum { NOT_YET, FOUND, LATER_FRAGMENT };

// pass_extension passes over one extension header, and ends bpf_loop behind the last one.
static long pass_extension(__u64 i, struct extensions *e)
{
	__u8 header[4];
	__u64 next = e->next, length;
	if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT) {
		e->found = FOUND;
		return 1;
	}
	if (bpf_skb_load_bytes(e->skb, e->at, header, sizeof(header)) < 0)
		return 1;
	length = next == IPPROTO_FRAGMENT ? 8 : (header[1] + 1) * 8;
	if (e->at + length > e->skb->len)
		return 1;
	e->next = header[0];
	if (next == IPPROTO_FRAGMENT && (header[2] || header[3] & 0xf8)) {
		e->found = LATER_FRAGMENT;
		return 1;
	}
	e->at += length;
	forget(&e->at);
	forget(&e->next);
	return 0;
}

#define NEXT_SHIFT 32
#define FOUND_SHIFT 40

// protocol_of_ipv6 finds what follows the extension headers of an IPv6 packet. next is the type of
// the header at an offset. It returns the offset, the type from NEXT_SHIFT on, and what it has
// found from FOUND_SHIFT on.
__noinline __u64 protocol_of_ipv6(struct __sk_buff *skb, __u32 at, __u32 next)
{
	struct extensions e = { .skb = skb, .at = at, .next = next };
	forget(&e.at);
	forget(&e.next);
	bpf_loop(KEY_EXTENSIONS + 1, pass_extension, &e, 0);
	return (e.at & 0xffffffff) | (e.next & 0xff) << NEXT_SHIFT | e.found << FOUND_SHIFT;
}

// key_ipv4 fills in the key of an IPv4 packet with this header.
static __always_inline void key_ipv4(struct __sk_buff *skb, __u32 at, const struct iphdr *ip, struct key *k)
{
	if (ip->version != 4 || ip->ihl < 5 || at + ip->ihl * 4 > skb->len)
		return;
	k->words[0] = first_half(ip->saddr);
	k->words[2] = first_half(ip->daddr);
	__u64 word = (__u64)(HAS_IPV4 | HAS_DSCP | HAS_PROTOCOL) << HAS_SHIFT |
		     (__u64)ip->protocol << KEY_PROTOCOL_SHIFT | (__u64)(ip->tos >> 2) << DSCP_SHIFT;
	if (!(ip->frag_off & bpf_htons(0x1fff)))
		word |= key_of_transport(skb, at + ip->ihl * 4, ip->protocol, false);
	k->words[6] = word;
}

static __always_inline void key_tagged_ipv4(struct __sk_buff *skb, __u32 at, struct key *k)
{
	struct iphdr ip;
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) == 0)
		key_ipv4(skb, at, &ip, k);
}

static __always_inline void key_ipv6(struct __sk_buff *skb, __u32 at, struct key *k)
{
	struct {
		__u8 first[8];
		__u64 source[2], destination[2];
	} ip;
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0 || ip.first[0] >> 4 != 6)
		return;
	k->words[0] = ip.source[0];
	k->words[1] = ip.source[1];
	k->words[2] = ip.destination[0];
	k->words[3] = ip.destination[1];
	__u64 dscp = (ip.first[0] & 0xf) << 2 | ip.first[1] >> 6;
	__u64 word = (__u64)(HAS_IPV6 | HAS_DSCP) << HAS_SHIFT | dscp << DSCP_SHIFT;
	__u64 protocol = protocol_of_ipv6(skb, at + sizeof(ip), ip.first[6]), next = protocol >> NEXT_SHIFT & 0xff;
	if (protocol >> FOUND_SHIFT != NOT_YET)
		word |= (__u64)HAS_PROTOCOL << HAS_SHIFT | next << KEY_PROTOCOL_SHIFT;
	if (protocol >> FOUND_SHIFT == FOUND)
		word |= key_of_transport(skb, protocol, next, true);
	k->words[6] = word;
}

static __always_inline void key_arp(struct __sk_buff *skb, __u32 at, struct key *k)
{
	struct arp arp;
	if (bpf_skb_load_bytes(skb, at, &arp, sizeof(arp)) < 0 || arp.hardware != bpf_htons(1) ||
	    arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_len != ETH_ALEN || arp.protocol_len != 4)
		return;
	k->words[0] = first_half(arp.sender);
	k->words[2] = first_half(arp.target);
	k->words[6] = (__u64)HAS_IPV4 << HAS_SHIFT;
}

// The Ethernet header, and what is behind it if there is a tag.
struct link {
	__u8 destination[ETH_ALEN], source[ETH_ALEN];
	__be16 type;
};

// A VLAN tag behind the addresses, and the type behind it.
struct tag {
	__be16 type, tci, next;
};

// key_of_any is key_of for all frames.
__noinline int key_of_any(struct __sk_buff *skb, struct key *k)
{
	struct link link;
	struct tag tag;
	__u64 vlan = 0;
	if (!k || bpf_skb_load_bytes(skb, 0, &link, sizeof(link)) < 0)
		return 0;
	__u32 at = sizeof(link);
	__be16 type = link.type;
	if (skb->vlan_present)
		vlan = KEY_VLAN | (skb->vlan_tci & 0xfff);
	if (is_tag(type) && bpf_skb_load_bytes(skb, at - sizeof(type), &tag, sizeof(tag)) == 0) {
		bool second = vlan != 0;
		if (!second)
			vlan = KEY_VLAN | (bpf_ntohs(tag.tci) & 0xfff);
		type = tag.next;
		at += VLAN_TAG;
		if (!second && is_tag(type) && bpf_skb_load_bytes(skb, at - sizeof(type), &tag, sizeof(tag)) == 0) {
			type = tag.next;
			at += VLAN_TAG;
		}
	}
	k->words[4] = word_of_mac(link.destination, ether_kind(type));
	k->words[5] = word_of_mac(link.source, vlan);
	if (type == bpf_htons(ETH_P_IP))
		key_tagged_ipv4(skb, at, k);
	else if (type == bpf_htons(ETH_P_IPV6))
		key_ipv6(skb, at, k);
	else if (type == bpf_htons(ETH_P_ARP))
		key_arp(skb, at, k);
	return 0;
}

// key_of fills in the key of the only packet of a frame, or of the last one of a super-frame, from
// a key of zeros. It reads the headers of an IPv4 packet without a tag at once, which takes less
// time.
__noinline int key_of(struct __sk_buff *skb, struct key *k)
{
	struct {
		__u16 unused;
		struct link link;
		struct iphdr ip;
	} head;
	if (skb->vlan_present || bpf_skb_load_bytes(skb, 0, &head.link, sizeof(head.link) + sizeof(head.ip)) < 0 ||
	    head.link.type != bpf_htons(ETH_P_IP)) {
		key_of_any(skb, k);
		return 0;
	}
	if (!k)
		return 0;
	k->words[4] = word_of_mac(head.link.destination, ETH_P_IP);
	k->words[5] = word_of_mac(head.link.source, 0);
	key_ipv4(skb, sizeof(head.link), &head.ip, k);
	return 0;
}
