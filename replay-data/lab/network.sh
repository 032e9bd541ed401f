# The lab's network: a municipality behind its edge, and a small internet in front of it. Sourced by `record`.
#
#   pc1 .21   pc2 .22   srv1 .10               dns  web  mail  home  attacker  c2  tunnel
#      └─────────┴────────┴── edge ──uplink── core ──┴────┴────┴─────┴────┴──────┴────┘
#        10.20.0.0/24, 2001:db8:20::/64          192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8:f::/48
#
# tcpdump listens on the edge's `uplink`. The edge does not translate addresses, as a sensor inside it would see it.

HOST_COUNT=0

# on HOST COMMAND…: runs a command on one of the lab's hosts.
# In the background use `ip netns exec HOST COMMAND`, so that $! is the command itself.
on() { local host=$1; shift; ip netns exec "$host" "$@"; }

# add_host NAME ROUTER BRIDGE GATEWAY4 GATEWAY6 ADDRESS4 ADDRESS6: a host on a router's bridge.
add_host() {
  local name=$1 router=$2 bridge=$3 gateway4=$4 gateway6=$5 address4=$6 address6=$7
  HOST_COUNT=$((HOST_COUNT + 1))
  local mac; mac=$(printf '02:20:00:00:00:%02x' "$HOST_COUNT")
  add_namespace "$name"
  ip link add eth0 address "$mac" netns "$name" type veth peer name "to-$name" netns "$router"
  ip -n "$router" link set "to-$name" master "$bridge" up
  ip -n "$name" addr add "$address4/24" dev eth0
  ip -n "$name" addr add "$address6/64" dev eth0 nodad
  ip -n "$name" link set eth0 up
  ip -n "$name" route add default via "$gateway4"
  ip -n "$name" route add default via "$gateway6"
  plain_packets "$name" eth0
}

add_namespace() {
  ip netns add "$1"
  ip -n "$1" link set lo up
  on "$1" sysctl -q -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
    net.ipv6.conf.default.accept_ra=0 net.ipv4.conf.all.rp_filter=0
}

# Packets as on a wire: one frame is one packet with its checksum filled in, not an offloaded heap of them.
plain_packets() { on "$1" ethtool -K "$2" tso off gso off gro off tx off rx off >/dev/null 2>&1; }

add_bridge() {
  local router=$1 bridge=$2; shift 2
  ip -n "$router" link add "$bridge" type bridge
  local address
  for address in "$@"; do ip -n "$router" addr add "$address" dev "$bridge" 2>/dev/null; done
  ip -n "$router" link set "$bridge" up
}

build_network() {
  ip link set lo up
  local router
  for router in edge core; do
    add_namespace "$router"
    on "$router" sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  done
  ip link add uplink address 02:20:00:00:01:01 netns edge type veth peer name downlink address 02:20:00:00:01:02 netns core
  ip -n edge addr add 203.0.113.254/31 dev uplink
  ip -n edge addr add 2001:db8:f:ffff::1/64 dev uplink nodad
  ip -n core addr add 203.0.113.255/31 dev downlink
  ip -n core addr add 2001:db8:f:ffff::2/64 dev downlink nodad
  ip -n edge link set uplink up
  ip -n core link set downlink up
  plain_packets edge uplink
  plain_packets core downlink
  add_bridge edge lan 10.20.0.1/24 2001:db8:20::1/64
  add_bridge core net 192.0.2.1/24 198.51.100.1/24 203.0.113.1/24 2001:db8:f::1/64 2001:db8:f:bad::1/64
  ip -n edge route add default via 203.0.113.255
  ip -n edge route add default via 2001:db8:f:ffff::2
  ip -n core route add 10.20.0.0/24 via 203.0.113.254
  ip -n core route add 2001:db8:20::/64 via 2001:db8:f:ffff::1

  add_host pc1 edge lan 10.20.0.1 2001:db8:20::1 10.20.0.21 2001:db8:20::21
  add_host pc2 edge lan 10.20.0.1 2001:db8:20::1 10.20.0.22 2001:db8:20::22
  add_host srv1 edge lan 10.20.0.1 2001:db8:20::1 10.20.0.10 2001:db8:20::10
  add_host dns core net 192.0.2.1 2001:db8:f::1 192.0.2.53 2001:db8:f::53
  add_host web core net 198.51.100.1 2001:db8:f::1 198.51.100.80 2001:db8:f::80
  add_host mail core net 203.0.113.1 2001:db8:f::1 203.0.113.25 2001:db8:f::25
  add_host home core net 198.51.100.1 2001:db8:f::1 198.51.100.77 2001:db8:f::77
  add_host attacker core net 203.0.113.1 2001:db8:f:bad::1 203.0.113.9 2001:db8:f:bad::9
  add_host c2 core net 198.51.100.1 2001:db8:f::1 198.51.100.66 2001:db8:f::66
  add_host tunnel core net 203.0.113.1 2001:db8:f::1 203.0.113.53 2001:db8:f::5353
}
