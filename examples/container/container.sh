#!/bin/sh
# Faults for containers. Four recipes, each beside the firewall rules that
# engines write, some of which go by the names of interfaces:
#
#   RECIPE=own     a container of podman, in its own network: insane runs inside
#                  it, with the few rights that it needs
#   RECIPE=beside  the same from outside, for a container that runs already and has
#                  no rights
#   RECIPE=bridge  one of two containers on a bridge, with the rules of Docker:
#                  which rules to add for insane in front of the bridge
#   RECIPE=node    all that a node with containers exchanges with other networks:
#                  which address to give to insane
#
# Run it as root, with insane and insanely in the PATH or the commands in bin/ of
# this project; own and beside need podman with runc and netavark, the others iptables and
# iperf3. The host, borea, is a network namespace; when the script ends, however
# it ends, it is gone, and all containers with it. Only after kill -9 does the
# engine leave empty control groups behind.
set -eu

RECIPE=${RECIPE:-own}
PINGS=100

# tidy removes the control groups of the engine, which live outside of all namespaces. They
# are empty when the last process of this script has ended.
tidy() {
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        find /sys/fs/cgroup -depth -type d -path "*/insane-example-$$*" -exec rmdir {} + 2>/dev/null && return
        sleep 0.2
    done
}

if [ "${1-}" != inside ]; then
    # A process namespace of its own: if this script dies, all in it dies.
    export CGROUP=insane-example-$$
    setpriv --pdeathsig KILL unshare --net --pid --fork --kill-child --mount-proc "$0" inside &
    trap 'kill -9 $!; tidy; exit 143' HUP INT TERM
    status=0
    wait $! || status=$?
    tidy
    exit $status
fi

here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:$here/../../bin:/usr/sbin
export INSANE_SOCKET=@container # lives in this network namespace, not in a file
mount -t tmpfs tmpfs /run       # these two are private to this script
mount -t tmpfs tmpfs /mnt
cd /mnt

# say shows a command as a person would type it, and runs it.
exec 3>&1
say() {
    echo "borea# $*" >&3
    "$@"
}

# host makes a network namespace with a cable from its eth0 to a link of borea.
host() { # NAME LINK ADDRESS
    unshare --net sleep infinity &
    eval "$1=$!"
    until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
    ip link add "$2" type veth peer name eth0 netns $!
    ip link set "$2" up
    on $! ip addr add "$3" dev eth0
    on $! ip link set eth0 up
}

# on runs a command in a network namespace that host has made.
on() {
    at=$1
    shift
    nsenter --target "$at" --net "$@"
}

# faults starts insane, gives it faults, and waits until it takes the answers.
faults() { # FROM [ARG...]
    from=$1
    shift
    echo "borea# insane --seed 2000 $* &" >&3
    insane --seed 2000 "$@" 2>insane.log &
    insane=$!
    insanely --wait 5s >/dev/null
    until insanely | grep -qF "from $from"; do sleep 0.05; done
}

# pings counts the answers to pings.
pings() { # WHAT COMMAND...
    what=$1
    shift
    received=$("$@" -q -c $PINGS -i 0.01 -W 1 | sed -n 's/.* \([0-9]*\) received.*/\1/p')
    echo "$what: sent $PINGS, received $received"
}

# transfers sends 200 kB over TCP and tells whether they arrived within so many
# seconds.
patience=30
transfers() { # WHAT SERVER CLIENT ARG...
    what=$1 server=$2 client=$3
    shift 3
    on "$server" iperf3 -s -1 -I server.pid >/dev/null 2>&1 &
    until on "$server" ss -Hltn sport = 5201 | grep -q .; do sleep 0.05; done
    if on "$client" timeout $patience iperf3 -n 200K --connect-timeout ${patience}000 -c "$@" >iperf.log 2>&1; then
        echo "$what: TCP arrived"
    else
        echo "$what: TCP did not arrive"
        kill "$(cat server.pid)" 2>/dev/null || true # it may have given up as well
    fi
    wait $! || true
}

# own: the container has one network card more than other containers, and its
# default route leads there. The seccomp profile of the engine forbids bpf();
# with that profile insane can only send.
own() {
    ip link set lo up
    ip addr add 198.51.100.1/32 dev lo # the rest of the world
    image
    for profile in seccomp=unconfined ''; do
        say run --detach --name one --device /dev/net/tun --cap-add NET_ADMIN,NET_RAW,BPF \
            ${profile:+--security-opt $profile} programs-of-borea \
            "$(readlink -f "$(command -v insane)")" --slave eth0 --route default --policy 'percent 80' --seed 2000 --socket @container >/dev/null
        until engine logs one 2>&1 | grep -q 'device is there'; do sleep 0.05; done
        engine logs one 2>&1 | sed -n 's/.*level=WARN msg="\([^"]*\)".*/\1/p'
        pings "${profile:-the default profile}" engine exec one ping 198.51.100.1
        engine rm --force --time 10 one >/dev/null
    done
}

# beside: insane runs on the host, as root, and its device in the network of the container. It
# ends with the container.
beside() {
    INSANE_SOCKET=/run/container.sock # an abstract one would be in the network of the container
    ip link set lo up
    ip addr add 198.51.100.1/32 dev lo # the rest of the world
    image
    run --detach --name one --cap-drop all programs-of-borea sleep 600 >/dev/null
    one=$(say engine inspect --format '{{.State.Pid}}' one)
    faults 0.0.0.0/0 --netns "$one" --slave eth0 --route default --policy 'percent 80'
    pings 'one to the world' ping_in "$one" 198.51.100.1
    say insanely eth0 pass >/dev/null
    pings 'one without faults' ping_in "$one" 198.51.100.1
    engine rm --force --time 0 one >/dev/null
    wait $insane
    echo "the device ended with the container"
}

# ping_in runs ping in the network of a container, which need not have one.
ping_in() { # PID ARG...
    at=$1
    shift
    on "$at" ping "$@"
}

# image makes an image without any file of its own.
image() {
    mkdir -p image/usr image/etc
    for d in bin sbin lib lib64; do ln -s "usr/$d" "image/$d"; done
    tar -C image -c . | engine import - programs-of-borea >/dev/null 2>&1
}

# engine is podman with everything that it keeps below /mnt and /run.
engine() {
    podman --root /mnt/root --runroot /run/podman --tmpdir /run/podman/tmp --network-config-dir /mnt/networks \
        --storage-driver vfs --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
}

# run runs a container that has the programs of this machine.
run() {
    engine run --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --cgroup-parent "/$CGROUP" \
        --volume /usr:/usr:ro --volume "$commands:$commands:ro" "$@"
}

# bridge: borea is a host with Docker. The rules know docker0, and what goes to
# one of its containers goes to insane now.
bridge() {
    host morgana eth0 192.0.2.2/24
    ip addr add 192.0.2.1/24 dev eth0
    ip link add docker0 type bridge
    ip addr add 172.17.0.1/16 dev docker0
    ip link set docker0 up
    host one veth1 172.17.0.2/16
    host two veth2 172.17.0.3/16
    for c in 1 2; do ip link set veth$c master docker0; done
    for c in $one $two; do on $c ip route add default via 172.17.0.1; done
    sysctl -qw net.ipv4.ip_forward=1
    docker_rules
    faults 172.17.0.2 --slave docker0 --route 172.17.0.2
    # What the host itself sends from its address on the bridge counts as a packet
    # of a container that leaves through another interface, and gets another address.
    # What comes from elsewhere may go on to docker0 only.
    patience=2
    transfers 'host to one, without a rule' "$one" $$ 172.17.0.2
    transfers 'outside to one, without a rule' "$one" "$morgana" 192.0.2.1 -p 8080
    patience=30
    say iptables -t nat -I POSTROUTING -s 172.17.0.0/16 -o insane -j RETURN
    transfers 'host to one' "$one" $$ 172.17.0.2
    say iptables -I DOCKER-USER -o insane -j ACCEPT
    say iptables -I DOCKER-USER -i insane -j ACCEPT
    transfers 'outside to one' "$one" "$morgana" 192.0.2.1 -p 8080
    transfers 'one to outside' "$morgana" "$one" 192.0.2.2
    transfers 'one to two' "$two" "$one" 172.17.0.3
    say insanely --seed 2000 docker0 both percent 80 >/dev/null
    pings 'host to two' ping 172.17.0.3
    pings 'host to one' ping 172.17.0.2
}

# docker_rules writes the rules of Docker 28 for the two containers, and for port
# 5201 of the first one, published as port 8080.
docker_rules() {
    iptables-restore <<'RULES'
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:5201
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 5201 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
COMMIT
*raw
-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP
COMMIT
RULES
}

# node: what leaves the node for other networks, its own and that of its
# containers, leaves through insane. The rules hide the containers behind the
# address of the interface that a packet leaves through, so insane has to have one.
node() {
    host morgana eth0 192.0.2.2/24
    on "$morgana" ip addr add 198.51.100.1/32 dev lo
    on "$morgana" ip link set lo up
    ip addr add 192.0.2.1/24 dev eth0
    ip route add default via 192.0.2.2 metric 100
    ip link add cni0 type bridge
    ip addr add 10.244.0.1/24 dev cni0
    ip link set cni0 up
    host one veth1 10.244.0.5/24
    ip link set veth1 master cni0
    on "$one" ip route add default via 10.244.0.1
    sysctl -qw net.ipv4.ip_forward=1
    ip addr add 203.0.113.9/32 dev lo # of a service, as load balancers have it
    node_rules
    faults 0.0.0.0/0 --slave eth0 --route default
    patience=2
    transfers 'one to outside, without an address' "$morgana" "$one" 198.51.100.1
    patience=30
    say ip addr add 192.0.2.1/32 dev insane
    transfers 'one to outside' "$morgana" "$one" 198.51.100.1
    transfers 'node to outside' "$morgana" $$ 198.51.100.1
    transfers 'outside to one' "$one" "$morgana" 192.0.2.1 -p 30080 -B 198.51.100.1
    say insanely --seed 2000 eth0 both percent 80 >/dev/null
    pings 'node to its own network' ping 192.0.2.2
    pings 'node to one' ping 10.244.0.5
    pings 'one to outside' on "$one" ping 198.51.100.1
}

# node_rules writes the rules of kube-proxy and flannel for one container, and for
# its port 5201, published as port 30080 of the node.
node_rules() {
    iptables-restore <<'RULES'
*nat
:KUBE-POSTROUTING - [0:0]
:KUBE-NODEPORTS - [0:0]
:FLANNEL-POSTRTG - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A POSTROUTING -j KUBE-POSTROUTING
-A POSTROUTING -j FLANNEL-POSTRTG
-A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j MARK --set-xmark 0x4000/0x4000
-A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j DNAT --to-destination 10.244.0.5:5201
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d 10.244.0.0/16 -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully
COMMIT
RULES
}

commands=$(dirname "$(readlink -f "$(command -v insane)")")
case $RECIPE in
own | beside) $RECIPE ;;
bridge | node)
    ip link set lo up
    $RECIPE
    echo
    say insanely
    kill $insane
    wait $insane
    ;;
*)
    echo "RECIPE=$RECIPE: want own, beside, bridge or node" >&2
    exit 2
    ;;
esac
