// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Names the flow of a packet, so that an answer has the same name as its question.

#pragma once

#include "claims.h"

// The name of a flow: two addresses as in struct prefix, and the rest in one word. All fields
// have eight bytes: see search in claims.h.
struct flow {
	__u64 peer[2], own[2];
	__u64 ports; // the protocol, the peer's port and the own port, from PROTOCOL_SHIFT down
};

#define PROTOCOL_SHIFT 32
#define LATER (1ULL << 40) // in ports: stands for all fragments but the first of a packet
#define OFFER (1ULL << 41) // in ports: DHCP for IPv4, with the number of the transaction

// Ports of DHCP for IPv4 (RFC 2131 section 4.1), and where a message has the number of its
// transaction, behind the UDP header.
#define DHCP_SERVER 67
#define DHCP_CLIENT 68
#define DHCP_XID 4

// Whether the host has sent a packet, or has received it.
enum side { QUESTION, ANSWER };

// byte_at returns the byte of a frame at an offset; -1 if there is none. It is a global
// function, as extended is.
__noinline int byte_at(struct __sk_buff *skb, __u32 at)
{
	__u8 byte;
	return bpf_skb_load_bytes(skb, at, &byte, 1) < 0 ? -1 : byte;
}

// The transport header of a packet.
struct transport {
	__u64 at;       // its offset
	__u64 protocol; // IPPROTO_…
	__u64 later;    // whether there is none: the packet is a fragment, and not the first
};

// ends4 fills in the addresses of an IPv4 flow.
static __always_inline void ends4(struct flow *flow, __be32 peer, __be32 own)
{
	flow->peer[0] = 0;
	flow->peer[1] = mapped(peer);
	flow->own[0] = 0;
	flow->own[1] = mapped(own);
}

// ends6 fills in the addresses of an IPv6 flow.
static __always_inline void ends6(struct flow *flow, const struct in6_addr *peer, const struct in6_addr *own)
{
	__builtin_memcpy(flow->peer, peer, sizeof(flow->peer));
	__builtin_memcpy(flow->own, own, sizeof(flow->own));
}

// transport4 finds the transport header of an IPv4 packet whose header is at an offset.
static __always_inline void transport4(const struct iphdr *ip, __u32 at, struct transport *t)
{
	t->at = at + ip->ihl * 4;
	t->protocol = ip->protocol;
	t->later = ip->frag_off & bpf_htons(0x1fff);
}

#define EXTENSIONS 4 // headers between IPv6 and transport that transport6 passes over

// extended finds the transport header behind the extension headers of an IPv6 packet. next is
// the type of the header at an offset. It returns the offset, the protocol from bit 32 on, and
// LATER for a later fragment. The kernel verifies a global function by itself, so that its
// branches do not multiply with those of its callers.
__noinline __u64 extended(struct __sk_buff *skb, __u32 at, __u32 next)
{
	__u64 later = 0;
	__u8 option[4];
	for (int i = 0; i < EXTENSIONS; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		if (bpf_skb_load_bytes(skb, at, option, sizeof(option)) < 0)
			break;
		if (next == IPPROTO_FRAGMENT && (option[2] || option[3] & 0xf8))
			later = LATER;
		at += next == IPPROTO_FRAGMENT ? 8 : 8 + option[1] * 8;
		next = option[0];
	}
	return later | (__u64)(next & 0xff) << PROTOCOL_SHIFT | at;
}

// transport6 finds the transport header of an IPv6 packet whose header is at an offset.
static __always_inline void transport6(struct __sk_buff *skb, const struct ipv6hdr *ip, __u32 at, struct transport *t)
{
	__u64 found = extended(skb, at + sizeof(*ip), ip->nexthdr);
	t->at = (__u32)found;
	t->protocol = found >> PROTOCOL_SHIFT & 0xff;
	t->later = found & LATER;
}

// to_client returns whether a UDP packet is from a DHCP server to a client. at is the offset of
// the UDP header. It is a global function, as extended is.
__noinline int to_client(struct __sk_buff *skb, __u32 at)
{
	__be16 port[2];
	return bpf_skb_load_bytes(skb, at, port, sizeof(port)) == 0 && port[0] == bpf_htons(DHCP_SERVER) &&
	       port[1] == bpf_htons(DHCP_CLIENT);
}

// ports_of returns the word ports of the flow of a packet that is not a later fragment.
// Protocols without ports are one flow between two hosts. An ICMP echo has its identifier as
// the port. A client of DHCP may change its address from one message to the next, so its
// transactions count instead. It is a global function, as extended is.
__noinline __u64 ports_of(struct __sk_buff *skb, __u32 at, __u32 protocol, enum side side)
{
	__be16 port[2] = { 0, 0 }, identifier = 0;
	__be32 transaction;
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		bpf_skb_load_bytes(skb, at, port, sizeof(port));
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		bpf_skb_load_bytes(skb, at + 4, &identifier, sizeof(identifier));
	}
	__u64 source = port[0], destination = port[1];
	__u64 own = (side == QUESTION ? source : destination) | identifier;
	__u64 peer = side == QUESTION ? destination : source;
	if (protocol == IPPROTO_UDP && own == bpf_htons(DHCP_CLIENT) && peer == bpf_htons(DHCP_SERVER) &&
	    bpf_skb_load_bytes(skb, at + sizeof(struct udphdr) + DHCP_XID, &transaction, sizeof(transaction)) == 0)
		return OFFER | transaction;
	return (__u64)protocol << PROTOCOL_SHIFT | peer << 16 | own;
}

// identify fills in the ports of a flow whose addresses are filled in; the packet must not be
// a later fragment.
static __always_inline void identify(struct __sk_buff *skb, struct flow *flow, struct transport *t, enum side side)
{
	flow->ports = ports_of(skb, t->at, t->protocol, side);
	if (flow->ports & OFFER)
		flow->peer[0] = flow->peer[1] = flow->own[0] = flow->own[1] = 0;
}

// to_group leaves out who answers, and from which port. DHCP has its own rule.
static __always_inline void to_group(struct flow *flow)
{
	if (flow->ports & OFFER)
		return;
	flow->peer[0] = flow->peer[1] = 0;
	flow->ports &= ~0xffff0000ULL;
}

#define ICMP_HEADER 8 // bytes in front of the packet that caused an error

// is_error4 returns whether a type of ICMP is an error, or a redirect, of a packet that the
// message repeats (RFC 792).
static __always_inline bool is_error4(int type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

// is_error6 is the same for ICMPv6 (RFC 4443 section 2.1). Type 0 is none.
static __always_inline bool is_error6(int type)
{
	return type > 0 && type < 128;
}
