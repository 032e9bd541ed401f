# A quarter of an hour in a town hall, recorded in seconds and then set a minute apart. Nothing may fire.
record_ordinary_traffic() {
  local folder=$1
  start_capture
  ordinary_hour
  stop_capture
  retime 2026-03-02T08:00:00Z --marks "$WORK/marks" --spacing-secs 70 --jitter-secs 25 --seed 20260302
  editcap -F pcapng "$WORK/timed.pcap" "$folder/capture.pcapng"
  syslog_lines rfc3164 'from 198.51.100.77' > "$folder/auth.log"
  syslog_lines rfc5424 'from 2001:db8:f::77' > "$folder/auth-rfc5424.log"
}
