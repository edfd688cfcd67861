#!/bin/sh
# A second subnet on one network card, through insane.
#
# borea and morgana are joined by one cable and meet in two networks: 10.9.0.0/24
# is that of borea's eth0, 10.8.0.0/24 that of insane, which stands in front of
# the same eth0. Borea opens a session to morgana in each, at the same time. Of ten
# packets between the addresses of insane one is lost, in both directions; the
# session over eth0 does not notice.
#
# The sessions are those of ssh where sshd is installed, else those of iperf3;
# SESSION=ssh or SESSION=iperf3 chooses. Run it as root, with insane, insanely and
# tcpdump in the PATH or the commands in bin/ of this project. It builds both hosts
# out of network namespaces, with a sshd and keys of their own; when it ends,
# however it ends, they are gone.
set -eu

SIZE=4194304 # bytes that morgana sends in each session

if [ "${1-}" != inside ]; then
    # A process namespace of its own: if this script dies, all in it dies.
    setpriv --pdeathsig KILL unshare --net --pid --fork --kill-child --mount-proc "$0" inside &
    trap 'kill -9 $!; exit 143' HUP INT TERM
    wait $!
    exit
fi

here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin:$here/../../bin
export INSANE_SOCKET=@second-subnet # lives in this network namespace, not in a file
mount -t tmpfs -o mode=755 tmpfs /run # private to this script
mkdir /run/sshd /run/session
cd /run/session
SESSION=${SESSION-$(command -v sshd >/dev/null && command -v ssh >/dev/null && echo ssh || echo iperf3)}

# say shows a command as a person would type it, and runs it.
exec 3>&1
say() {
    echo "borea# $*" >&3
    "$@"
}

# on_morgana runs a command there.
on_morgana() {
    nsenter -t $morgana -n "$@"
}

# Of each kind of session: serve starts morgana's end; session ADDRESS gets SIZE
# bytes from there, of iperf3 some more, and prints how many came, and how many
# segments morgana's TCP sent again.

serve_ssh() {
    ssh-keygen -q -t ed25519 -N '' -f key
    on_morgana "$(command -v sshd)" -f /dev/null -h "$PWD/key" -o PidFile=none -o UsePAM=no -o StrictModes=no \
        -o PermitRootLogin=prohibit-password -o AuthorizedKeysFile="$PWD/key.pub"
}

session_ssh() {
    echo "borea# ssh $1 'head -c $SIZE /dev/zero' | wc -c" >&3
    got=$(ssh -F /dev/null -i key -o BatchMode=yes -o LogLevel=ERROR -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null "root@$1" "head -c $SIZE /dev/zero; ss -tinH src $1:22 >&2" 2>"$1.ss" | wc -c)
    [ "$got" -eq $SIZE ] || cat "$1.ss" >&2
    echo "$got" "$(sed -n 's/.* retrans:[0-9]*\/\([0-9]*\).*/\1/p' "$1.ss" | grep . || echo 0)"
}

serve_iperf3() {
    for address in 10.9.0.2 10.8.0.2; do
        on_morgana iperf3 --server --daemon --bind $address
    done
    for address in 10.9.0.2 10.8.0.2; do
        until on_morgana ss -tlnH src $address:5201 | grep -q .; do sleep 0.05; done
    done
}

session_iperf3() {
    echo "borea# iperf3 --client $1 --reverse --bytes $SIZE" >&3
    iperf3 --client "$1" --reverse --bytes $SIZE --json >"$1.json"
    awk -F '[:,]' '/"sum_sent"/ { sent = 1 } /"sum_received"/ { sent = 0; received = 1 }
        sent && /"retransmits"/ { again = $2 + 0 } received && /"bytes"/ { got = $2 + 0; received = 0 }
        END { print got, again }' "$1.json"
}

# timed writes into a file what a session prints, and the seconds it took.
timed() {
    start=$(date +%s%N)
    result=$("session_$SESSION" "$1")
    end=$(date +%s%N)
    awk "BEGIN { printf \"%s %.2f\\n\", \"$result\", ($end - $start) / 1e9 }" >"$1.result"
}

# Two hosts and a cable.
unshare --net sleep infinity &
morgana=$!
until [ "$(readlink /proc/$morgana/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link set lo up
ip link add eth0 type veth peer name eth0 netns $morgana
ip addr add 10.9.0.1/24 dev eth0
ip link set eth0 up
on_morgana ip addr add 10.9.0.2/24 dev eth0
on_morgana ip addr add 10.8.0.2/24 dev eth0
on_morgana ip link set eth0 up
"serve_$SESSION"

echo "borea# insane --seed 2000 --slave eth0 --address 10.8.0.1/24 &"
insane --seed 2000 --slave eth0 --address 10.8.0.1/24 2>insane.log &
insane=$!
insanely --wait 5s >/dev/null
say insanely eth0 both percent 90 >/dev/null
say ip -brief -4 address show
echo
tcpdump -lnq -s 256 --immediate-mode -i insane ip net 10.9.0.0/24 >strangers 2>tcpdump.log &
tcpdump=$!
until grep -qs listening tcpdump.log; do sleep 0.05; done

timed 10.9.0.2 &
plain=$!
timed 10.8.0.2 &
faulted=$!
wait $plain
wait $faulted

kill -INT $tcpdump
wait $tcpdump || true
echo
say insanely
strangers=$(grep -c IP strangers || true)
read -r plain_bytes plain_again plain_seconds <10.9.0.2.result
read -r bytes again seconds <10.8.0.2.result
cat <<END

                      over eth0    over insane
bytes received        $(printf '%-12s %s' "$plain_bytes" "$bytes")
segments sent again   $(printf '%-12s %s' "$plain_again" "$again")
seconds               $(printf '%-12s %s' "$plain_seconds" "$seconds")

Of the packets of 10.9.0.0/24, insane saw $strangers.
END
[ "$plain_again" -eq 0 ] || echo "(On a busy machine TCP also sends again what it only believes lost.)"
kill $insane
wait $insane

# Both sessions were whole; one of them was none of insane's business.
[ "$plain_bytes" -ge $SIZE ] && [ "$bytes" -ge $SIZE ] && [ "$again" -gt 0 ] && [ "$strangers" -eq 0 ]
