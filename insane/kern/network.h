// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A walk along the headers of a super-frame, and its steps over IP headers.

#pragma once

#include "common.h"

// A walk. All fields have eight bytes: see struct handoff.
struct walk {
	struct __sk_buff *skb;
	__u64 at;   // offset of the next header
	__u64 kind; // its type: an Ethernet type, an IP protocol, or EXTENSION

	// The result.
	__u64 headers;  // bytes of all headers; 0: not known
	__u64 protocol; // of the transport header: IPPROTO_TCP, _UDP or _SCTP
	__u64 jumbo;    // the part of headers that no packet has: the option of BIG TCP
	__u64 big;      // whether a length field is 0 because the length does not fit

	__u64 udp; // end of a UDP header, behind which no other was found yet; 0: there is none
};

// Returned by a step: the walk goes on, or ends.
enum { GO_ON, END };

#define STEPS 20 // the most headers of a super-frame

#define ETH_P_BRIDGED 0x6558   // an Ethernet frame inside a tunnel
#define EXTENSION 0x100        // an extension header of IPv6; its type is added
#define PROTOCOL_IPV4 4        // an IPv4 packet in an IP packet

#define LENGTH_MAX 0xffff // the most bytes that a length field can tell

// length_is returns whether a length field fits a length. A field of 0 stands for more than
// the field can hold.
static __always_inline bool length_is(struct walk *w, __u64 field, __u64 length)
{
	if (field == 0 && length > LENGTH_MAX) {
		w->big = 1;
		return true;
	}
	return field == length;
}

static __always_inline long walk_ipv4(struct walk *w)
{
	struct iphdr ip;
	if (bpf_skb_load_bytes(w->skb, w->at, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5 ||
	    !length_is(w, bpf_ntohs(ip.tot_len), w->skb->len - w->at) || ip.frag_off & bpf_htons(0x3fff))
		return END;
	w->udp = 0;
	w->kind = ip.protocol;
	w->at += ip.ihl * 4;
	return GO_ON;
}

// kind_of_next returns the type of what follows an IPv6 header or one of its extensions.
static __always_inline __u64 kind_of_next(__u8 next)
{
	if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS)
		return EXTENSION + next;
	return next;
}

// The hop-by-hop header with the option of RFC 2675 (struct hop_jumbo_hdr of net/ipv6.h).
struct jumbo {
	__u8 next, len, option, option_len;
	__be32 length;
};

#define OPTION_JUMBO 0xc2

// walk_jumbo steps over the option of an IPv6 packet of this length without a length field
// and returns true, if the option is there.
static __always_inline bool walk_jumbo(struct walk *w, __u64 length)
{
	struct jumbo j;
	if (w->jumbo || length <= LENGTH_MAX || bpf_skb_load_bytes(w->skb, w->at, &j, sizeof(j)) < 0 || j.len != 0 ||
	    j.option != OPTION_JUMBO || j.option_len != 4 || bpf_ntohl(j.length) != length)
		return false;
	w->jumbo = sizeof(j);
	w->big = 1;
	w->kind = kind_of_next(j.next);
	w->at += sizeof(j);
	return true;
}

static __always_inline long walk_ipv6(struct walk *w)
{
	struct ipv6hdr ip;
	if (bpf_skb_load_bytes(w->skb, w->at, &ip, sizeof(ip)) < 0 || ip.version != 6)
		return END;
	w->udp = 0;
	w->at += sizeof(ip);
	__u64 length = w->skb->len - w->at;
	if (ip.payload_len == 0 && ip.nexthdr == IPPROTO_HOPOPTS && walk_jumbo(w, length))
		return GO_ON;
	w->kind = kind_of_next(ip.nexthdr);
	return length_is(w, bpf_ntohs(ip.payload_len), length) ? GO_ON : END;
}

static __always_inline long walk_extension(struct walk *w)
{
	__u8 h[2];
	if (bpf_skb_load_bytes(w->skb, w->at, h, sizeof(h)) < 0)
		return END;
	w->kind = kind_of_next(h[0]);
	w->at += (h[1] + 1) * 8;
	return GO_ON;
}
