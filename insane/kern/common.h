// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Includes and macros that all files of the programs use.

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

static const __u32 zero; // the key of maps with one element

// Reads once a value that user space or another CPU may write at any time.
#define READ(x) (*(volatile typeof(x) *)&(x))

// Keeps the compiler from merging the code of two branches. The merged code would use a
// pointer of either of two types, and without CAP_PERFMON the verifier refuses that.
#define APART asm volatile("" ::: "memory")
