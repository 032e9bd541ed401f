# A program on pc1 (IPv4) and on pc2 (IPv6) calls home each minute, give or take five seconds, for two hours.
# Recorded in a few minutes as 120 rounds, which are then set a minute apart.
record_https_beacon() {
  local folder=$1 round
  start_capture
  for round in $(seq 0 119); do
    mark
    if [ $((round % 30)) = 0 ]; then
      browse4 https://synk.oppdatering-sky.example/synk
      browse6 https://synk.oppdatering-sky.example/synk
    else
      browse4 --resolve synk.oppdatering-sky.example:443:198.51.100.66 https://synk.oppdatering-sky.example/synk
      browse6 --resolve 'synk.oppdatering-sky.example:443:[2001:db8:f::66]' https://synk.oppdatering-sky.example/synk
    fi
    if [ $((round % 20)) = 10 ]; then ordinary_round; fi
  done
  stop_capture
  retime 2026-03-09T08:00:00Z --marks "$WORK/marks" --spacing-secs 60 --jitter-secs 5 --seed 964965226
  zstd -q -19 -f "$WORK/timed.pcap" -o "$folder/capture.pcap.zst"
}
