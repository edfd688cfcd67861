// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Walks along the headers of a super-frame to its innermost transport header, as package
// frame does. The kernel repeats all of them in every packet (skb_segment of
// net/core/skbuff.c). Programs cannot read what kind of super-frame a frame is (gso_type),
// so the bytes have to tell.

#pragma once

#include "tunnel.h"

// walk_end ends the walk at a transport header of this length.
static __always_inline long walk_end(struct walk *w, __u64 length)
{
	w->protocol = w->kind;
	w->headers = w->at + length;
	return END;
}

// step_one walks over one header.
static __always_inline long step_one(struct walk *w)
{
	__u8 offset;
	switch (w->kind) {
	case IPPROTO_TCP:
		if (bpf_skb_load_bytes(w->skb, w->at + 12, &offset, 1) < 0 || offset >> 4 < 5)
			return END;
		return walk_end(w, (offset >> 4) * 4);
	case IPPROTO_SCTP:
		return walk_end(w, 12);
	case IPPROTO_UDP:
		return walk_udp(w);
	case ETH_P_IP:
	case PROTOCOL_IPV4:
		return walk_ipv4(w);
	case ETH_P_IPV6:
	case IPPROTO_IPV6:
		return walk_ipv6(w);
	case EXTENSION + IPPROTO_HOPOPTS:
	case EXTENSION + IPPROTO_ROUTING:
	case EXTENSION + IPPROTO_DSTOPTS:
		return walk_extension(w);
	case IPPROTO_GRE:
		return walk_gre(w);
	case ETH_P_8021Q:
	case ETH_P_8021AD:
		return walk_typed(w, 4);
	case ETH_P_BRIDGED:
		return walk_typed(w, ETH_HLEN);
	case ETH_P_PPP_SES:
		return walk_pppoe(w);
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		return walk_mpls(w);
	}
	return END;
}

// Always 0, which the verifier does not know.
__u64 nothing;

// forget makes the verifier forget what it knows of a number. Otherwise it would look at
// every combination of the steps that a walk can take, and exceed its limit of instructions.
static __always_inline void forget(__u64 *number)
{
	*number += READ(nothing);
}

// forget_all does so with all that a step changes. Some kernels (6.1) check a step only as the
// first one of a walk, and remove what that one would not reach; so the first one must not
// look special.
static __always_inline void forget_all(struct walk *w)
{
	forget(&w->at);
	forget(&w->kind);
	forget(&w->headers);
	forget(&w->protocol);
	forget(&w->jumbo);
	forget(&w->big);
	forget(&w->udp);
}

// step walks over one header and ends bpf_loop behind the last one.
static long step(__u64 i, struct walk *w)
{
	long end = step_one(w);
	forget_all(w);
	return end;
}

// walk walks along the headers of w->skb. It returns whether it has found the transport
// header. It uses bpf_loop for the same reason as one_verdict of fastpath.h.
static __always_inline bool walk(struct walk *w)
{
	w->at = 0;
	if (walk_typed(w, ETH_HLEN) == END)
		return false;
	forget_all(w);
	bpf_loop(STEPS, step, w, 0);
	if (w->headers == 0 && w->udp != 0) { // not a tunnel then
		w->protocol = IPPROTO_UDP;
		w->headers = w->udp;
	}
	return w->headers != 0;
}
