// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Decides who owns a frame that arrives at the slave, from the claims of the device.

#pragma once

#include "common.h"

// The properties of an address, as bits. claim.go has the same values.
enum claim {
	OWN = 1,       // the address is the device's, and of no other link
	HOST = 2,      // the address is of another link of this host
	ROUTED = 4,    // the host sends to the address through the device
	SUBNET = 8,    // the address is in a network that the device itself is in
	STRICT = 16,   // packets from the address are refused by a strict reverse path check: see owner_by
	PROXIED = 32   // the host may answer ARP requests for the address in place of its owner
};

// The owner of a frame.
enum owner {
	SLAVE,  // the slave's stack alone
	BOTH,   // the stack and the device each get a copy: either may have asked for this answer
	DEVICE, // the device alone
};

// A network: an IPv6 prefix, or an IPv4 prefix as ::ffff:a.b.c.d. This is the key of the
// kernel's longest-prefix match (kernel/bpf/lpm_trie.c).
struct prefix {
	__u32 bits;
	__u8 address[16];
};

// The type of a table of claims: from a network to bits of enum claim.
struct claims {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__uint(key_size, sizeof(struct prefix));
	__uint(value_size, sizeof(__u32));
};

// Slot 0 is the table of claims in force. Go replaces it as a whole. Slot 1 is a dummy,
// which Go replaces only to wait for a grace period: see Objects.synchronize.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct claims);
} claims SEC(".maps");

// known returns what is known of an address, given as its two halves. The caller looks
// the table up once for each frame, so that one table answers all its questions. The
// prefix is laid out so that no two writes go to one word of eight bytes: without
// CAP_PERFMON the verifier of Linux 6.1 refuses the second write (kernel/bpf/verifier.c,
// check_stack_write_fixed_off).
static __always_inline __u32 known(void *table, __u64 high, __u64 low)
{
	struct {
		__u32 unused;
		struct prefix prefix;
	} __attribute__((aligned(8))) key;
	key.prefix.bits = 128;
	*(__u64 *)&key.prefix.address[0] = high;
	*(__u64 *)&key.prefix.address[8] = low;
	__u32 *claim = bpf_map_lookup_elem(table, &key.prefix);
	return claim ? *claim : 0;
}

// known4 is known for an IPv4 address, in network byte order.
static __always_inline __u32 known4(void *table, __be32 address)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return known(table, 0, (__u64)address << 32 | 0xffff0000);
#else
	return known(table, 0, 0xffffULL << 32 | address);
#endif
}

// known6 is known for an IPv6 address.
static __always_inline __u32 known6(void *table, const struct in6_addr *address)
{
	__u64 half[2];
	__builtin_memcpy(half, address, sizeof(half));
	return known(table, half[0], half[1]);
}

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
// ignores the copy.
static __always_inline enum owner owner_arp(struct __sk_buff *skb, void *table)
{
	struct arp arp;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)) < 0)
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

// owner_packet decides about an IP packet that is not addressed to the device. query: the
// packet asks for multicast memberships; both get it, as each reports its own.
static __always_inline enum owner owner_packet(struct __sk_buff *skb, __u32 sender, bool query)
{
	switch (skb->pkt_type) {
	case PACKET_OTHERHOST:
		return SLAVE;
	case PACKET_BROADCAST:
	case PACKET_MULTICAST:
		if (query)
			return BOTH;
		return sender & SUBNET ? DEVICE : SLAVE;
	}
	return sender & ROUTED ? DEVICE : SLAVE;
}

// owner_ipv4 decides about an IPv4 packet.
static __always_inline enum owner owner_ipv4(struct __sk_buff *skb, void *table)
{
	struct iphdr ip;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return SLAVE;
	if (known4(table, ip.daddr) & OWN)
		return DEVICE;
	__u8 type;
	bool query = ip.protocol == IPPROTO_IGMP && bpf_skb_load_bytes(skb, ETH_HLEN + ip.ihl * 4, &type, 1) == 0 &&
		     type == IGMP_HOST_MEMBERSHIP_QUERY;
	return owner_packet(skb, known4(table, ip.saddr), query);
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

// owner_ipv6 decides about an IPv6 packet.
static __always_inline enum owner owner_ipv6(struct __sk_buff *skb, void *table)
{
	struct ipv6hdr ip;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
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
	return owner_packet(skb, known6(table, &ip.saddr), type == ICMPV6_MGM_QUERY);
}

// owner_auto decides about a frame in the mode auto. The slave keeps every frame of a
// VLAN, because a VLAN is a network of another link. A tag with VLAN number 0 has only a
// priority and names no VLAN (IEEE 802.1Q).
static __always_inline enum owner owner_auto(struct __sk_buff *skb)
{
	if (skb->vlan_present && skb->vlan_tci & 0xfff)
		return SLAVE;
	void *table = bpf_map_lookup_elem(&claims, &zero);
	if (!table)
		return SLAVE;
	switch (skb->protocol) {
	case bpf_htons(ETH_P_ARP):
		return owner_arp(skb, table);
	case bpf_htons(ETH_P_IP):
		return owner_ipv4(skb, table);
	case bpf_htons(ETH_P_IPV6):
		return owner_ipv6(skb, table);
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
