// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The knowledge of the device about the addresses of the network: the table of claims, and what the
// table has lately said.

#pragma once

#include "common.h"

// The properties of an address, as bits. claim.go has the same values.
enum claim {
	OWN = 1,       // the address is the device's, and of no other link
	HOST = 2,      // the address is of another link of this host
	ROUTED = 4,    // the host sends to the address through the device
	SUBNET = 8,    // the address is in a network that the device itself is in
	STRICT = 16,   // packets from the address are refused by a strict reverse path check: see owner_of
	PROXIED = 32   // the host may answer ARP requests for the address in place of its owner
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

// The version of the table in force; 0 while Go exchanges the table. A program looks up the table
// first and the version next. Go writes 0 before it exchanges the table, and the new version when
// no program has the old table any more. So a version that a program finds is that of its table.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} versions SEC(".maps");

#define ANSWER_BITS 6
#define ANSWERS (1 << ANSWER_BITS) // that each CPU keeps

#define SPREAD 0x9e3779b97f4a7c15ULL // a product with it has in its upper bits something of each bit

// The answer of one version of the table about an address, given as its two halves.
struct answer {
	__u64 high, low;
	__u64 version; // 0: nothing
	__u64 claim;
};

// The latest answers of the table, by CPU and address. A search in the table takes longer than
// the rest of a decision. Each CPU reads and writes its own part, for one frame after the other.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ANSWERS); // Go multiplies it by the number of CPUs
	__type(key, __u32);
	__type(value, struct answer);
} answers SEC(".maps");

// search searches the table for an address. The prefix is laid out so that no two writes go
// to one word of eight bytes: without CAP_PERFMON the verifier of Linux 6.1 refuses the second
// write (kernel/bpf/verifier.c, check_stack_write_fixed_off).
static __always_inline __u32 search(void *table, __u64 high, __u64 low)
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

// answer_slot returns where this CPU keeps the answer about an address.
static __always_inline __u32 answer_slot(__u64 high, __u64 low)
{
	return bpf_get_smp_processor_id() * ANSWERS + ((high ^ low) * SPREAD >> (64 - ANSWER_BITS));
}

// known returns what is known of an address, given as its two halves. The caller looks
// the table up once for each frame, so that one table answers all its questions.
static __noinline __u32 known(void *table, __u64 high, __u64 low)
{
	__u32 slot = answer_slot(high, low);
	struct answer *answer = bpf_map_lookup_elem(&answers, &slot);
	__u64 *in_force = bpf_map_lookup_elem(&versions, &zero);
	__u64 version = in_force ? READ(*in_force) : 0;
	if (!answer || version == 0)
		return search(table, high, low);
	if (answer->version == version && answer->low == low && answer->high == high)
		return answer->claim;
	__u32 claim = search(table, high, low);
	answer->high = high;
	answer->low = low;
	answer->version = version;
	answer->claim = claim;
	return claim;
}

// mapped returns the second half of ::ffff:a.b.c.d, for an IPv4 address in network byte
// order. The first half is 0.
static __always_inline __u64 mapped(__be32 address)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)address << 32 | 0xffff0000;
#else
	return 0xffffULL << 32 | address;
#endif
}

// known4 is known for an IPv4 address, in network byte order.
static __always_inline __u32 known4(void *table, __be32 address)
{
	return known(table, 0, mapped(address));
}

// known6 is known for an IPv6 address.
static __always_inline __u32 known6(void *table, const struct in6_addr *address)
{
	__u64 half[2];
	__builtin_memcpy(half, address, sizeof(half));
	return known(table, half[0], half[1]);
}
