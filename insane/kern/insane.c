//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The eBPF programs of a device.
//
// tx: the host sends a frame through the interface. transmit_tcx or transmit_clsact runs
// at egress and relays or drops it. A frame that it leaves to the relay passes
// transmit_enter on its way into the queue of the interface. transmit_past sees what the
// host sends through the slave alone.
//
// rx: the kernel passes a received frame to packet sockets first and to tc ingress
// next, on the same CPU and with no other frame in between (net/core/dev.c,
// __netif_receive_skb_core). The filter of the device's packet socket, receive_auto or
// receive_all, decides once and stores its decision in a per-CPU handoff. receive_steal
// at ingress carries the decision out. Without the socket there is no decision, and the
// slave's stack gets every frame.

#include "common.h"
#include "direction.h"
#include "fastpath.h"
#include "label.h"
#include "owner.h"
#include "sample.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Values of handoff.to, for the frame that this CPU is receiving: the stack keeps it, or
// receive_steal drops it. Another value is the index of the link that the frame goes to.
#define LEAVE 0
#define STEAL 0xffffffff

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); // by direction: tx has no room for one on the stack
	__type(key, __u32);
	__type(value, struct handoff);
} handoffs SEC(".maps");

static const __u32 sent = TX, received = RX;

// Counters of the inflight frames, which are between the slave's ingress and the
// interface: the kernel queues them in between (net/core/dev.c, enqueue_to_backlog).
// Each CPU writes its own.
struct inflight {
	__u64 started;  // frames sent to the interface
	__u64 arrived;   // frames at the ingress of the interface
	__u64 finished; // frames that the host has certainly processed; at most arrived
	__u64 unused[5];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); // Go multiplies it by the number of CPUs
	__type(key, __u32);
	__type(value, struct inflight);
} inflights SEC(".maps");

static __always_inline struct inflight *inflight_here(void)
{
	__u32 key = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&inflights, &key);
}

// The value of skb->tc_index that marks an inflight frame. The field has no other use at
// ingress.
#define INFLIGHT 0x494e

// The value of skb->tc_index by which transmit_enter knows a frame that belongs to a rule that
// only the relay carries out.
#define OF_THE_RELAY 0x4f52

// tell_enter tells transmit_enter whether the fast path need not wait for a frame.
static __always_inline void tell_enter(struct __sk_buff *skb, bool apart)
{
	__u32 index = skb->tc_index;
	if (apart)
		index = OF_THE_RELAY;
	else if (index == OF_THE_RELAY)
		index = 0;
	// Otherwise the compiler makes one address of the two, which the verifier refuses.
	asm volatile("" : "+r"(skb));
	skb->tc_index = index;
}

// stamp_of returns the value of skb->tc_index by which transmit_past knows the frames that
// the fast path sends at the slave. Cookies of sockets are unique on the machine.
static __always_inline __u16 stamp_of(struct recall *recall)
{
	return READ(recall->cookie) | 0x8000;
}

// remember_through remembers a frame that the fast path relays, and stamps it.
static __always_inline void remember_through(struct __sk_buff *skb)
{
	struct recall *recall = recalled();
	remember(skb, recall, THROUGH);
	if (recall && READ(recall->link))
		skb->tc_index = stamp_of(recall);
}

// transmit runs the fast path of tx. To the sender, a dropped frame must look like a
// sent one. clsact has TC_ACT_STOLEN for that. tcx has no such code at egress
// (net/core/dev.c, sch_handle_egress); there a redirect to link 0, which does not exist,
// drops the frame without an error.
static __always_inline int transmit(struct __sk_buff *skb, bool tcx)
{
	struct direction *direction = direction_of(TX);
	struct handoff *c = bpf_map_lookup_elem(&handoffs, &sent);
	if (!direction || !c)
		return TC_ACT_UNSPEC;
	switch (fastpath(skb, TX, direction, &direction->backlogs[0], c, true)) {
	case RELAYED:
		sample_sent(skb, direction);
		remember_through(skb);
		// The hash of the sender's socket, by which fq_codel sorts flows, is unknown
		// to the relay. So both leave it to be made of the packet's addresses.
		bpf_set_hash_invalid(skb);
		return bpf_redirect(c->to, 0);
	case UNDECIDED:
		tell_enter(skb, c->apart);
		// A frame that the queue has no room for is lost, as on a wire.
		if (!full(&direction->backlogs[0]))
			return TC_ACT_UNSPEC;
		__attribute__((fallthrough));
	case DROPPED:
		break;
	}
	return tcx ? bpf_redirect(0, 0) : TC_ACT_STOLEN;
}

SEC("tc")
int transmit_tcx(struct __sk_buff *skb)
{
	return transmit(skb, true);
}

SEC("tc")
int transmit_clsact(struct __sk_buff *skb)
{
	return transmit(skb, false);
}

// transmit_enter is the socket filter of the TAP device (drivers/net/tun.c,
// tun_net_xmit). Every frame passes it on its way into the queue, also a frame that did
// not pass egress. It returns how many bytes of the frame enter: all or none.
SEC("socket")
int transmit_enter(struct __sk_buff *skb)
{
	struct direction *direction = direction_of(TX);
	remember(skb, recalled(), THROUGH);
	if (!direction)
		return -1;
	if (!enter(direction, &direction->backlogs[0], skb->tc_index == OF_THE_RELAY))
		return 0;
	note(skb, direction);
	return -1;
}

// transmit_relay is that filter of a device without a fast path, which counts no frames.
SEC("socket")
int transmit_relay(struct __sk_buff *skb)
{
	remember(skb, recalled(), THROUGH);
	return -1;
}

// transmit_past runs at the slave's egress, in front of all others, and remembers the frames
// that are not the device's. It does nothing while no answer can depend on it.
SEC("tc")
int transmit_past(struct __sk_buff *skb)
{
	struct recall *recall = recalled();
	if (!recall || !active(recall) || READ(recall->link) != skb->ifindex)
		return TC_ACT_UNSPEC;
	if (skb->tc_index == stamp_of(recall)) {
		skb->tc_index = 0;
		return TC_ACT_UNSPEC;
	}
	struct direction *direction = direction_of(RX);
	if ((READ(recall->routed) || READ(recall->seen) & THROUGH) && direction && alive(direction))
		remember(skb, recall, PAST);
	return TC_ACT_UNSPEC;
}

// backlog_of returns the backlog of the slave that received skb; 0 if it has none.
static __always_inline struct backlog *backlog_of(struct __sk_buff *skb, struct direction *direction)
{
	for (int i = 0; i < BACKLOGS; i++)
		if (READ(direction->backlogs[i].index) == skb->ifindex)
			return &direction->backlogs[i];
	return 0;
}

// receive decides about a frame, given its owner. It stores the decision for the stack in
// the handoff and returns the decision for the socket: the number of bytes that the
// socket gets, -1 for all. It writes the handoff for every frame, because an earlier
// frame of this CPU may never have reached ingress. It reads the clock only for frames
// that the device would take.
static __always_inline int receive(struct __sk_buff *skb, enum owner owner, bool rare)
{
	struct handoff *handoff = bpf_map_lookup_elem(&handoffs, &received);
	struct direction *direction = direction_of(RX);
	if (!handoff || !direction)
		return 0;
	handoff->to = LEAVE;
	handoff->apart = 0;
	if (owner == SLAVE)
		return 0;
	if (!alive(direction))
		return 0;
	// This CPU handles one frame after the other, so those that have arrived
	// before are processed.
	struct inflight *inflight = inflight_here();
	if (inflight)
		inflight->finished = inflight->arrived;
	struct backlog *backlog = backlog_of(skb, direction);
	if (owner == DEVICE) {
		enum outcome outcome = backlog ? fastpath(skb, RX, direction, backlog, handoff, rare) : UNDECIDED;
		if (outcome == RELAYED)
			return 0;
		handoff->to = STEAL;
		if (outcome == DROPPED)
			return 0;
	}
	if (backlog)
		enter(direction, backlog, !rare || handoff->apart);
	return -1;
}

// receive_none is the filter of the mode none. The socket gets copies of the frames that
// the device needs to resolve its neighbours. It decides as the classic filter that the
// device uses without eBPF, and counts the frames into the backlog.
SEC("socket")
int receive_none(struct __sk_buff *skb)
{
	struct direction *direction = direction_of(RX);
	if (!direction || !owner_neighbour(skb))
		return 0;
	struct backlog *backlog = backlog_of(skb, direction);
	if (backlog)
		enter(direction, backlog, true); // the stack has the frame as well
	return -1;
}

// receive_auto is the filter of the mode auto: the claims decide.
SEC("socket")
int receive_auto(struct __sk_buff *skb)
{
	return receive(skb, owner_auto(skb), true);
}

// receive_auto_small is the same without the rare stages. Kernels before 6.7 limit the size
// of a socket's filter (net/core/filter.c, sk_filter_charge).
SEC("socket")
int receive_auto_small(struct __sk_buff *skb)
{
	return receive(skb, owner_auto(skb), false);
}

// receive_all is the filter of the mode all: the device owns every frame.
SEC("socket")
int receive_all(struct __sk_buff *skb)
{
	return receive(skb, DEVICE, true);
}

SEC("socket")
int receive_all_small(struct __sk_buff *skb)
{
	return receive(skb, DEVICE, false);
}

// deliver sends a frame to the ingress of the interface and counts it. It sends a clone,
// because only bpf_clone_redirect reports whether the host has accepted the frame: the
// host refuses it while the interface is down or the queue of this CPU is full.
static __always_inline void deliver(struct __sk_buff *skb, __u32 to, const struct handoff *c)
{
	struct inflight *inflight = inflight_here();
	struct count *count = count_of(c->slot);
	if (!inflight || !count)
		return;
	inflight->started++;
	skb->tc_index = INFLIGHT;
	bool accepted = bpf_clone_redirect(skb, to, BPF_F_INGRESS) == 0;
	if (accepted && c->spared) {
		count_spared(count, &c->layout);
		APART;
		return;
	}
	if (accepted) {
		count_relayed(count, &c->layout);
		APART;
		return;
	}
	inflight->started--;
	if (c->spared)
		count->unjudged_packets += c->layout.packets;
	count->refused_packets += c->layout.packets;
	count->refused_bytes += c->layout.bytes;
}

// receive_steal runs at the slave's ingress and carries out the decision of the socket
// filter. TC_ACT_UNSPEC and TC_ACT_SHOT have the values of TCX_NEXT and TCX_DROP
// (uapi/linux/bpf.h).
SEC("tc")
int receive_steal(struct __sk_buff *skb)
{
	// A copy of a multicast frame that the host itself sends. Packet sockets do not
	// get it (net/packet/af_packet.c, packet_rcv), so there is no decision about it.
	if (skb->pkt_type == PACKET_LOOPBACK)
		return TC_ACT_UNSPEC;
	struct handoff *handoff = bpf_map_lookup_elem(&handoffs, &received);
	if (!handoff || handoff->to == LEAVE)
		return TC_ACT_UNSPEC;
	__u32 to = handoff->to;
	handoff->to = LEAVE;
	if (to != STEAL)
		deliver(skb, to, handoff);
	return TC_ACT_SHOT;
}

// receive_arrive runs at the interface's ingress and counts the frames that arrive from
// deliver.
SEC("tc")
int receive_arrive(struct __sk_buff *skb)
{
	struct inflight *inflight = inflight_here();
	if (skb->tc_index == INFLIGHT && inflight) {
		skb->tc_index = 0;
		inflight->arrived++;
	}
	return TC_ACT_UNSPEC;
}
