// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The steps of a walk over the headers of tunnels.

#pragma once

#include "network.h"

// The first bytes behind the UDP header of a tunnel.
struct tunnel {
	__u8 flags, protocol;
	__be16 type;
	__u8 reserved[3], end;
};

// walk_udp steps over a UDP header and the header of a tunnel behind it, if there is one. As
// ports are chosen freely, the bytes have to tell: see walkUDP of package frame.
static __always_inline long walk_udp(struct walk *w)
{
	struct udphdr udp;
	struct tunnel t;
	if (bpf_skb_load_bytes(w->skb, w->at, &udp, sizeof(udp)) < 0 ||
	    !length_is(w, bpf_ntohs(udp.len), w->skb->len - w->at))
		return END;
	w->at += sizeof(udp);
	w->udp = w->at;
	if (bpf_skb_load_bytes(w->skb, w->at, &t, sizeof(t)) < 0)
		return END;
	__u16 type = bpf_ntohs(t.type);
	if (t.flags >> 6 == 0 && (type == ETH_P_BRIDGED || type == ETH_P_IP || type == ETH_P_IPV6)) { // GENEVE
		w->kind = type;
		w->at += sizeof(t) + t.flags * 4;
	} else if ((t.flags & 0x7c) == 0x08) { // VXLAN
		w->kind = ETH_P_BRIDGED;
		w->at += sizeof(t);
	} else if ((t.flags & 0x7c) == 0x0c) { // VXLAN with a type: 1, 2 or 3
		__u8 next = type & 0xff;
		w->kind = next == 1 ? ETH_P_IP : next == 2 ? ETH_P_IPV6 : next == 3 ? ETH_P_BRIDGED : 0;
		w->at += sizeof(t);
	} else if (t.flags >> 4 == 4) { // fou, bareudp
		w->kind = ETH_P_IP;
	} else if (t.flags >> 4 == 6) {
		w->kind = ETH_P_IPV6;
	} else if (t.flags >> 5 == 0) { // GUE
		w->kind = t.protocol;
		w->at += 4 + t.flags * 4;
	} else {
		return END;
	}
	return GO_ON;
}

// ether_kind returns an Ethernet type, and 0 for a number that is the length of an IEEE 802.3
// frame, and could be taken for an IP protocol.
static __always_inline __u64 ether_kind(__be16 number)
{
	__u16 kind = bpf_ntohs(number);
	return kind < ETH_P_802_3_MIN ? 0 : kind;
}

static __always_inline long walk_gre(struct walk *w)
{
	struct {
		__be16 flags, type;
	} gre;
	// Bits: a checksum, a key. With others the kernel merges no packets.
	if (bpf_skb_load_bytes(w->skb, w->at, &gre, sizeof(gre)) < 0 || gre.flags & bpf_htons(0x5fff))
		return END;
	w->kind = ether_kind(gre.type);
	w->at += sizeof(gre);
	if (gre.flags & bpf_htons(0x8000))
		w->at += 4;
	if (gre.flags & bpf_htons(0x2000))
		w->at += 4;
	return GO_ON;
}

// walk_typed steps over a header whose last two bytes are the type of the next header.
static __always_inline long walk_typed(struct walk *w, __u64 length)
{
	__be16 type;
	w->at += length;
	if (bpf_skb_load_bytes(w->skb, w->at - sizeof(type), &type, sizeof(type)) < 0)
		return END;
	w->kind = ether_kind(type);
	return GO_ON;
}

// walk_pppoe steps over the header of a PPPoE session and the protocol of PPP.
static __always_inline long walk_pppoe(struct walk *w)
{
	__be16 ppp;
	if (bpf_skb_load_bytes(w->skb, w->at + 6, &ppp, sizeof(ppp)) < 0)
		return END;
	w->kind = ppp == bpf_htons(0x0021) ? ETH_P_IP : ppp == bpf_htons(0x0057) ? ETH_P_IPV6 : 0;
	w->at += 8;
	return GO_ON;
}

// walk_mpls steps over a label. The byte behind the last label has the version of IP.
static __always_inline long walk_mpls(struct walk *w)
{
	__u8 h[5];
	if (bpf_skb_load_bytes(w->skb, w->at, h, sizeof(h)) < 0)
		return END;
	w->at += 4;
	if (h[2] & 1)
		w->kind = h[4] >> 4 == 4 ? ETH_P_IP : h[4] >> 4 == 6 ? ETH_P_IPV6 : 0;
	return GO_ON;
}
