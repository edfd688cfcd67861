//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The programs. tx: the host sends through the interface, and transmit stands at
// its egress; what that leaves to the relay passes transmit_enter on its way into
// the queue of the interface.
//
// rx: the kernel shows a received frame to packet sockets first and to tc ingress
// right after, on the same processor and with nothing in between
// (net/core/dev.c, __netif_receive_skb_core). So the filter of the device's
// packet socket decides, once, and leaves the decision where the program at
// ingress finds it: receive_auto or receive_all, then receive_steal. If the
// socket is gone nobody decides, and the slave's stack has all it ever had.

#include "common.h"
#include "direction.h"
#include "owner.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// What becomes of the frame that this processor is receiving, once it comes to the
// slave's ingress: nothing, or it is stolen, or it goes to the link of that index.
#define LEAVE 0
#define STEAL 0xffffffff

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct handoff);
} handoffs SEC(".maps");

// Frames on their way from the slave's ingress to the interface: the kernel lets
// them wait in a queue in between (net/core/dev.c, enqueue_to_backlog). By
// processor; each writes its own.
struct inflight {
	__u64 started;
	__u64 arrived;   // that the host has begun with
	__u64 finished; // that it is done with for certain
	__u64 unused[5];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); // times the number of processors
	__type(key, __u32);
	__type(value, struct inflight);
} inflights SEC(".maps");

static __always_inline struct inflight *inflight_here(void)
{
	__u32 key = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&inflights, &key);
}

// The mark of an inflight frame. Nothing else uses this field on ingress.
#define INFLIGHT 0x494e

// A drop must look sent. clsact has a word for that. tcx has none at egress
// (net/core/dev.c, sch_handle_egress), but a frame that is sent to a link that does
// not exist is dropped so.
static __always_inline int transmit(struct __sk_buff *skb, bool tcx)
{
	struct direction *direction = direction_of(TX);
	struct handoff c;
	if (!direction)
		return TC_ACT_UNSPEC;
	switch (fastpath(skb, TX, direction, &direction->backlogs[0], &c)) {
	case RELAYED:
		return bpf_redirect(c.to, 0);
	case UNDECIDED:
		// What finds no room in the queue is lost as on a wire.
		if (!full(&direction->backlogs[0]))
			return TC_ACT_UNSPEC;
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

// transmit_enter is the filter of the interface itself (drivers/net/tun.c,
// tun_net_xmit), which every frame passes on its way into the queue, whatever way
// it came.
SEC("socket")
int transmit_enter(struct __sk_buff *skb)
{
	struct direction *direction = direction_of(TX);
	return !direction || enter(&direction->backlogs[0]) ? -1 : 0;
}

// backlog_of is where frames of the slave that skb came in by wait for the relay.
static __always_inline struct backlog *backlog_of(struct __sk_buff *skb, struct direction *direction)
{
	for (int i = 0; i < BACKLOGS; i++)
		if (READ(direction->backlogs[i].index) == skb->ifindex)
			return &direction->backlogs[i];
	return 0;
}

// receive carries out what the owner of a frame means, writes the decision down
// and returns it as a socket filter does: how many bytes the socket gets. It is
// written for every frame, so that none can meet the decision about an earlier one
// that never came to ingress. The clock is read only for what would be taken.
static __always_inline int receive(struct __sk_buff *skb, enum owner owner)
{
	struct handoff *handoff = bpf_map_lookup_elem(&handoffs, &zero);
	struct direction *direction = direction_of(RX);
	if (!handoff || !direction)
		return 0;
	handoff->to = LEAVE;
	if (owner == SLAVE)
		return 0;
	if (!alive(direction))
		return 0;
	// A processor deals with one frame after the other.
	struct inflight *inflight = inflight_here();
	if (inflight)
		inflight->finished = inflight->arrived;
	struct backlog *backlog = backlog_of(skb, direction);
	if (owner == DEVICE) {
		enum outcome outcome = backlog ? fastpath(skb, RX, direction, backlog, handoff) : UNDECIDED;
		if (outcome == RELAYED)
			return 0;
		handoff->to = STEAL;
		if (outcome == DROPPED)
			return 0;
	}
	if (backlog)
		enter(backlog);
	return -1;
}

// receive_none gives the device what it has to hear for its neighbours to resolve:
// FilterNeighbours of package port once more, but counted.
SEC("socket")
int receive_none(struct __sk_buff *skb)
{
	struct direction *direction = direction_of(RX);
	if (!direction || !owner_neighbour(skb))
		return 0;
	struct backlog *backlog = backlog_of(skb, direction);
	if (backlog)
		enter(backlog);
	return -1;
}

SEC("socket")
int receive_auto(struct __sk_buff *skb)
{
	return receive(skb, owner_auto(skb));
}

SEC("socket")
int receive_all(struct __sk_buff *skb)
{
	return receive(skb, DEVICE);
}

// deliver gives a frame to the host as the interface's. A copy is what goes: only
// so is it known whether the host has taken it, which it does not while the interface
// is down or the queue of this processor full.
static __always_inline void deliver(struct __sk_buff *skb, __u32 to, const struct handoff *c)
{
	struct inflight *inflight = inflight_here();
	struct count *count = count_of(c->slot);
	if (!inflight || !count)
		return;
	inflight->started++;
	skb->tc_index = INFLIGHT;
	if (bpf_clone_redirect(skb, to, BPF_F_INGRESS) == 0) {
		count_relayed(count, &c->layout);
		APART;
		return;
	}
	inflight->started--;
	count->refused_packets += c->layout.packets;
	count->refused_bytes += c->layout.bytes;
}

// The same numbers are TCX_NEXT and TCX_DROP to tcx (uapi/linux/bpf.h).
SEC("tc")
int receive_steal(struct __sk_buff *skb)
{
	// A copy of what the host itself sends to a group: packet sockets do not get
	// it (net/packet/af_packet.c, packet_rcv), so nobody has decided about it.
	if (skb->pkt_type == PACKET_LOOPBACK)
		return TC_ACT_UNSPEC;
	struct handoff *handoff = bpf_map_lookup_elem(&handoffs, &zero);
	if (!handoff || handoff->to == LEAVE)
		return TC_ACT_UNSPEC;
	__u32 to = handoff->to;
	handoff->to = LEAVE;
	if (to != STEAL)
		deliver(skb, to, handoff);
	return TC_ACT_SHOT;
}

// receive_arrive stands at the interface's ingress.
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
