# nmap from outside: all well-known ports of one host, then two ports of many hosts, over IPv4 and IPv6.
record_port_scan_nmap() {
  local folder=$1
  local neighbours6; neighbours6=$(seq -f '2001:db8:20::%g' 1 60 | tr '\n' ' ')
  start_capture
  ordinary_round
  on attacker nmap -n -Pn -T4 -sS -p 1-1000 10.20.0.10 >/dev/null
  ordinary_round
  on attacker nmap -6 -n -Pn -T4 -sS -p 1-1000 2001:db8:20::10 >/dev/null
  ordinary_round
  on attacker nmap -n -Pn -T4 --max-retries 1 -sS -p 22,445 10.20.0.1-60 >/dev/null
  on attacker nmap -6 -n -Pn -T4 --max-retries 1 -sS -p 22,445 $neighbours6 >/dev/null
  ordinary_round
  stop_capture
  retime 2026-03-03T02:14:00Z
  zstd -q -19 -f "$WORK/timed.pcap" -o "$folder/capture.pcap.zst"
}
