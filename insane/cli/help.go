package cli

// help is the whole manual, at most 80 columns wide. It is a template of urfave/cli, so it
// must not contain pairs of braces.
const help = `insane - a network device that loses packets as you wish

  insane [FLAG...]                 make the device, run it until a signal comes
  insane lab [FLAG...]             make two hosts and show what the device does
  insane lab --shell               a shell on the first of them, to play
  insane lab -- COMMAND [ARG...]   run COMMAND there

The device is an interface. What the host routes into it leaves through another
one, its slave, minus the packets that a policy drops; another policy drops of
what arrives for it at the slave. insanely(8) sets the slave and the policies
while it runs. When the process ends, however it ends, the interface is gone,
and its addresses and routes with it.

FLAGS
  --name NAME        of the interface (default insane, or $INSANE_NAME)
  --netns NETNS      network namespace of the device and its slave: a name as of
                     ip netns, a path, or the number of a process there, such as
                     one of a container; the device ends with it
  --slave LINK       that does the sending and receiving: Ethernet, or loopback
                     with --receive none
  --address ADDR     that the interface gets, such as 10.9.0.1/32; repeatable
  --route DEST       that is to be reached through the interface: an address, a
                     prefix, a host name or default (of IPv4 and IPv6);
                     repeatable. It comes before what the host has, and leaves
                     that alone. Gateway and source address are the slave's
  --receive MODE     what of all that arrives at the slave is the interface's
                     instead of the slave's (default auto):
                     auto  what is for an address that only the interface has,
                           and what comes from hosts routed through it
                     none  nothing; only answers of ARP and neighbour discovery
                           are copied to it
                     all   everything; until insane ends, the slave's own
                           addresses hear nothing
  --path PATH        that packets take (default auto):
                     auto    through the kernel wherever the result is exactly
                             the relay's; insanely says where it is not, and why
                     relay   all through this process
                     kernel  as auto, but fails if the kernel cannot, and makes
                             do with clsact on kernels without tcx (before 6.6)
  --policy POLICY    of what is sent (default pass); in words as for insanely,
                     such as "percent 60" or "time 2s 500ms"
  --rx-policy POLICY of what is received (default pass); not with --receive none
  --rules FILE       of rules, which come before these policies, as for insanely
                     rules load; - is standard input
  --no-protect       fault also the ssh session that this command runs in, if it
                     goes through insane; else a rule ssh-session passes it
  --seed N           of every draw; the same seed, the same packets are lost
                     (default: a random one, which insanely shows)
  --judge-neighbours policies apply to ARP, neighbour discovery, IGMP and MLD as
                     well, which otherwise take neither number nor verdict
  --for DURATION     the device ends by itself after this time, such as 10m, as
                     with SIGTERM
  --memory SIZE      that packets may need while they wait, in both directions
                     (default 512MB); what finds none is lost and counted
  --socket PATH      control socket, or @NAME for an abstract one
                     (default /run/insane/NAME.sock, or $INSANE_SOCKET)
  --group GROUP      whose members may change the device, beside root
  --log-level LEVEL  debug, info, warn or error (default info)
  --log-format FMT   text or json (default text); the log goes to standard error
  --help, --version

With an address or a route the interface is also set up. What is routed through
it without a slave is lost.

All of this needs root, or the capabilities CAP_NET_ADMIN and CAP_NET_RAW, and
with --receive auto or all, or for the path through the kernel, also CAP_BPF.
It keeps these and no others. Without CAP_BPF, as in a user namespace, the
default of --receive is none.

FLAGS OF LAB
  --seed N           of the show (default: a fixed one)
  --shell            run $SHELL instead of the show

EXAMPLES
  insane --slave eth0 --route morgana --policy "percent 60"
      of what this host sends to morgana, 40 % is lost
  insane --slave eth0 --route morgana --rx-policy "percent 60"
      of what morgana sends to this host, 40 % is lost
  insane & insanely --wait 5s eth0 time 2s 500ms
      the same in two steps; routes are added with ip route
  insane --name bad0 --slave eth0 & insane --name bad1 --slave eth1 &
      two devices

EXIT STATUS
  0  ended by SIGINT, SIGTERM or SIGHUP; lab: everything was as asked
  1  failed; lab: something was not as asked
  2  bad usage or a bad value; nothing was created
insane lab -- COMMAND ends with the status of COMMAND.
`

// Manual returns what --help prints, for manual pages.
func Manual() string { return help }
