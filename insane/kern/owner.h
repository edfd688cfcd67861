// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Who owns a frame that arrives at the slave, by the claims of the device.

#pragma once

#include "common.h"

// What is known of an address. claim.go has the same.
enum claim {
	OWN = 1,       // only the device has it
	HOST = 2,      // another link of this host has it
	ROUTED = 4,    // the host sends to it through the device
	SUBNET = 8,    // it is in a network that the device itself is in
	NEIGHBOUR = 16 // the device asks for its link-layer address
};

// Owners of a frame.
enum owner {
	SLAVE,  // the slave's stack alone
	BOTH,   // a copy for each: an answer that either may have asked for
	DEVICE, // the device alone
};

// An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d, in the form of the kernel's
// longest-prefix match (kernel/bpf/lpm_trie.c).
struct prefix {
	__u32 bits;
	__u8 address[16];
};

struct claims {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__uint(key_size, sizeof(struct prefix));
	__uint(value_size, sizeof(__u32));
};

// The claims in force. They are exchanged as a whole. What is in the second place,
// nobody looks up: see Objects.synchronize.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct claims);
} claims SEC(".maps");

// known says what is claimed of an address, given as its two halves. A frame looks
// the table up once, so that all it asks is answered from one. The prefix is laid
// out so that no two writes go to one word of eight bytes: without CAP_PERFMON
// Linux 6.1 takes the second for an attack (kernel/bpf/verifier.c,
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

static __always_inline __u32 known4(void *table, __be32 address)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return known(table, 0, (__u64)address << 32 | 0xffff0000);
#else
	return known(table, 0, 0xffffULL << 32 | address);
#endif
}

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

// A request is the device's to answer if it is for an address of its own. So is
// one from a host that is routed through the device, for any address of this
// host: with a strict reverse path check the slave would not answer it
// (net/ipv4/arp.c, arp_process). A reply may be what either stack waits for.
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
	__u32 sender = known4(table, arp.sender);
	if (arp.operation == bpf_htons(ARP_REQUEST) && arp.sender != arp.target)
		return sender & ROUTED && target & HOST ? DEVICE : SLAVE;
	// What is still a request announces its sender (RFC 5227 section 3).
	if (arp.operation != bpf_htons(ARP_REQUEST) && arp.operation != bpf_htons(ARP_REPLY))
		return SLAVE;
	return sender & (ROUTED | NEIGHBOUR) ? BOTH : SLAVE;
}

// owner_packet is what remains to be said of a packet that is not to an address
// of the device. query: it asks for groups, and each of the two stacks has its own
// to report.
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

// The start of the messages of RFC 4861 sections 4.3 and 4.4.
struct nd {
	struct icmp6hdr head;
	struct in6_addr target;
};

#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136

// Neighbour discovery: IPv6 answers on the interface alone that has the address,
// so only what is the device's own goes to the device, and advertisements that
// either stack may have asked for go to both.
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
	return target & (ROUTED | NEIGHBOUR) ? BOTH : SLAVE;
}

static __always_inline enum owner owner_ipv6(struct __sk_buff *skb, void *table)
{
	struct ipv6hdr ip;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return SLAVE;
	// Listener queries stand behind a router alert (RFC 3810 section 5).
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

// auto takes nothing that bears a VLAN tag: a network of its own is another link's.
// Number 0 is no network but a priority (IEEE 802.1Q).
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


// owner_neighbour says whether a device that takes nothing has to hear a frame: ARP
// replies and IPv6 neighbour discovery. Requests of ARP the slave answers for every
// address of the host.
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
	// A hop limit of less has crossed a router (RFC 4861 section 6.1).
	if (next[0] != IPPROTO_ICMPV6 || next[1] != 255)
		return false;
	return bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), &type, 1) == 0 &&
	       (type == ND_SOLICITATION || type == ND_ADVERTISEMENT);
}
