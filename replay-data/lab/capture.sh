# Start and stop of a recording, and its way to the case folder. Sourced by `record`.

start_capture() {
  : > "$WORK/marks"
  : > "$WORK/sshd-srv1.log"
  ip netns exec edge tcpdump -q -n -i uplink -s 0 -U --immediate-mode -w "$WORK/raw.pcap" 2>"$WORK/tcpdump.err" &
  CAPTURE_PID=$!
  sleep 1
}

stop_capture() {
  sleep 1
  kill -TERM "$CAPTURE_PID"
  wait "$CAPTURE_PID" || true
}

# mark: the start of a round, for `retime.py --marks`, which sets rounds apart from each other.
mark() { date +%s.%N >> "$WORK/marks"; }

# retime START [OPTION…]: moves the capture to a fixed day, keeping the distances between packets.
retime() {
  local start=$1; shift
  /usr/bin/python3 "$LAB_DIR/retime.py" --start "$start" --shifts-file "$WORK/shifts" "$@" "$WORK/raw.pcap" "$WORK/timed.pcap"
}

# syslog FORMAT ADDRESS-PATTERN: sshd's own lines about one address, as syslog at the capture's time.
syslog_lines() {
  /usr/bin/python3 "$LAB_DIR/stamp.py" --format "$1" --host srv1 --shifts-file "$WORK/shifts" --about "$2" < "$WORK/sshd-srv1.log"
}
