// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Decides who owns a frame that arrives at the slave, from the claims of the device and from
// the way that the question left which the frame answers.

#pragma once

#include "recall.h"

// The owner of a frame.
enum owner {
	SLAVE,  // the slave's stack alone
	BOTH,   // the stack and the device each get a copy: either may have asked for this answer
	DEVICE, // the device alone
};

#define ARP_REQUEST 1
#define ARP_REPLY 2

// owner_request decides about an ARP request that is not for the device. The device answers
// a request for any address of this host if the host routes to the sender through the
// device: with a strict reverse path check, the slave would not answer (net/ipv4/arp.c,
// arp_process). The same holds for an address that the host answers for by proxy. The host
// answers for an address by proxy if it is routed through another link than the one that the
// request arrives at. So the device also gets the requests for addresses that are routed
// through itself: the slave would answer these, although their owner does.
static __always_inline enum owner owner_request(void *table, const struct arp *arp, __u32 target)
{
	__u32 sender = known4(table, arp->sender);
	if (target & HOST)
		return sender & ROUTED ? DEVICE : SLAVE;
	return target & PROXIED && (sender | target) & ROUTED ? DEVICE : SLAVE;
}

// owner_arp decides about an ARP packet. The device answers a request for one of its own
// addresses. Both get a reply or an announcement: any packet that the host has sent through
// the device, by whatever rule, may have been the reason to ask. A stack that has not asked
// ignores the copy. It is a global function, as extended of flow.h is.
__noinline enum owner owner_arp(struct __sk_buff *skb)
{
	void *table = bpf_map_lookup_elem(&claims, &zero);
	struct arp arp;
	if (!table || bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)) < 0)
		return SLAVE;
	if (arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_len != ETH_ALEN || arp.protocol_len != 4)
		return SLAVE;
	__u32 target = known4(table, arp.target);
	if (target & OWN)
		return DEVICE;
	if (skb->pkt_type == PACKET_OTHERHOST)
		return SLAVE;
	// A request for the address of its sender is an announcement (RFC 5227 section 3).
	if (arp.operation == bpf_htons(ARP_REQUEST) && arp.sender != arp.target)
		return owner_request(table, &arp, target);
	return arp.operation == bpf_htons(ARP_REQUEST) || arp.operation == bpf_htons(ARP_REPLY) ? BOTH : SLAVE;
}

// owner_of returns the owner of an answer whose question left in a way. A strict reverse path
// check refuses packets of some senders at one of the two links: if that is the link where the
// answer belongs, both get it, and the check decides.
static __always_inline enum owner owner_of(enum way way, __u32 sender)
{
	bool routed = sender & ROUTED;
	if (sender & STRICT && routed != (way == THROUGH))
		return BOTH;
	return way == THROUGH ? DEVICE : SLAVE;
}

// owner_group decides about a packet to many. query: it asks for multicast memberships; both
// get it, as each reports its own.
static __always_inline enum owner owner_group(__u32 sender, bool query)
{
	if (query)
		return BOTH;
	return sender & SUBNET ? DEVICE : SLAVE;
}

// is_usual returns whether the claims alone say where the answers of a sender belong, as nothing
// is remembered that could say otherwise.
static __always_inline bool is_usual(__u32 sender, __u8 protocol)
{
	struct recall *recall = recalled();
	return !recall || !active(recall) || !remembers(recall, usual_way(sender), protocol);
}

// owner_answer decides about a packet to this host alone, or by way of it, whose flow is
// given; its ports are not filled in yet.
static __noinline enum owner owner_answer(struct __sk_buff *skb, struct flow *flow, struct transport *t,
					       __u32 sender)
{
	enum way usual = usual_way(sender);
	struct recall *recall = recalled();
	if (!recall)
		return owner_of(usual, sender);
	if (t->later)
		return later_known(flow, t->protocol) ? BOTH : owner_of(usual, sender);
	identify(skb, flow, t, ANSWER);
	return owner_of(way_of(recall, flow, t->protocol, usual), sender);
}

// owner_error decides about an ICMP error of a sender. It goes where the packet came from that
// caused it. flow is the flow of that packet, and to is what is known of its destination.
static __noinline enum owner owner_error(struct __sk_buff *skb, struct flow *flow, struct transport *t,
					      __u32 sender, __u32 to)
{
	enum way usual = usual_way(to);
	struct recall *recall = recalled();
	if (!recall || !active(recall) || !remembers(recall, usual, t->protocol) || t->later)
		return owner_of(usual, sender);
	identify(skb, flow, t, QUESTION);
	return owner_of(way_of(recall, flow, t->protocol, usual), sender);
}

// owner_error4 decides about an ICMP error whose own header begins at an offset. It is a global
// function, as extended of flow.h is.
__noinline enum owner owner_error4(struct __sk_buff *skb, __u32 at, __u32 sender)
{
	void *table = bpf_map_lookup_elem(&claims, &zero);
	struct iphdr ip;
	if (!table || bpf_skb_load_bytes(skb, at + ICMP_HEADER, &ip, sizeof(ip)) < 0)
		return owner_of(usual_way(sender), sender);
	struct flow flow;
	struct transport t;
	ends4(&flow, ip.daddr, ip.saddr);
	transport4(&ip, at + ICMP_HEADER, &t);
	return owner_error(skb, &flow, &t, sender, known4(table, ip.daddr));
}

// owner_offer decides about a broadcast UDP packet to a DHCP client. Both get it if nobody is
// known to have asked.
static __always_inline enum owner owner_offer(struct __sk_buff *skb, struct transport *t)
{
	struct flow flow;
	ends4(&flow, 0, 0);
	identify(skb, &flow, t, ANSWER);
	__u64 *way = bpf_map_lookup_elem(&flows, &flow);
	return !way ? BOTH : *way == THROUGH ? DEVICE : SLAVE;
}

// owner_ipv4 decides about an IPv4 packet. It is a global function, as extended of flow.h is.
__noinline enum owner owner_ipv4(struct __sk_buff *skb)
{
	void *table = bpf_map_lookup_elem(&claims, &zero);
	struct iphdr ip;
	if (!table || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return SLAVE;
	if (known4(table, ip.daddr) & OWN)
		return DEVICE;
	if (skb->pkt_type == PACKET_OTHERHOST)
		return SLAVE;
	__u64 sender = known4(table, ip.saddr);
	struct transport t;
	transport4(&ip, ETH_HLEN, &t);
	if (skb->pkt_type != PACKET_HOST) {
		if (ip.protocol == IPPROTO_UDP && !t.later && to_client(skb, t.at))
			return owner_offer(skb, &t);
		return owner_group(sender, ip.protocol == IPPROTO_IGMP && byte_at(skb, t.at) == IGMP_HOST_MEMBERSHIP_QUERY);
	}
	if (ip.protocol == IPPROTO_ICMP && !t.later && is_error4(byte_at(skb, t.at)))
		return owner_error4(skb, t.at, sender);
	if (is_usual(sender, ip.protocol))
		return owner_of(usual_way(sender), sender);
	struct flow flow;
	ends4(&flow, ip.saddr, ip.daddr);
	return owner_answer(skb, &flow, &t, sender);
}

// The first fields of a solicitation and an advertisement (RFC 4861 sections 4.3, 4.4).
struct nd {
	struct icmp6hdr head;
	struct in6_addr target;
};

#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136

// owner_nd decides about a message of neighbour discovery. IPv6 answers only on the
// interface that has the address, so the device gets solicitations for its own addresses
// only. Both get an advertisement, as with ARP.
static __always_inline enum owner owner_nd(struct __sk_buff *skb, void *table, const struct ipv6hdr *ip,
					   const struct nd *nd)
{
	__u32 target = known6(table, &nd->target);
	if (target & OWN)
		return DEVICE;
	if (nd->head.icmp6_type == ND_SOLICITATION)
		return SLAVE;
	if (known6(table, &ip->daddr) & OWN)
		return DEVICE;
	if (skb->pkt_type == PACKET_OTHERHOST)
		return SLAVE;
	return BOTH;
}

// owner_error6 is the same for ICMPv6.
__noinline enum owner owner_error6(struct __sk_buff *skb, __u32 at, __u32 sender)
{
	void *table = bpf_map_lookup_elem(&claims, &zero);
	struct ipv6hdr ip;
	if (!table || bpf_skb_load_bytes(skb, at + ICMP_HEADER, &ip, sizeof(ip)) < 0)
		return owner_of(usual_way(sender), sender);
	struct flow flow;
	struct transport t;
	ends6(&flow, &ip.daddr, &ip.saddr);
	transport6(skb, &ip, at + ICMP_HEADER, &t);
	return owner_error(skb, &flow, &t, sender, known6(table, &ip.daddr));
}

// owner_ipv6 is the same for IPv6.
__noinline enum owner owner_ipv6(struct __sk_buff *skb)
{
	void *table = bpf_map_lookup_elem(&claims, &zero);
	struct ipv6hdr ip;
	if (!table || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return SLAVE;
	// A listener query follows a router alert option (RFC 3810 section 5).
	int at = ETH_HLEN + sizeof(ip);
	__u8 next = ip.nexthdr, option[8];
	if (next == IPPROTO_HOPOPTS && bpf_skb_load_bytes(skb, at, option, sizeof(option)) == 0 && option[1] == 0) {
		next = option[0];
		at += sizeof(option);
	}
	struct nd nd;
	__u8 type = 0;
	if (next == IPPROTO_ICMPV6 && bpf_skb_load_bytes(skb, at, &nd.head, sizeof(nd.head)) == 0)
		type = nd.head.icmp6_type;
	if ((type == ND_SOLICITATION || type == ND_ADVERTISEMENT) && bpf_skb_load_bytes(skb, at, &nd, sizeof(nd)) == 0)
		return owner_nd(skb, table, &ip, &nd);
	if (known6(table, &ip.daddr) & OWN)
		return DEVICE;
	if (skb->pkt_type == PACKET_OTHERHOST)
		return SLAVE;
	__u64 sender = known6(table, &ip.saddr);
	if (skb->pkt_type != PACKET_HOST)
		return owner_group(sender, type == ICMPV6_MGM_QUERY);
	if (is_error6(type))
		return owner_error6(skb, at, sender);
	if (is_usual(sender, IPPROTO_UDP)) // the protocol is not known yet; for others, less is remembered
		return owner_of(usual_way(sender), sender);
	struct flow flow;
	struct transport t;
	ends6(&flow, &ip.saddr, &ip.daddr);
	transport6(skb, &ip, ETH_HLEN, &t);
	return owner_answer(skb, &flow, &t, sender);
}

// owner_auto decides about a frame in the mode auto. The slave keeps every frame of a
// VLAN, because a VLAN is a network of another link. A tag with VLAN number 0 has only a
// priority and names no VLAN (IEEE 802.1Q).
static __always_inline enum owner owner_auto(struct __sk_buff *skb)
{
	if (skb->vlan_present && skb->vlan_tci & 0xfff)
		return SLAVE;
	switch (skb->protocol) {
	case bpf_htons(ETH_P_ARP):
		return owner_arp(skb);
	case bpf_htons(ETH_P_IP):
		return owner_ipv4(skb);
	case bpf_htons(ETH_P_IPV6):
		return owner_ipv6(skb);
	}
	return SLAVE;
}

// owner_neighbour returns whether a device in the mode none needs a copy of a frame, to
// resolve its neighbours: ARP replies and IPv6 neighbour discovery. It needs no ARP
// requests, as the slave answers them for every address of the host.
static __always_inline bool owner_neighbour(struct __sk_buff *skb)
{
	if (skb->vlan_present || skb->pkt_type == PACKET_OTHERHOST)
		return false;
	struct arp arp;
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)) == 0 && arp.operation == bpf_htons(ARP_REPLY);
	__u8 next[2], type;
	if (skb->protocol != bpf_htons(ETH_P_IPV6) || bpf_skb_load_bytes(skb, ETH_HLEN + 6, next, sizeof(next)) < 0)
		return false;
	// A router has forwarded a packet with a lower hop limit (RFC 4861 section 6.1).
	if (next[0] != IPPROTO_ICMPV6 || next[1] != 255)
		return false;
	return bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), &type, 1) == 0 &&
	       (type == ND_SOLICITATION || type == ND_ADVERTISEMENT);
}
