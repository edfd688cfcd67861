// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What every part of the programs needs.

#pragma once

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/igmp.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

static const __u32 zero;

// What others write at any time is read once.
#define READ(x) (*(volatile typeof(x) *)&(x))

// Keeps the compiler from making one piece of code of two branches, with a pointer
// that is one thing or another: without CAP_PERFMON the kernel refuses such a one.
#define APART asm volatile("" ::: "memory")
