// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Remembers how the packets of a flow leave the host, so that answers go back to where their
// questions left: through the device, or past it, through the slave alone.
//
// Most flows leave as the routes in the claims say; these are not remembered. Rules of other
// routing tables and sockets that are bound to a link send packets the other way. The last
// packet of a flow decides. A flow that nobody has asked anything in goes by the claims.

#pragma once

#include "claims.h"
#include "flow.h"

// The ways out of the host, as bits.
enum way {
	PAST = 1,   // through the slave, and past the device
	THROUGH = 2 // through the device
};

// In recall.seen: the ways of questions to groups, other than those of DHCP.
#define GROUPS(ways) ((ways) << 2)

// The table is shared by all flows of the device; of too many, those are forgotten that were
// not used for the longest time.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct flow);
	__type(value, __u64); // enum way
} flows SEC(".maps");

// The values that all programs need to remember flows. recall.go maps the same structure.
struct recall {
	__u64 cookie; // of the socket through which the relay sends at the slave; 0: remember nothing
	__u64 link;   // index of the slave, while transmit_past runs at its egress; 0: it does not
	__u64 routed; // whether the host routes anything through the device
	__u64 seen;   // the ways for which the table may have flows, and GROUPS; bits are never cleared
	__u64 unused[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct recall);
} recalls SEC(".maps");

// recalled returns the structure. It is to be used only if it is active.
static __always_inline struct recall *recalled(void)
{
	return bpf_map_lookup_elem(&recalls, &zero);
}

// active returns whether flows are to be remembered.
static __always_inline bool active(struct recall *recall)
{
	return READ(recall->cookie);
}

// usual_way returns the way to an address, by its claim.
static __always_inline __u64 usual_way(__u32 claim)
{
	return claim & ROUTED ? THROUGH : PAST;
}

// remembers returns whether the table may have a flow of a protocol that left in another way
// than the usual one.
static __always_inline bool remembers(struct recall *recall, __u64 usual, __u8 protocol)
{
	__u64 other = usual ^ (PAST | THROUGH);
	return READ(recall->seen) & (protocol == IPPROTO_UDP ? other | GROUPS(other) : other);
}

// way_of returns how the last packet of a flow left, or the usual way if that is not known. A
// question to a group is answered by anybody, from any port.
static __always_inline enum way way_of(struct recall *recall, struct flow *flow, __u8 protocol, __u64 usual)
{
	__u64 *way = bpf_map_lookup_elem(&flows, flow);
	if (!way && protocol == IPPROTO_UDP && READ(recall->seen) & GROUPS(PAST | THROUGH)) {
		to_group(flow);
		way = bpf_map_lookup_elem(&flows, flow);
	}
	return way ? *way : usual;
}

// later_known returns whether a flow between two addresses is known, for a fragment that does
// not tell the ports.
static __always_inline bool later_known(struct flow *flow, __u8 protocol)
{
	flow->ports = LATER | (__u64)protocol << PROTOCOL_SHIFT;
	return bpf_map_lookup_elem(&flows, flow);
}

// keep_way stores the way of a flow.
static __always_inline void keep_way(struct flow *flow, __u64 way)
{
	__u64 *known = bpf_map_lookup_elem(&flows, flow);
	if (!known)
		bpf_map_update_elem(&flows, flow, &way, BPF_ANY);
	else if (*known != way)
		*known = way;
}

// correct changes the way of a flow that is known.
static __always_inline void correct(struct flow *flow, __u64 way)
{
	__u64 *known = bpf_map_lookup_elem(&flows, flow);
	if (known && *known != way)
		*known = way;
}

// see records what the table may have from now on.
static __always_inline void see(struct recall *recall, __u64 bit)
{
	if (!(READ(recall->seen) & bit))
		__sync_fetch_and_or(&recall->seen, bit);
}

// How unusual it is that a packet leaves in its way.
enum rarity { USUAL, UNUSUAL, TO_GROUP };

static __always_inline enum rarity rarity(__u64 way, __u64 usual, __u64 group)
{
	return group ? TO_GROUP : way != usual ? UNUSUAL : USUAL;
}

// remember_flow remembers a packet that leaves in a way, given its flow without ports. It is
// global, so that the verifier looks at it once, and not for each way to here. It returns 0. It
// copies the flow, as the key of a map must be in its own stack on Linux 6.1.
__noinline int remember_flow(struct __sk_buff *skb, const struct flow *known, struct transport *t, __u64 way,
			     enum rarity rarity)
{
	struct recall *recall = recalled();
	if (!recall || !known || !t)
		return 0;
	struct flow copy = *known, *flow = &copy;
	if (!t->later) {
		identify(skb, flow, t, QUESTION);
		if (rarity == TO_GROUP) {
			to_group(flow);
			see(recall, GROUPS(way));
		}
		if (rarity == UNUSUAL || flow->ports & OFFER)
			see(recall, way);
		if (rarity == USUAL)
			correct(flow, way);
		else
			keep_way(flow, way);
	}
	if (rarity == UNUSUAL) {
		flow->ports = LATER | (__u64)t->protocol << PROTOCOL_SHIFT;
		keep_way(flow, way);
	}
	return 0;
}

// asks_nothing returns whether a packet needs no place in the table, for a reason that costs
// more to find out: its answers are for an address of the device, whichever way it takes, or
// it is a frame of the relay, which has been remembered at the interface.
static __always_inline bool asks_nothing(struct __sk_buff *skb, struct recall *recall, __u64 way, __u32 source)
{
	if (way == THROUGH)
		return source & OWN;
	return bpf_get_socket_cookie(skb) == READ(recall->cookie);
}

// remember_ipv4 remembers an IPv4 packet. It is a global function, as extended of flow.h is, and
// returns 0.
__noinline int remember_ipv4(struct __sk_buff *skb, enum way way)
{
	struct recall *recall = recalled();
	void *table = bpf_map_lookup_elem(&claims, &zero);
	struct {
		__u16 unused;
		struct ethhdr ether;
		struct iphdr ip;
	} head;
	if (!recall || !table || bpf_skb_load_bytes(skb, 0, &head.ether, ETH_HLEN + sizeof(head.ip)) < 0)
		return 0;
	struct iphdr *ip = &head.ip;
	__u64 usual = usual_way(known4(table, ip->daddr));
	__u64 group = ip->protocol == IPPROTO_UDP && head.ether.h_dest[0] & 1;
	if (way == usual && !group && !remembers(recall, usual, 0))
		return 0;
	if (asks_nothing(skb, recall, way, way == THROUGH ? known4(table, ip->saddr) : 0))
		return 0;
	struct flow flow = {};
	struct transport t = {};
	ends4(&flow, ip->daddr, ip->saddr);
	transport4(ip, ETH_HLEN, &t);
	if (ip->protocol == IPPROTO_ICMP && is_error4(byte_at(skb, t.at)))
		return 0;
	remember_flow(skb, &flow, &t, way, rarity(way, usual, group));
	return 0;
}

// remember_ipv6 is the same for IPv6.
__noinline int remember_ipv6(struct __sk_buff *skb, enum way way)
{
	struct recall *recall = recalled();
	void *table = bpf_map_lookup_elem(&claims, &zero);
	struct ipv6hdr ip;
	if (!recall || !table || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return 0;
	__u64 usual = usual_way(known6(table, &ip.daddr));
	__u64 group = ip.nexthdr == IPPROTO_UDP && ip.daddr.in6_u.u6_addr8[0] == 0xff;
	if (way == usual && !group && !remembers(recall, usual, 0))
		return 0;
	if (asks_nothing(skb, recall, way, way == THROUGH ? known6(table, &ip.saddr) : 0))
		return 0;
	struct flow flow = {};
	struct transport t = {};
	ends6(&flow, &ip.daddr, &ip.saddr);
	transport6(skb, &ip, ETH_HLEN, &t);
	if (t.protocol == IPPROTO_ICMPV6 && is_error6(byte_at(skb, t.at)))
		return 0;
	remember_flow(skb, &flow, &t, way, rarity(way, usual, group));
	return 0;
}

// remember remembers a frame that leaves in a way, if flows are remembered. A frame of a VLAN is
// another link's.
static __always_inline void remember(struct __sk_buff *skb, struct recall *recall, enum way way)
{
	if (!recall || !active(recall) || (skb->vlan_present && skb->vlan_tci & 0xfff))
		return;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		remember_ipv4(skb, way);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		remember_ipv6(skb, way);
}
